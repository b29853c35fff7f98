"""Protobuf's messages that are plain values in the fields of ours, and what protobuf makes of those."""

from __future__ import annotations

import struct
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import strategies as st

__all__ = ["is_plain", "json_values", "native_json_value", "normalized", "plain_object", "wrapped"]

_JSON: Final = {"Struct", "ListValue", "Value"}


def is_plain(descriptor: Descriptor | None) -> bool:
    """Whether fields of a message type are plain values."""
    return descriptor is not None and (wrapped(descriptor) is not None or _is_json(descriptor))


def wrapped(descriptor: Descriptor) -> FieldDescriptor | None:
    """The field of a wrapper; None for other messages."""
    return descriptor.fields[0] if descriptor.file.name == "google/protobuf/wrappers.proto" else None


def _is_json(descriptor: Descriptor) -> bool:
    return descriptor.file.name == "google/protobuf/struct.proto" and descriptor.name in _JSON


def json_values(name: str) -> st.SearchStrategy[Any]:
    """Plain values of the message ``Struct``, ``ListValue`` or ``Value``."""
    leaves = st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
    values = st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
        max_leaves=6,
    )
    if name == "Struct":
        return st.dictionaries(st.text(max_size=5), values, max_size=2)
    return st.lists(values, max_size=2) if name == "ListValue" else values


def plain_object(value: Any, descriptor: Descriptor, proto: Any) -> None:
    """Sets protobuf's object to a plain value."""
    proto.SetInParent()
    if wrapped(descriptor) is not None:
        proto.value = value
    elif descriptor.name == "Struct":
        for key, item in value.items():
            plain_object(item, descriptor.file.message_types_by_name["Value"], proto.fields[key])
    elif descriptor.name == "ListValue":
        for item in value:
            plain_object(item, descriptor.file.message_types_by_name["Value"], proto.values.add())
    else:
        _set_value(value, descriptor, proto)


def _set_value(value: Any, descriptor: Descriptor, proto: Any) -> None:
    if value is None:
        proto.null_value = 0
    elif isinstance(value, bool):
        proto.bool_value = value
    elif isinstance(value, float):
        proto.number_value = value
    elif isinstance(value, str):
        proto.string_value = value
    elif isinstance(value, dict):
        plain_object(value, descriptor.file.message_types_by_name["Struct"], proto.struct_value)
    else:
        plain_object(value, descriptor.file.message_types_by_name["ListValue"], proto.list_value)


def normalized(proto: Any) -> Any:
    """Makes protobuf's object what is left of it as a plain value: no unknown fields, and null for no kind."""
    proto.DiscardUnknownFields()
    if _is_json(proto.DESCRIPTOR):
        _normalize(proto)
    return proto


def _normalize(proto: Any) -> None:
    match proto.DESCRIPTOR.name:
        case "Struct":
            for key in proto.fields:
                _normalize(proto.fields[key])
        case "ListValue":
            for item in proto.values:
                _normalize(item)
        case _ if proto.WhichOneof("kind") in (None, "null_value"):
            proto.null_value = 0
        case _ if proto.WhichOneof("kind") == "number_value":
            proto.number_value = proto.number_value  # which tells no kinds of NaN apart
        case _ if proto.WhichOneof("kind") in ("struct_value", "list_value"):
            _normalize(getattr(proto, proto.WhichOneof("kind")))
        case _:
            pass


def native_json_value(value: Any, name: str) -> bytes:
    """What bincode makes of prost's struct for a plain value of JSON."""
    if name == "Struct":
        entries = (_text(key) + native_json_value(item, "Value") for key, item in value.items())
        return struct.pack("<Q", len(value)) + b"".join(entries)
    if name == "ListValue":
        return struct.pack("<Q", len(value)) + b"".join(native_json_value(item, "Value") for item in value)
    if value is None:
        number, payload = 0, bytes(4)
    elif isinstance(value, bool):
        number, payload = 3, bytes([value])
    elif isinstance(value, float):
        number, payload = 1, struct.pack("<d", value)
    elif isinstance(value, str):
        number, payload = 2, _text(value)
    elif isinstance(value, dict):
        number, payload = 4, native_json_value(value, "Struct")
    else:
        number, payload = 5, native_json_value(value, "ListValue")
    return b"\x01" + struct.pack("<I", number) + payload


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data
