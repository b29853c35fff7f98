"""The tables of a package for proto3's JSON mapping: a line for each field, and the names of each enum's numbers."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from eventflux_codegen.model import Cardinality, Enumeration, Field, Lines, Message, Value, ValueKind, Variant
from eventflux_codegen.package import Package
from eventflux_codegen.shared import Imports, imports_of, values_of

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
    foreign: Imports
    """The classes of other packages that rows name."""


def build_json_tables(package: Package) -> JsonTables:
    """The tables of all messages of a package."""
    elsewhere: dict[str, Enumeration | Message] = {enum.name: enum for enum in package.foreign_enums}
    elsewhere |= {message.name: message for message in package.foreign_messages}
    rows = {message.name: _rows(message, elsewhere.keys()) for message in package.messages}
    named = {value.annotation for value in values_of(package.messages)}
    foreign = imports_of((own.home, own.exported, own.name) for name, own in elsewhere.items() if name in named)
    return JsonTables(rows, any("well_known." in row for lines in rows.values() for row in lines), foreign)


def _rows(message: Message, elsewhere: Collection[str] = ()) -> Lines:
    numbered = [
        (number, row)
        for field in message.fields
        for number, row in (
            [(variant.number, field_row(field, variant, elsewhere)) for variant in field.variants]
            or [(field.number, field_row(field, None, elsewhere))]
        )
    ]
    return tuple(row for _, row in sorted(numbered))


def field_row(field: Field, variant: Variant | None, elsewhere: Collection[str] = ()) -> str:
    """The row of a field, or of a choice of a oneof; `elsewhere` has the classes that are imported by themselves."""
    given = variant or field
    value = given.value
    assert value is not None
    parts = [f'"{given.proto_name}"', _kind(value, elsewhere)]
    if field.name != given.proto_name:
        parts.append(f'attribute="{field.name}"')
    if given.json_name:
        parts.append(f"json_name={json.dumps(given.json_name)}")
    if variant is not None:
        parts.append(f"choice=messages.{variant.class_name}")
    if field.key is not None:
        parts.append(f"key={_kind(field.key, elsewhere)}")
    elif field.cardinality is Cardinality.REPEATED:
        parts.append("is_list=True")
    elif field.cardinality is Cardinality.OPTIONAL:
        parts.append("is_optional=True")
    elif field.cardinality is Cardinality.REQUIRED:
        parts.append("is_required=True")
    return f"runtime.JsonField({', '.join(parts)})"


def _kind(value: Value, elsewhere: Collection[str]) -> str:
    if value.kind in (ValueKind.MESSAGE, ValueKind.ENUM):
        is_named = "." in value.annotation or value.annotation in elsewhere
        return value.annotation if is_named else f"messages.{value.annotation}"
    return f'"{_KINDS.get(value.kind, value.kind.value)}"'
