"""The types of values: which kind of the table a descriptor's field is, and what it is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Proto

from eventflux_codegen.cycle import around_cycles
from eventflux_codegen.features import Presence
from eventflux_codegen.kind import KINDS, value_words
from eventflux_codegen.model import Cardinality, Enumeration, Value, ValueKind
from eventflux_codegen.names import ClassNames
from eventflux_codegen.naming import as_snake
from eventflux_codegen.reserved import CODEC_NAMES
from eventflux_codegen.schema import MessageNode, Schema
from eventflux_codegen.shared import is_in_runtime

__all__ = ["WRAPPERS", "ValueTypes", "describe"]

_KINDS: Final[Mapping[int, ValueKind]] = {
    Proto.TYPE_STRING: ValueKind.STR,
    Proto.TYPE_BYTES: ValueKind.BYTES,
    Proto.TYPE_BOOL: ValueKind.BOOL,
    Proto.TYPE_INT32: ValueKind.I32,
    Proto.TYPE_SINT32: ValueKind.SINT32,
    Proto.TYPE_SFIXED32: ValueKind.SFIXED32,
    Proto.TYPE_UINT32: ValueKind.U32,
    Proto.TYPE_FIXED32: ValueKind.FIXED32,
    Proto.TYPE_INT64: ValueKind.I64,
    Proto.TYPE_SINT64: ValueKind.SINT64,
    Proto.TYPE_SFIXED64: ValueKind.SFIXED64,
    Proto.TYPE_UINT64: ValueKind.U64,
    Proto.TYPE_FIXED64: ValueKind.FIXED64,
    Proto.TYPE_FLOAT: ValueKind.F32,
    Proto.TYPE_DOUBLE: ValueKind.F64,
    Proto.TYPE_ENUM: ValueKind.ENUM,
    Proto.TYPE_MESSAGE: ValueKind.MESSAGE,
}

WRAPPERS: Final[Mapping[str, ValueKind]] = {
    "BoolValue": ValueKind.BOOL,
    "BytesValue": ValueKind.BYTES,
    "DoubleValue": ValueKind.F64,
    "FloatValue": ValueKind.F32,
    "Int32Value": ValueKind.I32,
    "Int64Value": ValueKind.I64,
    "StringValue": ValueKind.STR,
    "UInt32Value": ValueKind.U32,
    "UInt64Value": ValueKind.U64,
}
"""Protobuf's messages around one scalar, which are that scalar or None."""
_PLAIN: Final = {
    "Struct": (ValueKind.STRUCT, "dict[str, Any]"),
    "ListValue": (ValueKind.LIST_VALUE, "list[Any]"),
    "Value": (ValueKind.VALUE, "Any"),
}
"""Protobuf's values of JSON, which are plain values of Python, and their types where codecs hold them."""

_LENGTH_BYTES: Final = 8
_TAG_BYTES: Final = 1


