"""Metadata on the command line, as ``-H 'name: value'``."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, cast

import click

from eventflux_runtime import ConfigError, Metadata, MetadataValue

__all__ = ["Header", "header_lines", "header_option"]

_Command = TypeVar("_Command", bound=Callable[..., Any])


class Header(click.ParamType[tuple[str, MetadataValue]]):
    """``name: value``; the value of a name that ends in ``-bin`` is base64. In a variable, a header a line."""

    name = "header"
    envvar_list_splitter: ClassVar[str | None] = "\n"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, MetadataValue]:
        """The name and the value."""
        if isinstance(value, tuple):
            return cast("tuple[str, MetadataValue]", value)  # it was converted before
        name, colon, text = (part.strip() for part in str(value).partition(":"))
        if not colon or not name:
            self.fail(f"{value!r} is no header: write it as 'name: value'", param, ctx)
        made: MetadataValue = text
        if name.lower().endswith("-bin"):
            try:
                made = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
            except binascii.Error:
                self.fail(f"{text!r} is not base64, as the value of {name!r} has to be", param, ctx)
        try:
            Metadata([(name, made)])
        except ConfigError as error:
            self.fail(str(error), param, ctx)
        return name, made


def header_option(command: _Command) -> _Command:
    """Adds ``-H``, whose values are the parameter ``headers``, and go with every call that the command makes."""
    return click.option(
        "-H",
        "--header",
        "headers",
        multiple=True,
        type=Header(),
        metavar="'NAME: VALUE'",
        help="Metadata of each call; of a name that ends in -bin the value is base64; repeatable.",
    )(command)


def header_lines(metadata: Metadata) -> list[str]:
    """Metadata as `Header` reads it."""
    return [
        f"{name}: {value if isinstance(value, str) else base64.b64encode(value).decode()}" for name, value in metadata
    ]
