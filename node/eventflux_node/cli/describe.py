"""`eventflux describe`: a definition as the .proto file has it."""

from __future__ import annotations

from typing import Any

import click

from eventflux_node.cli.explained import ExplainedCommand
from eventflux_node.cli.header import header_option
from eventflux_node.cli.loop import run_async
from eventflux_node.cli.option import client_config, client_options, seconds_option
from eventflux_node.cli.output import json_line
from eventflux_node.cli.schema_option import opened_schema, schema_choice, schema_options, split_url
from eventflux_node.schema.api import Definition, SchemaError
from eventflux_node.schema.opening import SchemaChoice
from eventflux_runtime import CallOptions, ClientConfig, MetadataValue

__all__ = ["command"]


@click.command(
    "describe",
    cls=ExplainedCommand,
    examples=(
        "eventflux describe grpc://127.0.0.1:50051 shop.v1.Items",
        "eventflux describe grpc://127.0.0.1:50051 shop.v1.Items/Get",
        "eventflux describe --proto shop.proto shop.v1.Item",
    ),
    exit_codes={
        "0": "printed",
        "1": "the server or NAME is not there",
        "2": "the command line is wrong",
    },
)
@click.argument("arguments", nargs=-1, metavar="[URL] [NAME]")
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each definition: its descriptor.")
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
    """Show the definition of NAME: a service, a method, a message or an enum of the server at URL.

    Without NAME every service is shown. Comments are there where the source of types has them: servers leave them
    out, --proto has them. With --proto, --descriptor-set or --package no URL is needed.
    """
    choice = schema_choice(options)
    url, name = split_url(arguments, choice, "NAME")
    config = client_config(options)
    call_options = CallOptions(timeout_s=timeout_s, metadata=headers)
    return run_async(loop, lambda: _describe(url, name, choice, config, call_options, as_json))


async def _describe(
    url: str | None, name: str | None, choice: SchemaChoice, config: ClientConfig, options: CallOptions, as_json: bool
) -> int:
    """Prints the definitions. Returns the exit code, 0."""
    async with opened_schema(url, choice, config, options) as schema:
        names = (name,) if name is not None else await schema.services()
        shown: list[str] = []
        for wanted in names:
            try:
                definition = await schema.define(wanted)
            except SchemaError as error:
                if name is not None:
                    raise
                shown.append(json_line({"name": wanted, "error": str(error)}) if as_json else f"// {error}")
            else:
                shown.append(_json(definition) if as_json else _text(definition))
    print(("\n" if as_json else "\n\n").join(shown))
    return 0


def _text(definition: Definition) -> str:
    return f"// {definition.kind} {definition.name} of {definition.file}\n{definition.text}"


def _json(definition: Definition) -> str:
    record = {"name": definition.name, "kind": definition.kind, "file": definition.file}
    return json_line({**record, "descriptor": definition.tree})