class ValueTypes:
    """Makes the `Value` of a field descriptor; knows which messages can lie as deep as one likes."""

    def __init__(
        self, schema: Schema, names: ClassNames, enums: Mapping[str, Enumeration], *, is_public: bool = False
    ) -> None:
        self._schema = schema
        self._is_public = is_public
        self._names = names
        self._enums = enums
        edges = {name: _submessages(node) for name, node in schema.messages.items()}
        self._recursive = around_cycles({name: list(filter(self._can_count, inner)) for name, inner in edges.items()})
        self._embedded = {name for inner in edges.values() for name in inner}
        self._min_bytes: dict[str, int] = {}

    def _can_count(self, full_name: str) -> bool:
        """Whether functions of a message can count how deep it lies: the runtime's do so for plain values alone."""
        return full_name.rpartition(".")[2] in _PLAIN or not is_in_runtime(self._schema.messages[full_name])

    def is_recursive(self, full_name: str) -> bool:
        """Whether a message can lie as deep as one likes, or holds one that can."""
        return full_name in self._recursive

    def is_embedded(self, full_name: str) -> bool:
        """Whether some message has a field of this type."""
        return full_name in self._embedded

    def of(self, field: Proto) -> Value:
        """The type of one value of a field; of an entry's key or value, for a map."""
        kind = _KINDS[field.type]
        if kind is ValueKind.ENUM:
            return self._enum(self._enums[field.type_name[1:]])
        if kind is ValueKind.MESSAGE:
            full_name = field.type_name[1:]
            if is_in_runtime(self._schema.messages[full_name]):
                return self._well_known(full_name)
            return self._message(full_name)
        row = KINDS[kind]
        return Value(kind, row.annotation, row.annotation, row.default, min_bytes=row.min_bytes)

    def _enum(self, enum: Enumeration) -> Value:
        row = KINDS[ValueKind.ENUM]
        return Value(
            kind=ValueKind.ENUM,
            annotation=row.annotation.format(name=enum.name),
            local=enum.local,
            default=row.default.format(name=enum.name, member=enum.members[0].name),
            snake=enum.snake,
            dense_members=enum.dense_members,
            min_bytes=row.min_bytes,
            closed_numbers=tuple(sorted({member.number for member in enum.members})) if enum.is_closed else (),
            full_name=enum.full_name,
        )

    def _message(self, full_name: str) -> Value:
        row, name = KINDS[ValueKind.MESSAGE], self._names.by_full_name[full_name]
        return Value(
            kind=ValueKind.MESSAGE,
            annotation=row.annotation.format(name=name),
            local=self._names.local(name),
            default=row.default.format(name=name),
            snake=self._names.stems[full_name],
            is_recursive=full_name in self._recursive,
            min_bytes=self.min_bytes(full_name),
            full_name=full_name,
            is_public=self._is_public,
        )

    def _well_known(self, full_name: str) -> Value:
        """A message of protobuf's own, which the runtime has."""
        stem = full_name.rpartition(".")[2]
        if stem in _PLAIN:
            kind, local = _PLAIN[stem]
            row = KINDS[kind]
            value = Value(kind, row.annotation, local, row.default, is_recursive=True, min_bytes=row.min_bytes)
        elif stem in WRAPPERS:
            kind = WRAPPERS[stem]
            row = KINDS[kind]
            value = Value(kind, row.annotation, row.annotation, row.default, min_bytes=row.min_bytes)
        else:
            name, local = f"well_known.{stem}", self._names.shared_local(stem)
            value = Value(ValueKind.MESSAGE, name, local, f"{name}()", min_bytes=self.min_bytes(full_name))
        snake = as_snake(stem)
        if f"_write_{snake}" in CODEC_NAMES:  # then the runtime's function is named as it would be in any package
            snake = stem
        return replace(value, snake=snake, full_name=full_name, is_shared=True)

    def min_bytes(self, full_name: str) -> int:
        """The least bytes of a message in the native layout."""
        if full_name not in self._min_bytes:
            self._min_bytes[full_name] = 1  # of one that requires itself there can be none
            self._min_bytes[full_name] = self._count_bytes(self._schema.messages[full_name])
        return self._min_bytes[full_name]

    def _count_bytes(self, node: MessageNode) -> int:
        least = 0
        oneofs: set[int] = set()
        for field in node.descriptor.field:
            presence = node.presence(field)
            if node.is_choice(field):
                oneofs.add(field.oneof_index)
            elif field.label == Proto.LABEL_REPEATED:
                least += _LENGTH_BYTES
            elif presence is Presence.EXPLICIT:
                least += _TAG_BYTES
            else:
                least += self.of(field).min_bytes
        return least + _TAG_BYTES * len(oneofs)


def describe(cardinality: Cardinality, value: Value, key: Value | None = None) -> str:
    """What an encoder takes for a field, in words."""
    words = value_words(value)
    match cardinality:
        case Cardinality.OPTIONAL:
            return f"{words}, or None"
        case Cardinality.REQUIRED:
            return f"{words}, because it is required"
        case Cardinality.REPEATED:
            return f"a list of {words}"
        case Cardinality.MAP if key is not None:
            return f"a dict of {value_words(key)} to {words}"
        case _:
            return words


def _submessages(node: MessageNode) -> list[str]:
    found = []
    for field in node.descriptor.field:
        entry = node.entry(field)
        inner = entry.field[1] if entry is not None else field
        if inner.type == Proto.TYPE_MESSAGE:
            found.append(inner.type_name[1:])
    return found
