"""What one module of each codec is about: the messages of one module of messages, and where all else comes from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from eventflux_codegen.message_module import MessageModule
from eventflux_codegen.model import Enumeration, Lines, Message, ValueKind
from eventflux_codegen.package import Package
from eventflux_codegen.reserved import defined_in, words_of
from eventflux_codegen.shared import Imports, held_by, imports_of, values_of

__all__ = ["Code", "Part", "imports_among", "parts_of"]


@dataclass(frozen=True, slots=True)
class Code:
    """The functions of one part in one codec, not formatted."""

    functions: Lines
    words: frozenset[str]
    """The names that stand in them."""
    defined: frozenset[str]
    """Those that they define."""

    @staticmethod
    def of(functions: Iterable[str]) -> Code:
        """The source of functions, and what stands in it."""
        functions = tuple(functions)
        defined = (name for function in functions for name in defined_in(function))
        return Code(functions, words_of("\n".join(functions)), frozenset(defined))


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
    classes: Imports
    """The modules of the classes that they may name, each class with its name in the codecs."""
    foreign: tuple[Message, ...]
    """The messages of other packages that they hold; how those are written and read is repeated here."""
    foreign_imports: Imports
    """Their classes, the enums that they and the others hold, and the packages that have them."""
    named: Imports
    """Those of them that fields of the messages have, under the names that they have beside the messages."""

    @property
    def coded(self) -> tuple[Message, ...]:
        """The messages that the codecs write and read."""
        return (*self.messages, *self.foreign)

    @property
    def kinds(self) -> frozenset[ValueKind]:
        """The kinds of values that occur, keys and choices included."""
        return frozenset(value.kind for value in values_of(self.coded))

    def classes_in(self, words: frozenset[str]) -> Imports:
        """Those of the classes that the functions of a codec name, or what stands around the functions of a codec."""
        return self._named(self.classes, words)

    def foreign_in(self, words: frozenset[str]) -> Imports:
        """The same of other packages' classes."""
        return self._named(self.foreign_imports, words)

    def _named(self, homes: Imports, words: frozenset[str]) -> Imports:
        used = {*words, *(own.local for own in self.coded), *(own.local for own in self.enum_tables)}
        named = [(module, tuple(pair for pair in pairs if pair[1] in used)) for module, pairs in homes]
        return tuple((module, pairs) for module, pairs in named if pairs)

    @property
    def homes(self) -> dict[str, str]:
        """The module of each class."""
        return {name: module for module, names in self.classes for name, _ in names}


def parts_of(package: Package) -> tuple[Part, ...]:
    """The parts, each behind those that it needs; a package of usual size is one."""
    return tuple(_part(package, own) for own in package.message_modules)


def _part(package: Package, own: MessageModule) -> Part:
    enums, messages = held_by(own.messages, package.foreign_enums, package.foreign_messages)
    used = {value.annotation for value in values_of((*own.messages, *messages))}
    is_whole = len(package.message_modules) == 1
    return Part(
        suffix=own.name.removeprefix("messages"),
        enums=own.enums,
        messages=own.messages,
        enum_tables=tuple(enum for enum in package.enum_tables if enum.name in used or (is_whole and not enum.home)),
        classes=_classes(package, own, is_all=bool(messages)),
        foreign=messages,
        foreign_imports=_imports_of(enums, messages),
        named=own.foreign,
    )


def _classes(package: Package, own: MessageModule, *, is_all: bool) -> Imports:
    """The package's classes that a part may name: those of its module and of modules that this imports, or all.

    Messages of other packages may hold any of those that they were made after.
    """
    local = dict(package.imports)
    homes = [(module.name, module.exports) for module in package.message_modules] if is_all else own.imports
    pairs = (
        (module, tuple((name, local[name]) for name in sorted(names) if name in local))
        for module, names in {**dict(homes), own.name: own.exports}.items()
    )
    return tuple(sorted(each for each in pairs if each[1]))


def _imports_of(enums: Iterable[Enumeration], messages: Iterable[Message]) -> Imports:
    found = [(enum.home, enum.exported, enum.local) for enum in enums]
    for message in messages:
        found.append((message.home, message.exported, message.local))
        for oneof in message.oneofs:
            found.append((message.home, oneof.union_exported, oneof.union_local))
            found += [(message.home, variant.exported, variant.local) for variant in oneof.variants]
    return imports_of(found)


def imports_among(stem: str, parts: Sequence[Part], codes: Iterable[Code]) -> Iterator[tuple[tuple[str, Lines], ...]]:
    """For the code of each part, the modules of earlier ones whose functions it calls, and the functions.

    Args:
        stem: what the names of the modules begin with.
        parts: the parts.
        codes: their functions.
    """
    homes: dict[str, str] = {}
    for part, code in zip(parts, codes, strict=True):
        found: dict[str, list[str]] = {}
        for word in sorted(code.words & homes.keys() - code.defined):
            found.setdefault(homes[word], []).append(word)
        yield tuple((module, tuple(names)) for module, names in sorted(found.items()))
        homes |= dict.fromkeys(code.defined, f"{stem}{part.suffix}")
