"""What one module of each codec is about: the messages of one module of messages, and where all else comes from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from eventflux_codegen.message_module import MessageModule
from eventflux_codegen.model import Enumeration, Lines, Message, ValueKind
from eventflux_codegen.package import Package
from eventflux_codegen.shared import values_of

__all__ = ["Part", "imports_among", "parts_of"]

_DEFINED: Final = re.compile(r"^def (\w+)", re.MULTILINE)
_WORD: Final = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Part:
    """The messages of one module, whose codecs and tables for JSON stand in modules of their own beside it."""

    suffix: str
    """What the names of those modules end with: ``_3`` beside ``messages_3``."""
    enums: tuple[Enumeration, ...]
    """The enums that are defined beside the messages."""
    messages: tuple[Message, ...]
    enum_tables: tuple[Enumeration, ...]
    """The enums whose numbers the codecs look up."""
    classes: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    """The modules of the classes that they may name, each class with its name in the codecs."""

    @property
    def kinds(self) -> frozenset[ValueKind]:
        """The kinds of values that occur, keys and choices included."""
        return frozenset(value.kind for value in values_of(self.messages))

    def classes_in(self, code: str) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
        """Those of the classes that some code names, or what stands around the functions of a codec."""
        words = {*_WORD.findall(code), *(own.local for own in self.messages), *(own.local for own in self.enum_tables)}
        named = [(module, tuple(pair for pair in pairs if pair[1] in words)) for module, pairs in self.classes]
        return tuple((module, pairs) for module, pairs in named if pairs)

    @property
    def homes(self) -> dict[str, str]:
        """The module of each class."""
        return {name: module for module, names in self.classes for name, _ in names}


def parts_of(package: Package) -> tuple[Part, ...]:
    """The parts, each behind those that it needs; a package of usual size is one."""
    modules = package.message_modules
    if len(modules) == 1:
        classes = ((modules[0].name, package.imports),) if package.imports else ()
        return (Part("", package.enums, package.messages, package.enum_tables, classes),)
    local, tables = dict(package.imports), package.enum_tables
    return tuple(_part(own, tables, local) for own in modules)


def _part(own: MessageModule, tables: Sequence[Enumeration], local: Mapping[str, str]) -> Part:
    used = {value.annotation for value in values_of(own.messages)}
    needed = [(own.name, own.exports), *own.imports]
    pairs = [
        (module, tuple((name, local[name]) for name in sorted(names) if name in local)) for module, names in needed
    ]
    return Part(
        suffix=own.name.removeprefix("messages"),
        enums=own.enums,
        messages=own.messages,
        enum_tables=tuple(enum for enum in tables if enum.name in used),
        classes=tuple(sorted(pairs)),
    )


def imports_among(stem: str, parts: Sequence[Part], texts: Iterable[str]) -> Iterator[tuple[tuple[str, Lines], ...]]:
    """For the code of each part, the modules of earlier ones whose functions it calls, and the functions.

    Args:
        stem: what the names of the modules begin with.
        parts: the parts.
        texts: their functions.
    """
    homes: dict[str, str] = {}
    for part, text in zip(parts, texts, strict=True):
        own = set(_DEFINED.findall(text))
        found: dict[str, list[str]] = {}
        for word in sorted(set(_WORD.findall(text)) - own):
            if word in homes:
                found.setdefault(homes[word], []).append(word)
        yield tuple((module, tuple(names)) for module, names in sorted(found.items()))
        homes |= dict.fromkeys(own, f"{stem}{part.suffix}")
