"""Random objects of protobuf's, made from descriptors alone, so that no part of the generator has a say in them."""

from __future__ import annotations

import random
import string
from typing import Any, Final

from google.protobuf import message_factory
from google.protobuf.descriptor import FieldDescriptor

__all__ = ["random_object"]

_DEEPEST: Final = 3
_TEXT: Final = string.printable + "äß€\N{GRINNING FACE}"
_BITS: Final = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_SINT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_SFIXED32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_FIXED32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_SINT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_SFIXED64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
    FieldDescriptor.TYPE_FIXED64: (0, 2**64 - 1),
}


def random_object(kind: type[Any], source: random.Random, depth: int = 0) -> Any:
    """An object with about half of its fields set; maps have one entry, because the order of several is free."""
    proto: Any = kind()
    if proto.DESCRIPTOR.full_name == "google.protobuf.Value":
        _fill_value(proto, source, depth)
        return proto
    for field in proto.DESCRIPTOR.fields:
        if field.is_required or source.random() < (0.6 if depth == 0 else 0.3):
            _fill(proto, field, source, depth)
    if proto.DESCRIPTOR.full_name == "google.protobuf.Value" and proto.WhichOneof("kind") in (None, "null_value"):
        proto.null_value = 0  # a plain value knows one null, and no absence of a kind
    return proto


def _fill_value(proto: Any, source: random.Random, depth: int) -> None:
    """Gives a plain value of JSON its one kind: what is none has no place in plain values, and becomes null."""
    simple = [field for field in proto.DESCRIPTOR.fields if field.message_type is None]
    field = source.choice(simple if depth >= _DEEPEST else proto.DESCRIPTOR.fields)
    if field.enum_type is not None:
        proto.null_value = 0
    else:
        _fill(proto, field, source, depth)


def _fill(proto: Any, field: FieldDescriptor, source: random.Random, depth: int) -> None:
    is_message = field.message_type is not None
    if is_message and depth >= _DEEPEST and not field.is_required:
        return
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        key, value = field.message_type.fields
        entries = getattr(proto, field.name)
        if value.message_type is not None:
            entries[_scalar(key, source)].CopyFrom(_inner(value, source, depth))
        else:
            entries[_scalar(key, source)] = _scalar(value, source)
    elif field.is_repeated:
        count = source.randint(0, 3)
        items = [_inner(field, source, depth) if is_message else _scalar(field, source) for _ in range(count)]
        getattr(proto, field.name).extend(items)
    elif is_message:
        getattr(proto, field.name).CopyFrom(_inner(field, source, depth))
        getattr(proto, field.name).SetInParent()
    else:
        setattr(proto, field.name, _scalar(field, source))


def _inner(field: FieldDescriptor, source: random.Random, depth: int) -> Any:
    assert field.message_type is not None
    return random_object(message_factory.GetMessageClass(field.message_type), source, depth + 1)


def _scalar(field: FieldDescriptor, source: random.Random) -> Any:
    if field.enum_type is not None:
        numbers = [value.number for value in field.enum_type.values]
        is_open = not field.enum_type.is_closed
        return source.randint(-(2**31), 2**31 - 1) if is_open and source.random() < 0.1 else source.choice(numbers)
    match field.type:
        case FieldDescriptor.TYPE_BOOL:
            return source.random() < 0.5
        case FieldDescriptor.TYPE_STRING:
            return "".join(source.choices(_TEXT, k=source.randint(0, 8)))
        case FieldDescriptor.TYPE_BYTES:
            return source.randbytes(source.randint(0, 8))
        case FieldDescriptor.TYPE_FLOAT:
            return source.choice([0.0, 0.5, -1.25, 3.0e38, float("inf")])
        case FieldDescriptor.TYPE_DOUBLE:
            return source.choice([0.0, 0.1, -1e300, float("-inf"), source.random()])
        case _:
            least, most = _BITS[field.type]
            return source.choice([0, 1, least, most, source.randint(least, most)])
