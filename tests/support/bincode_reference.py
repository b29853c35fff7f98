"""A second implementation of bincode, straight from the descriptors and as slow as it likes, to compare with."""

from __future__ import annotations

import struct
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from msgspec import UNSET

from tests.support.catalogue import attribute_of, choices_of, entry_of, fields_of, is_map, real_oneofs
from tests.support.plain import is_plain, native_json_value, wrapped
from tests.support.protobuf_object import is_value

__all__ = ["encode_native"]

_FORMATS = {
    FieldDescriptor.TYPE_DOUBLE: "<d",
    FieldDescriptor.TYPE_FLOAT: "<f",
    FieldDescriptor.TYPE_INT64: "<q",
    FieldDescriptor.TYPE_UINT64: "<Q",
    FieldDescriptor.TYPE_INT32: "<i",
    FieldDescriptor.TYPE_FIXED64: "<Q",
    FieldDescriptor.TYPE_FIXED32: "<I",
    FieldDescriptor.TYPE_BOOL: "<?",
    FieldDescriptor.TYPE_UINT32: "<I",
    FieldDescriptor.TYPE_ENUM: "<i",
    FieldDescriptor.TYPE_SFIXED32: "<i",
    FieldDescriptor.TYPE_SFIXED64: "<q",
    FieldDescriptor.TYPE_SINT32: "<i",
    FieldDescriptor.TYPE_SINT64: "<q",
}


def encode_native(message: Any, descriptor: Descriptor) -> bytes:
    """The native layout: the fields outside oneofs in declaration order, then the oneofs."""
    kind = type(message)
    parts = [_field(getattr(message, attribute_of(kind, field.name)), field) for field in fields_of(descriptor)]
    for oneof in real_oneofs(descriptor):
        choice = getattr(message, attribute_of(kind, oneof.name))
        if choice is None:
            parts.append(b"\x00")
            continue
        names = [name for name, each in choices_of(kind, oneof).items() if each is type(choice)]
        index = [field.name for field in oneof.fields].index(names[0])
        parts.append(b"\x01" + struct.pack("<I", index) + _value(choice.value, oneof.fields[index]))
    return b"".join(parts)


def _field(value: Any, field: FieldDescriptor) -> bytes:
    if is_map(field):
        key, item = entry_of(field)
        return struct.pack("<Q", len(value)) + b"".join(_value(k, key) + _value(v, item) for k, v in value.items())
    if field.is_repeated:
        return struct.pack("<Q", len(value)) + b"".join(_value(each, field) for each in value)
    if field.has_presence:
        return b"\x00" if (value is None and not is_value(field)) or value is UNSET else b"\x01" + _value(value, field)
    return _value(value, field)


def _value(value: Any, field: FieldDescriptor) -> bytes:
    if field.message_type is not None and is_plain(field.message_type):
        inner = wrapped(field.message_type)
        return native_json_value(value, field.message_type.name) if inner is None else _value(value, inner)
    if field.message_type is not None:
        return encode_native(value, field.message_type)
    if field.type == FieldDescriptor.TYPE_STRING:
        value = value.encode()
    if field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
        return struct.pack("<Q", len(value)) + bytes(value)
    return struct.pack(_FORMATS[field.type], value)
