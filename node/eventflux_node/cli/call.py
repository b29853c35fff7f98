"""`eventflux call`: a method called with JSON."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import click

from eventflux_node.caller import CallRecord, make_call
from eventflux_node.cli.explained import ExplainedCommand
from eventflux_node.cli.header import header_lines, header_option
from eventflux_node.cli.loop import run_async
from eventflux_node.cli.option import client_config, client_options, seconds_option
from eventflux_node.cli.output import json_line, json_text
from eventflux_node.cli.schema_option import schema_choice, schema_options
from eventflux_node.request_text import RequestTextError, request_texts
from eventflux_node.schema.api import Callee, Schema
from eventflux_node.schema.known_detail import opaque_detail
from eventflux_node.schema.opening import SchemaChoice, open_schema
from eventflux_runtime import (
    CallOptions,
    ClientConfig,
    CodecError,
    Compression,
    MetadataValue,
    RpcError,
    StatusCode,
    connect,
)

__all__ = ["command"]

STATUS_EXIT = 64
"""The exit code of a call that failed is this and the code of its status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """What is called, how, and what is shown of it."""

    url: str
    name: str
    data: Sequence[str]
    config: ClientConfig
    choice: SchemaChoice
    options: CallOptions
    with_defaults: bool
    is_verbose: bool


@click.command(
    "call",
    cls=ExplainedCommand,
    examples=(
        'eventflux call grpc://127.0.0.1:50051 shop.v1.Items/Get \'{"sku": "bolt"}\'',
        "tail -f changes.jsonl | eventflux call tcp://127.0.0.1:7070 shop.v1.Items/Record -",
        "eventflux call grpcs://api.example.com shop.v1.Items/Get @item.json -H 'authorization: Bearer 42'",
        "eventflux call unix:///run/shop.sock shop.v1.Items/Get --proto shop.proto -v",
    ),
    exit_codes={
        "0": "the call ended with OK",
        "1": "it could not be made: a wrong URL, an unknown method, a request that is not its JSON",
        "2": "the command line is wrong",
        "64 + n": "it failed with gRPC's status code n: 69 is NOT_FOUND, 78 is UNAVAILABLE",
    },
)
@click.argument("url")
@click.argument("method", metavar="SERVICE/METHOD")
@click.argument("data", nargs=-1, metavar="[DATA]...")
@header_option
@seconds_option(
    "--timeout", None, "The deadline of the call; to look its types up, each question has as long [default: none]."
)
@click.option(
    "--compression",
    type=click.Choice([member.value for member in Compression]),
    help="For the requests [default: none].",
)
@click.option("--wait-for-ready", is_flag=True, help="Wait for a server to come up rather than fail.")
@click.option("--emit-defaults", "with_defaults", is_flag=True, help="Show fields with their default values, too.")
@click.option(
    "-v", "--verbose", "is_verbose", is_flag=True, help="Show metadata, trailers, status and time on standard error."
)
@schema_options
@client_options
def command(  # noqa: PLR0913 - click hands over each option as a parameter
    *,
    url: str,
    method: str,
    data: tuple[str, ...],
    headers: tuple[tuple[str, MetadataValue], ...],
    timeout_s: float | None,
    compression: str | None,
    wait_for_ready: bool,
    with_defaults: bool,
    is_verbose: bool,
    loop: str,
    **options: Any,
) -> int:
    """Call SERVICE/METHOD of the server at URL.

    DATA is a request in JSON, @FILE, or - for standard input. A method that streams requests takes several, and each
    line of a file or of standard input is one, sent when it is there. Without DATA the request is the empty message.
    Responses are printed in JSON, a line each, as they come.
    """
    call_options = CallOptions(timeout_s=timeout_s, metadata=headers, wait_for_ready=wait_for_ready)
    if compression is not None:
        call_options["compression"] = Compression(compression)
    order = _Order(
        url=url,
        name=method,
        data=data,
        choice=schema_choice(options),
        config=client_config(options),
        options=call_options,
        with_defaults=with_defaults,
        is_verbose=is_verbose,
    )
    return run_async(loop, lambda: _call(order), goes_on=True)


async def _call(order: _Order) -> int:
    """Makes the call and prints what comes of it. Returns the exit code."""
    async with connect(order.url, config=order.config) as channel:
        schema = open_schema(order.choice, channel, order.options)
        record = CallRecord()
        try:
            callee = await schema.callee(order.name)
            texts = _arguments(callee, order.data)

            async def show(response: Any) -> None:
                print(json_text(await callee.write(response, with_defaults=order.with_defaults)), flush=True)

            async with aclosing(_requests(callee, texts)) as requests:
                await make_call(channel, callee.method, requests, show, record=record, options=order.options)
        except RpcError as error:
            if order.is_verbose:
                _show_record(record)
            await _show_failure(schema, error)
            return STATUS_EXIT + error.code
    if order.is_verbose:
        _show_record(record)
    return 0


def _arguments(callee: Callee, data: Sequence[str]) -> Sequence[str]:
    """The requests as they were typed; none is the empty message.

    Raises:
        UsageError: a stream of requests is not given.
    """
    if data:
        return data
    if callee.method.kind.streams_requests:
        raise click.UsageError(f"{callee.method.path} streams requests: give DATA, or - for lines of standard input")
    return ("{}",)


async def _requests(callee: Callee, arguments: Sequence[str]) -> AsyncGenerator[Any, None]:
    """The requests of texts. Raises RequestTextError for one that is none, with its line."""
    by_line = callee.method.kind.streams_requests
    async with aclosing(request_texts(arguments, by_line=by_line)) as texts:
        async for request in texts:
            try:
                yield await callee.read(request.text)
            except CodecError as error:
                raise RequestTextError(f"{request.origin}: {error}" if request.origin else str(error)) from error


def _show_record(record: CallRecord) -> None:
    """What there is to a call besides its messages, on standard error."""
    status = record.status
    lines = [f"< {line}" for line in header_lines(record.initial_metadata)]
    if status is not None:
        lines += [f"trailer: {line}" for line in header_lines(status.trailers)]
        lines.append(f"status: {StatusCode(status.code).name}")
    lines += [f"responses: {record.responses}", f"time: {record.seconds * 1000:.1f} ms"]
    print("\n".join(lines), file=sys.stderr)


async def _show_failure(schema: Schema, error: RpcError) -> None:
    """One line with the code and the text, and a line of JSON for each detail."""
    print(f"eventflux: {' '.join(str(error).split())}", file=sys.stderr)
    for detail in error.details:
        try:
            shown = await schema.detail(detail)
        except (RpcError, CodecError):
            shown = None  # the call's own failure is what is told
        print(f"  {json_line(shown if shown is not None else opaque_detail(detail))}", file=sys.stderr)
