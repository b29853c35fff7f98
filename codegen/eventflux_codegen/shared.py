"""What a generated package takes from the runtime instead of making it: protobuf's well-known types."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Final

from eventflux_codegen.model import Enumeration, Lines, Message, Value, ValueKind
from eventflux_codegen.schema import EnumNode, MessageNode

__all__ = [
    "HOME",
    "PROVIDED",
    "Imports",
    "has_unset",
    "held_by",
    "imports_of",
    "is_in_runtime",
    "shared_imports",
    "typing_imports",
    "values_of",
]

HOME: Final = "eventflux_runtime.well_known"
"""The runtime's package of them."""

PROVIDED: Final = frozenset(
    f"google/protobuf/{stem}.proto"
    for stem in (
        "any",
        "api",
        "duration",
        "empty",
        "field_mask",
        "source_context",
        "struct",
        "timestamp",
        "type",
        "wrappers",
    )
)
"""Protobuf's files whose messages and enums it has."""

Imports = tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
"""Modules with the names that are imported from them, each with its name there and its name here, sorted."""

_PLAIN: Final = frozenset({ValueKind.STRUCT, ValueKind.LIST_VALUE, ValueKind.VALUE})


def is_in_runtime(node: MessageNode | EnumNode) -> bool:
    """Whether the runtime has the class of a message or an enum."""
    return node.source.descriptor.name in PROVIDED


def values_of(messages: Iterable[Message]) -> Iterator[Value]:
    """Every value that occurs, keys and choices included."""
    for message in messages:
        for field in message.fields:
            for value in (field.value, field.key, *(variant.value for variant in field.variants)):
                if value is not None:
                    yield value


def typing_imports(words: Collection[str]) -> Lines:
    """What the functions of a codec, in which these words stand, have to import of typing; sorted."""
    return ("TYPE_CHECKING", "Any", "Final") if "Any" in words else ("TYPE_CHECKING", "Final")


def has_unset(messages: Iterable[Message]) -> bool:
    """Whether some field is absent by msgspec's UNSET."""
    fields = [field for message in messages for field in message.fields]
    return any(field.value is not None and field.value.absent == "UNSET" for field in fields)


def shared_imports(
    messages: Iterable[Message], enums: Iterable[Enumeration], module: str, words: Collection[str]
) -> Imports:
    """What a codec, ``codec`` or ``protobuf`` by its `module`, has to import of well-known types for its words."""
    found = [(HOME, enum.name.rpartition(".")[2], enum.local) for enum in enums if enum.is_shared]
    for value in values_of(messages):
        if value.is_shared:
            found += _names_of(value, module)
    return imports_of(each for each in found if each[2] in words)


def held_by(
    messages: Iterable[Message], enums: Iterable[Enumeration], others: Iterable[Message]
) -> tuple[tuple[Enumeration, ...], tuple[Message, ...]]:
    """Of enums and of other messages, those that messages hold, at any depth, in their order."""
    by_name = {message.full_name: message for message in others}
    pending, found = list(messages), set()
    while pending:
        for value in values_of([pending.pop()]):
            if value.full_name not in found:
                found.add(value.full_name)
                pending += [by_name[value.full_name]] if value.full_name in by_name else []
    return (
        tuple(enum for enum in enums if enum.full_name in found),
        tuple(message for name, message in by_name.items() if name in found),
    )


def imports_of(found: Iterable[tuple[str, str, str]]) -> Imports:
    """The same by modules: of a module, the name there, and the name here."""
    homes: dict[str, set[tuple[str, str]]] = {}
    for home, name, local in found:
        homes.setdefault(home, set()).add((name, local))
    return tuple((home, tuple(sorted(names))) for home, names in sorted(homes.items()))


def _names_of(value: Value, module: str) -> list[tuple[str, str, str]]:
    suffix = "_protobuf" if module == "protobuf" else ""
    write, read = f"write_{value.snake}{suffix}", f"read_{value.snake}{suffix}"
    if value.kind in _PLAIN:
        return [(f"{HOME}.struct.{module}", name, name) for name in (write, read)]
    if value.is_wrapped:
        return [(f"{HOME}.wrapper", name, name) for name in (write, read)]
    stem = value.annotation.rpartition(".")[2]
    return [
        (HOME, stem, value.local),
        (f"{HOME}.{module}", f"encode_{value.snake}{suffix}", write),
        (f"{HOME}.{module}", read, read),
    ]
