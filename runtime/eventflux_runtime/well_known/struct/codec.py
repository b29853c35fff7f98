"""The native layout of `Struct`, `ListValue` and `Value`: bincode of the structs that prost-types has for them.

A Value is an Option of an enum with the variants of its oneof; one that has none of them is read as null. Depth is
counted as the messages lie in each other: an entry of a struct's map is a level of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from librt.strings import (
    BytesWriter,
    read_f64_le,
    read_i32_le,
    read_i64_le,
    write_f64_le,
    write_i32_le,
    write_i64_le,
)

from eventflux_runtime.message.refusal import (
    bad_flag,
    bad_length,
    bad_variant,
    malformed,
    overlong,
    require,
    too_deep,
    trailing,
    unfit,
)
from eventflux_runtime.message.registration import register
from eventflux_runtime.well_known.struct.messages import ListValue, Struct, Value

if TYPE_CHECKING:
    from mypy_extensions import i64

__all__ = [
    "EXPECTS",
    "decode_list_value",
    "decode_struct",
    "decode_value",
    "encode_list_value",
    "encode_struct",
    "encode_value",
    "read_list_value",
    "read_struct",
    "read_value",
    "write_list_value",
    "write_struct",
    "write_value",
]

_MAX_DEPTH: Final = 100
_LEAST_ENTRY_BYTES: Final = 9
"""An empty key and a value that has no kind."""
_FIELD: Final = "Value.kind"

EXPECTS: Final[dict[str, str]] = {
    "Struct.fields": "a dict of str to values of JSON",
    "ListValue.values": "a list of values of JSON",
    "Value.value": "None, a bool, a number, a str, a list or a dict",
}


def write_struct(value: object, writer: BytesWriter, depth: i64) -> None:
    """Appends a Struct. Raises what an encoder takes for a value that does not fit, and CodecError."""
    if not isinstance(value, dict):
        raise TypeError
    if depth + (len(value) > 0) > _MAX_DEPTH:
        raise too_deep("Struct", _MAX_DEPTH, -1)
    write_i64_le(writer, len(value))
    key: str
    item: object
    for key, item in value.items():
        text = key.encode()
        write_i64_le(writer, len(text))
        writer.write(text)
        write_value(item, writer, depth + 2)


def write_list_value(value: object, writer: BytesWriter, depth: i64) -> None:
    """Appends a ListValue. Raises as `write_struct`."""
    if not isinstance(value, list):
        raise TypeError
    if depth > _MAX_DEPTH:
        raise too_deep("ListValue", _MAX_DEPTH, -1)
    write_i64_le(writer, len(value))
    item: object
    for item in value:
        write_value(item, writer, depth + 1)


def write_value(value: object, writer: BytesWriter, depth: i64) -> None:
    """Appends a Value. Raises as `write_struct`."""
    if depth > _MAX_DEPTH:
        raise too_deep("Value", _MAX_DEPTH, -1)
    writer.append(1)
    if value is None:
        write_i32_le(writer, 0)
        write_i32_le(writer, 0)
    elif isinstance(value, str):
        text = value.encode()
        write_i32_le(writer, 2)
        write_i64_le(writer, len(text))
        writer.write(text)
    elif isinstance(value, bool):
        write_i32_le(writer, 3)
        writer.append(1 if value else 0)
    elif isinstance(value, (int, float)):
        write_i32_le(writer, 1)
        write_f64_le(writer, float(value))
    elif isinstance(value, dict):
        write_i32_le(writer, 4)
        write_struct(value, writer, depth + 1)
    else:
        write_i32_le(writer, 5)
        write_list_value(value, writer, depth + 1)


def read_struct(data: bytes, pos: i64, depth: i64) -> tuple[dict[str, Any], i64]:
    """The Struct at `pos`, and where it ends. Raises CodecError."""
    start = pos
    limit: i64 = len(data)
    fields: dict[str, Any] = {}
    try:
        count = read_i64_le(data, pos)
        if depth + (count > 0) > _MAX_DEPTH:
            raise too_deep("Struct", _MAX_DEPTH, pos)
        pos += 8
        if not 0 <= count <= (limit - pos) // _LEAST_ENTRY_BYTES:
            raise overlong("Struct.fields", pos - 8, count, (limit - pos) // _LEAST_ENTRY_BYTES)
        for _ in range(count):
            start = pos
            key, pos = _read_text("Struct.fields", data, pos, limit)
            fields[key], pos = read_value(data, pos, depth + 2)
    except IndexError as error:
        raise malformed("Struct.fields", start, limit, error) from None
    return fields, pos


def read_list_value(data: bytes, pos: i64, depth: i64) -> tuple[list[Any], i64]:
    """The ListValue at `pos`, and where it ends. Raises CodecError."""
    if depth > _MAX_DEPTH:
        raise too_deep("ListValue", _MAX_DEPTH, pos)
    limit: i64 = len(data)
    values: list[Any] = []
    try:
        count = read_i64_le(data, pos)
        pos += 8
        if not 0 <= count <= limit - pos:
            raise overlong("ListValue.values", pos - 8, count, limit - pos)
        for _ in range(count):
            item, pos = read_value(data, pos, depth + 1)
            values.append(item)
    except IndexError as error:
        raise malformed("ListValue.values", pos, limit, error) from None
    return values, pos


def read_value(data: bytes, pos: i64, depth: i64) -> tuple[Any, i64]:
    """The Value at `pos`, and where it ends. Raises CodecError."""
    if depth > _MAX_DEPTH:
        raise too_deep("Value", _MAX_DEPTH, pos)
    limit: i64 = len(data)
    start = pos
    try:
        flag = data[pos]
        pos += 1
        if flag == 0:
            return None, pos
        if flag != 1:
            raise bad_flag(_FIELD, start, flag)
        number = read_i32_le(data, pos)
        pos += 4
        if number == 0:
            read_i32_le(data, pos)
            return None, pos + 4
        if number == 1:
            return read_f64_le(data, pos), pos + 8
        if number == 2:
            return _read_text(_FIELD, data, pos, limit)
        if number == 3:
            flag = data[pos]
            if flag > 1:
                raise bad_flag(_FIELD, pos, flag)
            return flag == 1, pos + 1
        if number == 4:
            return read_struct(data, pos, depth + 1)
        if number == 5:
            return read_list_value(data, pos, depth + 1)
        raise bad_variant(_FIELD, pos - 4, number, 6)
    except IndexError as error:
        raise malformed(_FIELD, start, limit, error) from None


def _read_text(field: str, data: bytes, pos: i64, limit: i64) -> tuple[str, i64]:
    begin = pos + 8
    end = begin + read_i64_le(data, pos)
    if end < begin or end > limit:
        bad_length(field, begin, end, limit)
    try:
        return data[begin:end].decode(), end
    except UnicodeDecodeError as error:
        raise malformed(field, end, limit, error) from None


def encode_struct(message: Struct, writer: BytesWriter) -> None:
    """Appends a Struct in the native layout. Raises CodecError."""
    require(message, Struct)
    try:
        write_struct(message.fields, writer, 0)
    except (AttributeError, OverflowError, TypeError, ValueError):
        raise unfit(message, "Struct.fields", EXPECTS) from None


def decode_struct(data: bytes, start: int, end: int) -> Struct:
    """The Struct in ``data[start:end]``, native layout. Raises CodecError."""
    part = data[start:end]
    fields, pos = read_struct(part, 0, 0)
    _check_end("Struct", pos, len(part))
    return Struct(fields)


def encode_list_value(message: ListValue, writer: BytesWriter) -> None:
    """Appends a ListValue in the native layout. Raises CodecError."""
    require(message, ListValue)
    try:
        write_list_value(message.values, writer, 0)
    except (AttributeError, OverflowError, TypeError, ValueError):
        raise unfit(message, "ListValue.values", EXPECTS) from None


def decode_list_value(data: bytes, start: int, end: int) -> ListValue:
    """The ListValue in ``data[start:end]``, native layout. Raises CodecError."""
    part = data[start:end]
    values, pos = read_list_value(part, 0, 0)
    _check_end("ListValue", pos, len(part))
    return ListValue(values)


def encode_value(message: Value, writer: BytesWriter) -> None:
    """Appends a Value in the native layout. Raises CodecError."""
    require(message, Value)
    try:
        write_value(message.value, writer, 0)
    except (AttributeError, OverflowError, TypeError, ValueError):
        raise unfit(message, "Value.value", EXPECTS) from None


def decode_value(data: bytes, start: int, end: int) -> Value:
    """The Value in ``data[start:end]``, native layout. Raises CodecError."""
    part = data[start:end]
    value, pos = read_value(part, 0, 0)
    _check_end("Value", pos, len(part))
    return Value(value)


def _check_end(name: str, pos: i64, end: i64) -> None:
    if pos != end:
        raise trailing(name, pos, end)


register(
    Struct,
    "google.protobuf.Struct",
    "google.protobuf.struct_pb2:Struct",
    {"native": (encode_struct, decode_struct)},
)
register(
    ListValue,
    "google.protobuf.ListValue",
    "google.protobuf.struct_pb2:ListValue",
    {"native": (encode_list_value, decode_list_value)},
)
register(
    Value,
    "google.protobuf.Value",
    "google.protobuf.struct_pb2:Value",
    {"native": (encode_value, decode_value)},
)
