"""Protobuf's own objects of messages, made field by field, so that nothing of the codec has a part in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from google.protobuf import message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.unknown_fields import UnknownFieldSet
from msgspec import UNSET

from tests.support.catalogue import (
    attribute_of,
    choices_of,
    descriptor_of,
    entry_of,
    fields_of,
    is_map,
    real_oneofs,
)
from tests.support.plain import is_plain, normalized, plain_object

__all__ = ["has_kept_plain_entries", "has_one_order", "object_of", "quieted", "serialized"]

_FLOATS: Final = {FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT}


def object_of(message: Any) -> Any:
    """Protobuf's object that holds what a message holds, unknown fields aside."""
    kind = type(message)
    descriptor = descriptor_of(kind)
    proto: Any = message_factory.GetMessageClass(descriptor)()
    for field in fields_of(descriptor):
        _fill(proto, field, getattr(message, attribute_of(kind, field.name)))
    for oneof in real_oneofs(descriptor):
        chosen = getattr(message, attribute_of(kind, oneof.name))
        names = {choice: name for name, choice in choices_of(kind, oneof).items()}
        if chosen is not None:
            _set(proto, descriptor.fields_by_name[names[type(chosen)]], chosen.value)
    return proto


def _fill(proto: Any, field: FieldDescriptor, value: Any) -> None:
    if is_map(field):
        entries = getattr(proto, field.name)
        for key, item in value.items():
            inner = entry_of(field)[1].message_type
            if inner is not None and is_plain(inner):
                plain_object(item, inner, entries[key])
            elif inner is not None:
                entries[key].CopyFrom(object_of(item))
            else:
                entries[key] = item
    elif field.is_repeated and field.message_type is not None and is_plain(field.message_type):
        for item in value:
            plain_object(item, field.message_type, getattr(proto, field.name).add())
    elif field.is_repeated:
        getattr(proto, field.name).extend(
            [object_of(item) if field.message_type is not None else item for item in value]
        )
    elif value is not (UNSET if is_value(field) else None):
        _set(proto, field, value)


def is_value(field: FieldDescriptor) -> bool:
    """Whether a field is a value of JSON, which None is too."""
    return field.message_type is not None and field.message_type.full_name == "google.protobuf.Value"


def _set(proto: Any, field: FieldDescriptor, value: Any) -> None:
    if field.message_type is not None and is_plain(field.message_type):
        plain_object(value, field.message_type, getattr(proto, field.name))
    elif field.message_type is not None:
        getattr(proto, field.name).CopyFrom(object_of(value))
        getattr(proto, field.name).SetInParent()
    else:
        setattr(proto, field.name, value)


def serialized(proto: Any) -> bytes:
    """Protobuf's bytes of an object, with the entries of maps in an order that depends on their keys alone."""
    data: bytes = proto.SerializeToString(deterministic=True)
    return data


def has_kept_plain_entries(proto: Any) -> bool:
    """Whether entries of a map are among the unknown fields, as they came, whose value is a plain one in our classes.

    A plain value has no unknown fields, so ours is written without what protobuf's bytes of the entry still have.
    """
    plain = {field.number for field in proto.DESCRIPTOR.fields if is_map(field) and _is_plain_entry(field)}
    unknown = UnknownFieldSet(proto)
    if plain and any(unknown[index].field_number in plain for index in range(len(unknown))):
        return True
    return any(map(has_kept_plain_entries, _inner(proto)))


def _is_plain_entry(field: FieldDescriptor) -> bool:
    item = entry_of(field)[1].message_type
    return item is not None and is_plain(item)


def _inner(proto: Any) -> Iterator[Any]:
    """The messages that an object holds."""
    for field, value in proto.ListFields():
        if is_map(field):
            if entry_of(field)[1].message_type is not None:
                yield from value.values()
        elif field.message_type is not None:
            yield from value if field.is_repeated else [value]


def has_one_order(message: Any) -> bool:
    """Whether no map of a message has several entries, whose order in the bytes is free."""
    return all(_has_one_order(getattr(message, name)) for name in message.__struct_fields__)


def _has_one_order(value: Any) -> bool:
    if isinstance(value, dict):
        return len(value) < 2 and all(_has_one_order(item) for item in value.values())
    if isinstance(value, list):
        return all(_has_one_order(item) for item in value)
    return not isinstance(value, msgspec.Struct) or has_one_order(value)


def quieted(proto: Any) -> Any:
    """Sets each float of an object to what Python makes of it, which tells no kinds of NaN apart."""
    for field, value in proto.ListFields():
        if is_map(field):
            entry = entry_of(field)[1]
            for key in list(value):
                if is_plain(entry.message_type):
                    normalized(value[key])
                elif entry.message_type is not None:
                    quieted(value[key])
                elif entry.type in _FLOATS:
                    value[key] = value[key]
        elif field.message_type is not None:
            for each in value if field.is_repeated else [value]:
                (normalized if is_plain(field.message_type) else quieted)(each)
        elif field.type in _FLOATS:
            if field.is_repeated:
                value[:] = list(value)
            else:
                setattr(proto, field.name, value)
    return proto
