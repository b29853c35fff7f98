"""`eventflux health`: whether a server, or one of its services, is serving, as an exit code."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any, Final

import anyio
import click

from eventflux_node.cli.explained import ExplainedCommand
from eventflux_node.cli.header import header_option
from eventflux_node.cli.loop import run_async
from eventflux_node.cli.option import client_config, client_options, seconds_option
from eventflux_node.failure import CommandFailure
from eventflux_runtime import (
    ClientConfig,
    DeadlineExceeded,
    HealthClient,
    Metadata,
    MetadataValue,
    NotFound,
    RpcError,
    ServingStatus,
    Unimplemented,
    connect,
)

__all__ = ["NoAnswer", "command"]

NOT_SERVING: Final = 1
NO_ANSWER: Final = 3


class NoAnswer(CommandFailure):
    """There is no status to tell."""

    exit_code = NO_ANSWER


@click.command(
    "health",
    cls=ExplainedCommand,
    examples=(
        "eventflux health grpc://127.0.0.1:50051",
        "eventflux health unix:///run/node.sock eventflux.transport.Transport",
        "eventflux health tcp://127.0.0.1:7070 --watch",
    ),
    exit_codes={
        "0": "SERVING",
        "1": "NOT_SERVING, or a status or a service that is not known",
        "2": "the command line is wrong",
        "3": "no answer: nobody is there, not in time, or the server has no health service",
    },
)
@click.argument("url")
@click.argument("service", default="")
@click.option("--watch", is_flag=True, help="Print each change until the server goes or Ctrl-C is pressed.")
@seconds_option("--timeout", 2.0, "How long to wait for the answer, connecting included.", is_zero_allowed=False)
@header_option
@client_options
def command(
    *,
    url: str,
    service: str,
    watch: bool,
    timeout_s: float,
    headers: tuple[tuple[str, MetadataValue], ...],
    loop: str,
    **options: Any,
) -> int:
    """Ask the server at URL by gRPC's health protocol whether it is serving, or whether SERVICE is.

    It prints the status. Any server that speaks the protocol answers, on every wire. For probes of Kubernetes and
    Docker.
    """
    config = client_config(options)
    return run_async(loop, lambda: _ask(url, service, config, Metadata(headers), timeout_s, watch), goes_on=True)


async def _ask(url: str, service: str, config: ClientConfig, metadata: Metadata, timeout_s: float, watch: bool) -> int:
    """Prints the status, or each that it becomes. Returns the exit code."""
    try:
        async with connect(url, config=config) as channel:
            client = HealthClient(channel)
            if watch:
                return await _watch(client, service, metadata, timeout_s)
            return _told(await client.check(service, timeout_s=timeout_s, metadata=metadata))
    except NotFound:
        return _told(ServingStatus.SERVICE_UNKNOWN)
    except RpcError as error:
        raise NoAnswer(_reason(error, timeout_s)) from error


async def _watch(client: HealthClient, service: str, metadata: Metadata, timeout_s: float) -> int:
    """Prints each status as it changes, without end; the first has to come in time."""
    async with aclosing(client.watch(service, metadata=metadata)) as statuses:
        try:
            with anyio.fail_after(timeout_s):
                first = await anext(statuses)
        except TimeoutError:
            raise NoAnswer(f"no answer within {timeout_s:g} s") from None
        code = _told(first)
        async for status in statuses:
            code = _told(status)
    return code


def _told(status: ServingStatus) -> int:
    print(status.name, flush=True)
    return 0 if status is ServingStatus.SERVING else NOT_SERVING


def _reason(error: RpcError, timeout_s: float) -> str:
    if isinstance(error, DeadlineExceeded):
        return f"no answer within {timeout_s:g} s: {error.message}"
    if isinstance(error, Unimplemented):
        return "the server has no health service: ask it by eventflux list what it serves"
    return str(error)
