"""The types of values, and the kinds of the runtime that write and read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from eventflux_codegen.model import Enumeration, Value, ValueKind
from eventflux_codegen.value import WRAPPERS

__all__ = ["PROVIDED", "Reference", "Values"]

_NUMBER: Final = "number"
_SCALARS: Final[Mapping[ValueKind, tuple[str, str]]] = {
    ValueKind.STR: ("string", "string"),
    ValueKind.BYTES: ("Uint8Array", "bytes"),
    ValueKind.BOOL: ("boolean", "bool"),
    ValueKind.I32: (_NUMBER, "int32"),
    ValueKind.SINT32: (_NUMBER, "sint32"),
    ValueKind.SFIXED32: (_NUMBER, "sfixed32"),
    ValueKind.U32: (_NUMBER, "uint32"),
    ValueKind.FIXED32: (_NUMBER, "fixed32"),
    ValueKind.I64: ("bigint", "int64"),
    ValueKind.SINT64: ("bigint", "sint64"),
    ValueKind.SFIXED64: ("bigint", "sfixed64"),
    ValueKind.U64: ("bigint", "uint64"),
    ValueKind.FIXED64: ("bigint", "fixed64"),
    ValueKind.F32: (_NUMBER, "float"),
    ValueKind.F64: (_NUMBER, "double"),
}
"""The type of each scalar, and its kind."""
_PLAIN: Final = {
    "google.protobuf.Struct": "$.JsonObject",
    "google.protobuf.ListValue": "$.JsonValue[]",
    "google.protobuf.Value": "$.JsonValue",
    **{f"google.protobuf.{name}": _SCALARS[kind][0] for name, kind in WRAPPERS.items()},
}
"""Protobuf's messages that are plain values."""
_CLASSES: Final = frozenset(
    f"google.protobuf.{name}" for name in ("Any", "Duration", "Empty", "FieldMask", "NullValue", "Timestamp")
)
PROVIDED: Final = _CLASSES | _PLAIN.keys()
"""The messages and enums that the runtime has."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What a type is called in a folder, and what its init objects and its constant are called there."""

    type: str
    init: str
    constant: str


@dataclass(frozen=True, slots=True)
class Values:
    """The values of one folder."""

    references: Mapping[str, Reference]
    """Every message and enum that the runtime does not have, by its full name."""
    enums: Mapping[str, Enumeration]

    def of(self, full_name: str) -> Reference:
        """What a message is called."""
        if full_name not in PROVIDED:
            return self.references[full_name]
        name = f"$.{full_name.rpartition('.')[2]}"
        if full_name in _PLAIN:
            return Reference(_PLAIN[full_name], _PLAIN[full_name], name)
        return Reference(name, f"{name}Init", name)

    def type_of(self, value: Value) -> str:
        """The type of a value."""
        return self.of(value.full_name).type if value.full_name else _SCALARS[value.kind][0]

    def init_of(self, value: Value) -> str:
        """What an init object may give for it."""
        if value.kind is ValueKind.ENUM or not value.full_name:
            return self.type_of(value)
        return self.of(value.full_name).init

    def kind_of(self, value: Value) -> str:
        """The kind that writes and reads it."""
        if value.kind is ValueKind.ENUM:
            return self._enum(value)
        return self.of(value.full_name).constant if value.full_name else f"$.{_SCALARS[value.kind][1]}"

    def _enum(self, value: Value) -> str:
        if not value.closed_numbers:
            return "$.openEnum"
        first = self.enums[value.full_name].members[0].number
        numbers = [first, *(number for number in value.closed_numbers if number != first)]
        return f"$.closedEnum({', '.join(map(str, numbers))})"
