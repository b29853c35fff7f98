"""The tables of a package for proto3's JSON mapping: a line for each field, and the names of each enum's numbers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from eventflux_codegen.model import Cardinality, Field, Lines, Message, Value, ValueKind, Variant
from eventflux_codegen.package import Package

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
    """What the template of the tables sees."""

    rows: dict[str, Lines]
    """The rows of each message, by its class, in the order of the numbers."""
    has_well_known: bool
    """Whether some row names a class of the runtime's."""


def build_json_tables(package: Package) -> JsonTables:
    """The tables of all messages of a package."""
    rows = {message.name: _rows(message) for message in package.messages}
    return JsonTables(rows, any("well_known." in row for lines in rows.values() for row in lines))


def _rows(message: Message) -> Lines:
    numbered = [
        (number, row)
        for field in message.fields
        for number, row in (
            [(variant.number, field_row(field, variant)) for variant in field.variants]
            or [(field.number, field_row(field, None))]
        )
    ]
    return tuple(row for _, row in sorted(numbered))


def field_row(field: Field, variant: Variant | None) -> str:
    """The row of a field, or of a choice of a oneof."""
    given = variant or field
    value = given.value
    assert value is not None
    parts = [f'"{given.proto_name}"', _kind(value)]
    if field.name != given.proto_name:
        parts.append(f'attribute="{field.name}"')
    if given.json_name:
        parts.append(f"json_name={json.dumps(given.json_name)}")
    if variant is not None:
        parts.append(f"choice=messages.{variant.class_name}")
    if field.key is not None:
        parts.append(f"key={_kind(field.key)}")
    elif field.cardinality is Cardinality.REPEATED:
        parts.append("is_list=True")
    elif field.cardinality is Cardinality.OPTIONAL:
        parts.append("is_optional=True")
    elif field.cardinality is Cardinality.REQUIRED:
        parts.append("is_required=True")
    return f"runtime.JsonField({', '.join(parts)})"


def _kind(value: Value) -> str:
    if value.kind in (ValueKind.MESSAGE, ValueKind.ENUM):
        return value.annotation if "." in value.annotation else f"messages.{value.annotation}"
    return f'"{_KINDS.get(value.kind, value.kind.value)}"'
