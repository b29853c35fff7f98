"""`eventflux list`: the services of a server, or the methods of one."""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from eventflux_node.cli.explained import ExplainedCommand
from eventflux_node.cli.header import header_option
from eventflux_node.cli.loop import run_async
from eventflux_node.cli.option import client_config, client_options, seconds_option
from eventflux_node.cli.output import json_line
from eventflux_node.cli.schema_option import opened_schema, schema_choice, schema_options, split_url
from eventflux_node.schema.opening import SchemaChoice
from eventflux_runtime import CallOptions, ClientConfig, MetadataValue

__all__ = ["command"]


@click.command(
    "list",
    cls=ExplainedCommand,
    examples=(
        "eventflux list grpc://127.0.0.1:50051",
        "eventflux list grpc://127.0.0.1:50051 shop.v1.Items",
        "eventflux list --proto shop.proto --json",
    ),
    exit_codes={
        "0": "printed",
        "1": "the server or SERVICE is not there",
        "2": "the command line is wrong",
    },
)
@click.argument("arguments", nargs=-1, metavar="[URL] [SERVICE]")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
@seconds_option("--timeout", 10.0, "How long to wait for each answer.")
@header_option
@schema_options
@client_options
def command(
    *,
    arguments: tuple[str, ...],
    as_json: bool,
    timeout_s: float,
    headers: tuple[tuple[str, MetadataValue], ...],
    loop: str,
    **options: Any,
) -> int:
    """List the services of the server at URL, or the methods of SERVICE.

    A method is printed as `eventflux call` takes it. With --proto, --descriptor-set or --package no URL is needed.
    """
    choice = schema_choice(options)
    url, service = split_url(arguments, choice, "SERVICE")
    config = client_config(options)
    call_options = CallOptions(timeout_s=timeout_s, metadata=headers)
    return run_async(loop, lambda: _list(url, service, choice, config, call_options, as_json))


async def _list(
    url: str | None,
    service: str | None,
    choice: SchemaChoice,
    config: ClientConfig,
    options: CallOptions,
    as_json: bool,
) -> int:
    """Prints the names. Returns the exit code, 0."""
    async with opened_schema(url, choice, config, options) as schema:
        if service is None:
            names = await schema.services()
            print(json_line({"services": names}) if as_json else "\n".join(names))
            return 0
        methods = await schema.methods(service)
    if as_json:
        print(json_line({"service": service, "methods": [dataclasses.asdict(method) for method in methods]}))
        return 0
    for method in methods:
        print(f"{service}/{method.name}{' (deprecated)' if method.is_deprecated else ''}")
    return 0
