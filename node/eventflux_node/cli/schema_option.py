"""The options that say where types come from, and the names of methods and definitions as arguments."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from eventflux_node.schema.api import Schema
from eventflux_node.schema.opening import SchemaChoice, open_schema
from eventflux_runtime import CallOptions, ClientConfig, connect

__all__ = ["opened_schema", "schema_choice", "schema_options", "split_url"]

_Command = TypeVar("_Command", bound=Callable[..., Any])


def schema_options(command: _Command) -> _Command:
    """Adds the sources of types, which `schema_choice` reads."""
    for option in (
        click.option(
            "--package",
            metavar="NAME",
            help="Take the types of a generated package, which may lie in this folder. It needs no protobuf.",
        ),
        click.option(
            "--descriptor-set",
            "descriptor_sets",
            multiple=True,
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Take the types of a descriptor set, as protoc and buf make it; repeatable.",
        ),
        click.option(
            "--include",
            "-I",
            multiple=True,
            type=click.Path(path_type=Path, file_okay=False, exists=True),
            metavar="DIR",
            help="Where the imports of --proto are looked for; repeatable [default: the folders of the files].",
        ),
        click.option(
            "--proto",
            "protos",
            multiple=True,
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Take the types of a .proto file; repeatable [default: the server tells them].",
        ),
    ):
        command = option(command)
    return command


def schema_choice(options: dict[str, Any]) -> SchemaChoice:
    """What the options say; they are taken out of it.

    Raises:
        UsageError: several sources are named.
    """
    choice = SchemaChoice(
        protos=options.pop("protos"),
        include=options.pop("include"),
        descriptor_sets=options.pop("descriptor_sets"),
        package=options.pop("package"),
    )
    named = [bool(choice.protos), bool(choice.descriptor_sets), choice.package is not None]
    if sum(named) > 1:
        raise click.UsageError("types come from one of --proto, --descriptor-set and --package")
    if choice.include and not choice.protos:
        raise click.UsageError("-I is for --proto")
    if choice.package is not None and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # as `python -m` has it; behind all else, so that nothing is hidden by it
    return choice


def split_url(arguments: tuple[str, ...], choice: SchemaChoice, name: str) -> tuple[str | None, str | None]:
    """The URL and the name among ``[URL] [NAME]``: types of files need no server.

    Args:
        arguments: as they were typed.
        choice: where the types come from.
        name: what the second argument is called.

    Raises:
        UsageError: the URL is missing, or there is more.
    """
    has_url = bool(arguments) and "://" in arguments[0]
    rest = arguments[1:] if has_url else arguments
    if not has_url and choice.needs_server:
        raise click.UsageError("Missing argument 'URL'.")
    if len(rest) > 1:
        raise click.UsageError(f"Got unexpected extra argument ({rest[1]}): there is one {name} at most")
    return arguments[0] if has_url else None, rest[0] if rest else None


@asynccontextmanager
async def opened_schema(
    url: str | None, choice: SchemaChoice, config: ClientConfig, options: CallOptions
) -> AsyncGenerator[Schema]:
    """The schema, and the channel that it needs, while the context is open."""
    if not choice.needs_server or url is None:
        yield open_schema(choice, None)
        return
    async with connect(url, config=config) as channel:
        yield open_schema(choice, channel, options)
