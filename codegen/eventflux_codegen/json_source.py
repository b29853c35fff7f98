"""The tables of a package for proto3's JSON mapping: a line for each field, and the names of each enum's numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from eventflux_codegen.model import Cardinality, Field, Lines, Message, Value, ValueKind, Variant
from eventflux_codegen.part import Part
from eventflux_codegen.shared import Imports

__all__ = ["JsonTables", "build_json_tables", "field_row"]

_KINDS: Final = {
    ValueKind.STR: "string",
    ValueKind.I32: "int32",
    ValueKind.U32: "uint32",
    ValueKind.I64: "int64",
    ValueKind.U64: "uint64",
    ValueKind.F32: "float",
    ValueKind.F64: "double",
    ValueKind.LIST_VALUE: "list",
}
"""The runtime's names of kinds that have another one here."""


@dataclass(frozen=True, slots=True)
class JsonTables:
    """What the template of the tables sees of one part."""

    part: Part
    rows: dict[str, Lines]
    """The rows of each message, by its class, in the order of the numbers."""
    modules: Lines
    """The modules of messages that the rows name, sorted."""
    has_well_known: bool
    """Whether some row names a class of the runtime's."""
    foreign: Imports
    """The classes of other packages that rows name."""


def build_json_tables(parts: Sequence[Part]) -> tuple[JsonTables, ...]:
    """The tables of all messages of a package, for each of its parts."""
    return tuple(_tables(part) for part in parts)


def _tables(part: Part) -> JsonTables:
    homes = part.homes
    rows = {message.name: _rows(message, homes) for message in part.messages}
    whole = "\n".join(row for lines in rows.values() for row in lines)
    modules = {f"messages{part.suffix}", *(home for home in homes.values() if f"{home}." in whole)}
    return JsonTables(part, rows, tuple(sorted(modules)), "well_known." in whole, part.named)


def _rows(message: Message, homes: Mapping[str, str]) -> Lines:
    numbered = [
        (number, row)
        for field in message.fields
        for number, row in (
            [(variant.number, field_row(field, variant, homes)) for variant in field.variants]
            or [(field.number, field_row(field, None, homes))]
        )
    ]
    return tuple(row for _, row in sorted(numbered))


def field_row(field: Field, variant: Variant | None, homes: Mapping[str, str] | None = None) -> str:
    """The row of a field, or of a choice of a oneof.

    `homes` has the modules of the package's own classes; None: all are in one. Others are imported by themselves.
    """
    given = variant or field
    value = given.value
    assert value is not None
    parts = [f'"{given.proto_name}"', _kind(value, homes)]
    if field.name != given.proto_name:
        parts.append(f'attribute="{field.name}"')
    if given.json_name:
        parts.append(f"json_name={json.dumps(given.json_name)}")
    if variant is not None:
        parts.append(f"choice={_place(variant.class_name, homes)}")
    if field.key is not None:
        parts.append(f"key={_kind(field.key, homes)}")
    elif field.cardinality is Cardinality.REPEATED:
        parts.append("is_list=True")
    elif field.cardinality is Cardinality.OPTIONAL:
        parts.append("is_optional=True")
    elif field.cardinality is Cardinality.REQUIRED:
        parts.append("is_required=True")
    return f"runtime.JsonField({', '.join(parts)})"


def _kind(value: Value, homes: Mapping[str, str] | None) -> str:
    if value.kind in (ValueKind.MESSAGE, ValueKind.ENUM):
        return value.annotation if "." in value.annotation else _place(value.annotation, homes)
    return f'"{_KINDS.get(value.kind, value.kind.value)}"'


def _place(name: str, homes: Mapping[str, str] | None) -> str:
    if homes is None:
        return f"messages.{name}"
    return f"{homes[name]}.{name}" if name in homes else name
