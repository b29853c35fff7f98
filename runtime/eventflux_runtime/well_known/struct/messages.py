"""The classes of `Struct`, `ListValue` and `Value`, for methods that take or give one by itself, and for `Any`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Never, TypeAlias

import msgspec

from eventflux_runtime.message.base import Message
from eventflux_runtime.message.open_enum import OpenEnum

if TYPE_CHECKING:
    from google.protobuf import struct_pb2  # noqa: F401 - named in quotes

__all__ = ["JsonValue", "ListValue", "NullValue", "Struct", "Value"]

JsonValue: TypeAlias = bool | float | str | list[Any] | dict[str, Any] | None
"""A value of JSON. Numbers are floats when they were read; an int is taken, too."""


class NullValue(OpenEnum):
    """The null of JSON, where an IDL has it as an enum."""

    NULL_VALUE = 0


class Struct(Message["struct_pb2.Struct", Never]):
    """An object of JSON by itself. A field of this type is a dict, or None."""

    fields: dict[str, Any] = msgspec.field(default_factory=dict)


class ListValue(Message["struct_pb2.ListValue", Never]):
    """A list of JSON by itself. A field of this type is a list, or None."""

    values: list[Any] = msgspec.field(default_factory=list)


class Value(Message["struct_pb2.Value", Never]):
    """A value of JSON by itself. A field of this type is a `JsonValue`, or `msgspec.UNSET`, because None is null."""

    value: JsonValue = None
