"""Hypothesis strategies for messages, made from protobuf's descriptors."""

from __future__ import annotations

import sys
import types
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import strategies as st
from msgspec import UNSET

from tests.support.catalogue import (
    attribute_of,
    choices_of,
    class_of,
    descriptor_of,
    entry_of,
    enum_of,
    fields_of,
    is_map,
    message_classes,
    real_oneofs,
)
from tests.support.plain import is_plain, json_values, wrapped

__all__ = ["any_message", "messages_of"]

_MAX_NESTING = 2

_I32 = st.integers(-(2**31), 2**31 - 1)
_U32 = st.integers(0, 2**32 - 1)
_I64 = st.integers(-(2**63), 2**63 - 1)
_U64 = st.integers(0, 2**64 - 1)

_SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.TYPE_DOUBLE: st.floats(allow_nan=False),
    FieldDescriptor.TYPE_FLOAT: st.floats(allow_nan=False, width=32),
    FieldDescriptor.TYPE_INT64: _I64,
    FieldDescriptor.TYPE_UINT64: _U64,
    FieldDescriptor.TYPE_INT32: _I32,
    FieldDescriptor.TYPE_FIXED64: _U64,
    FieldDescriptor.TYPE_FIXED32: _U32,
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_STRING: st.text(max_size=12),
    FieldDescriptor.TYPE_BYTES: st.binary(max_size=12),
    FieldDescriptor.TYPE_UINT32: _U32,
    FieldDescriptor.TYPE_SFIXED32: _I32,
    FieldDescriptor.TYPE_SFIXED64: _I64,
    FieldDescriptor.TYPE_SINT32: _I32,
    FieldDescriptor.TYPE_SINT64: _I64,
}


def messages_of(kind: type[Any], nesting: int = 0) -> st.SearchStrategy[Any]:
    """Messages of a class, with every field set at times."""
    return _messages(descriptor_of(kind), sys.modules[kind.__module__], nesting)


def any_message() -> st.SearchStrategy[Any]:
    """Messages of any class of the generated packages."""
    return st.sampled_from(message_classes()).flatmap(messages_of)


def _messages(descriptor: Descriptor, module: types.ModuleType, nesting: int) -> st.SearchStrategy[Any]:
    kind = class_of(descriptor, module)
    values = {attribute_of(kind, field.name): _field(field, module, nesting) for field in fields_of(descriptor)}
    for oneof in real_oneofs(descriptor):
        choices = choices_of(kind, oneof)
        allowed = [field for field in oneof.fields if nesting < _MAX_NESTING or field.message_type is None]
        options = [st.builds(choices[field.name], _value(field, module, nesting)) for field in allowed]
        values[attribute_of(kind, oneof.name)] = st.one_of(st.none(), *options)
    return st.builds(kind, **values)


def _field(field: FieldDescriptor, module: types.ModuleType, nesting: int) -> st.SearchStrategy[Any]:
    is_too_deep = field.message_type is not None and nesting >= _MAX_NESTING
    if is_map(field):
        key, item = entry_of(field)
        if item.message_type is not None and nesting >= _MAX_NESTING:
            return st.just({})
        return st.dictionaries(_value(key, module, nesting), _value(item, module, nesting), max_size=2)
    if field.is_repeated:
        return st.just([]) if is_too_deep else st.lists(_value(field, module, nesting), max_size=2)
    if field.has_presence:
        is_null_a_value = field.message_type is not None and field.message_type.full_name == "google.protobuf.Value"
        absent = st.just(UNSET) if is_null_a_value else st.none()
        return absent if is_too_deep else absent | _value(field, module, nesting)
    return _value(field, module, nesting)


def _value(field: FieldDescriptor, module: types.ModuleType, nesting: int) -> st.SearchStrategy[Any]:
    if field.message_type is not None and is_plain(field.message_type):
        inner = wrapped(field.message_type)
        return json_values(field.message_type.name) if inner is None else _SCALARS[inner.type]
    if field.message_type is not None:
        message_type = field.message_type
        return st.deferred(lambda: _messages(message_type, module, nesting + 1))
    if field.enum_type is not None:
        kind = enum_of(field.enum_type, module)
        return st.sampled_from(list(kind)) | st.integers(-(2**31), 2**31 - 1).map(kind)
    return _SCALARS[field.type]
