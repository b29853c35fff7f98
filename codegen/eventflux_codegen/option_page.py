"""The page that describes the YAML, made of the classes that its options are."""

from __future__ import annotations

import textwrap
import typing
from collections.abc import Iterator
from dataclasses import is_dataclass
from enum import Enum
from typing import Any, Final

from eventflux_codegen.option_doc import Option, options_of, parts_of, text_of

__all__ = ["page_text"]

_WIDTH: Final = 120
_SCALARS: Final = {str: "text", int: "whole number", float: "number", bool: "true or false"}
_HEAD: Final = """\
# The YAML beside the .proto files

Every key that the file may have. This page is made of the generator's own classes: `eventflux-codegen schema --page`
prints it, and `eventflux-codegen schema` the JSON schema of the same, by which editors complete and check the file.
[generating.md](generating.md) shows how it is used.

A key that is not here is an error that names its line and the nearest key that there is. Keys without "required" may be
left out. Messages, enums and services are named as in the IDL, with or without the proto package.
"""


def page_text(kind: type) -> str:
    """The page for a file whose options are of a class, in Markdown."""
    sections = [_section("The file", "", kind)]
    done: set[type] = {kind}
    pending = list(_records_in(kind))
    while pending:
        current = pending.pop(0)
        if current not in done:
            done.add(current)
            sections.append(_section(_title(current), text_of(current), current))
            pending[:0] = _records_in(current)
    return "\n".join([_HEAD, *sections])


def _section(title: str, text: str, kind: type) -> str:
    rows = "".join(f"{_row(option)}\n" for option in options_of(kind))
    intro = f"{textwrap.fill(text.replace('``', '`'), _WIDTH)}\n\n" if text else ""
    return f"## {title}\n\n{intro}| key | value | meaning |\n| -- | -- | -- |\n{rows}"


def _row(option: Option) -> str:
    text = option.text.replace("``", "`").replace("|", "\\|").replace("; None: ", "; if left out: ")
    if option.default not in (None, False, []):
        text += f" Default: `{_shown(option.default)}`."
    return f"| `{option.name}` | {_words(option.kind)}{', required' if option.is_required else ''} | {text} |"


def _shown(value: object) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)


def _words(kind: Any) -> str:
    inner, parts = parts_of(kind)
    if inner is typing.Union:
        return ", or ".join(_words(part) for part in parts)
    if inner is list:
        return f"list of {_plural(parts[0])}"
    if inner is dict:
        return f"mapping to {_words(parts[0])}"
    if is_dataclass(inner):
        title = _title(typing.cast("type", inner))
        return f"[{title.lower()}](#{title.lower().replace(' ', '-')})"
    if issubclass(inner, Enum):
        return ", ".join(f"`{member.value}`" for member in inner)
    return _SCALARS[inner]


def _plural(kind: Any) -> str:
    inner, _ = parts_of(kind)
    return {str: "texts", int: "whole numbers", float: "numbers"}.get(inner) or f"one of {_words(kind)}"


def _title(kind: type) -> str:
    name = kind.__name__.removesuffix("Options")
    if not name[1:].islower():
        return f"Options of {name}"  # a proper name
    return f"Options of a {name.lower()}" if name[:1] not in "AEIOU" else f"Options of an {name.lower()}"


def _records_in(kind: type) -> Iterator[type]:
    """The classes of the values of a class's keys."""
    for option in options_of(kind):
        yield from _records(option.kind)


def _records(kind: Any) -> Iterator[type]:
    inner, parts = parts_of(kind)
    if is_dataclass(inner):
        yield typing.cast("type", inner)
    for part in parts:
        yield from _records(part)
