"""Protobuf's encoding of `Struct`, `ListValue` and `Value`, straight from and to plain values of Python.

It reads what protobuf's own runtime does, a message in several parts included, with two simplifications: a Value
without a kind is null, and records that these types do not have are dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from librt.strings import BytesWriter, read_f64_le, write_f64_le

from eventflux_runtime.message.protobuf_refusal import bad_record, overrun
from eventflux_runtime.message.refusal import require, too_deep, unfit
from eventflux_runtime.message.registration import register_protobuf
from eventflux_runtime.message.unknown import Repeats, repeated, skip_value
from eventflux_runtime.message.varint import block_size, long_size, long_tag, long_varint, write_block, write_varint
from eventflux_runtime.well_known.struct.codec import EXPECTS
from eventflux_runtime.well_known.struct.messages import ListValue, Struct, Value

if TYPE_CHECKING:
    from mypy_extensions import i64

__all__ = [
    "decode_list_value_protobuf",
    "decode_struct_protobuf",
    "decode_value_protobuf",
    "encode_list_value_protobuf",
    "encode_struct_protobuf",
    "encode_value_protobuf",
    "read_list_value_protobuf",
    "read_struct_protobuf",
    "read_value_protobuf",
    "write_list_value_protobuf",
    "write_struct_protobuf",
    "write_value_protobuf",
]

_MAX_DEPTH: Final = 100

_FIELDS: Final = 0x0A
_VALUES: Final = 0x0A
_KEY: Final = 0x0A
_VALUE: Final = 0x12
_NULL: Final = 0x08
_NUMBER: Final = 0x11
_STRING: Final = 0x1A
_BOOL: Final = 0x20
_STRUCT: Final = 0x2A
_LIST: Final = 0x32
_KINDS: Final = frozenset({_NULL, _NUMBER, _STRING, _BOOL, _STRUCT, _LIST})


def write_struct_protobuf(value: object, writer: BytesWriter, depth: i64) -> None:
    """Appends the entries of a Struct. Raises what an encoder takes for a value that does not fit, and CodecError."""
    if not isinstance(value, dict):
        raise TypeError
    if depth + (len(value) > 0) > _MAX_DEPTH:
        raise too_deep("Struct", _MAX_DEPTH, -1)
    key: str
    item: object
    for key, item in value.items():
        text = key.encode()
        part = BytesWriter()
        write_value_protobuf(item, part, depth + 2)
        block = part.getvalue()
        writer.append(_FIELDS)
        write_varint(writer, block_size(text) + block_size(block) + 2)
        writer.append(_KEY)
        write_block(writer, text)
        writer.append(_VALUE)
        write_block(writer, block)


def write_list_value_protobuf(value: object, writer: BytesWriter, depth: i64) -> None:
    """Appends the elements of a ListValue. Raises as `write_struct_protobuf`."""
    if not isinstance(value, list):
        raise TypeError
    if depth > _MAX_DEPTH:
        raise too_deep("ListValue", _MAX_DEPTH, -1)
    item: object
    for item in value:
        part = BytesWriter()
        write_value_protobuf(item, part, depth + 1)
        writer.append(_VALUES)
        write_block(writer, part.getvalue())


def write_value_protobuf(value: object, writer: BytesWriter, depth: i64) -> None:
    """Appends the one field of a Value. Raises as `write_struct_protobuf`."""
    if depth > _MAX_DEPTH:
        raise too_deep("Value", _MAX_DEPTH, -1)
    if value is None:
        writer.append(_NULL)
        writer.append(0)
    elif isinstance(value, str):
        writer.append(_STRING)
        write_block(writer, value.encode())
    elif isinstance(value, bool):
        writer.append(_BOOL)
        writer.append(1 if value else 0)
    elif isinstance(value, (int, float)):
        writer.append(_NUMBER)
        write_f64_le(writer, float(value))
    else:
        part = BytesWriter()
        if isinstance(value, dict):
            writer.append(_STRUCT)
            write_struct_protobuf(value, part, depth + 1)
        else:
            writer.append(_LIST)
            write_list_value_protobuf(value, part, depth + 1)
        write_block(writer, part.getvalue())


def _next(data: bytes, pos: i64, limit: i64, depth: i64, tag: i64, field: str) -> tuple[i64, i64]:
    """Where the value of a record begins and ends whose tag ends at `pos`.

    Raises:
        IndexError: it is cut off.
        ValueError: it is no record.
        CodecError: it goes beyond the message.
    """
    if tag < 8:
        raise ValueError("there is no field 0")
    begin, end = pos, pos
    if tag & 7 == 2:
        size, begin = long_size(data, pos)
        end = begin + size
        if end > limit:
            raise overrun(field, pos - 1, size, limit - begin)
    else:
        end = skip_value(data, pos, limit, tag, depth)
        if end > limit:
            raise IndexError
    return begin, end


def read_struct_protobuf(data: bytes, pos: i64, limit: i64, depth: i64) -> dict[str, Any]:
    """The Struct in ``data[pos:limit]``. Raises CodecError."""
    if depth > _MAX_DEPTH:
        raise too_deep("Struct", _MAX_DEPTH, pos)
    fields: dict[str, Any] = {}
    record = pos
    try:
        while pos < limit:
            record = pos
            tag, pos = long_tag(data, pos)
            begin, pos = _next(data, pos, limit, depth, tag, "Struct.fields")
            if tag == _FIELDS:
                _enter(fields, data, begin, pos, depth + 1)
        if pos != limit:
            raise IndexError
    except (IndexError, ValueError) as error:
        raise bad_record("Struct.fields", record, pos, limit, error) from None
    return fields


def _enter(fields: dict[str, Any], data: bytes, pos: i64, limit: i64, depth: i64) -> None:
    """Puts an entry into a dict, unless it has records beside key and value: then protobuf keeps it elsewhere."""
    if depth > _MAX_DEPTH:
        raise too_deep("Struct", _MAX_DEPTH, pos)
    key = ""
    is_odd = False
    value_begin: i64 = -1
    value_end: i64 = 0
    repeats: Repeats | None = None
    record = pos
    try:
        while pos < limit:
            record = pos
            tag, pos = long_tag(data, pos)
            begin, pos = _next(data, pos, limit, depth, tag, "Struct.fields")
            if tag == _KEY:
                key = data[begin:pos].decode()
            elif tag == _VALUE:
                if value_begin >= 0:
                    repeats = repeated(repeats, tag, data, value_begin, value_end, depth + 1)
                value_begin = begin
                value_end = pos
            else:
                is_odd = True
        value: Any = None
        if value_begin >= 0:
            if repeats is None:
                value = read_value_protobuf(data, value_begin, value_end, depth + 1)
            else:
                value = repeats.read(read_value_protobuf, _VALUE, data, value_begin, value_end, depth + 1)
    except (IndexError, ValueError) as error:
        raise bad_record("Struct.fields", record, pos, limit, error) from None
    if not is_odd:
        fields[key] = value


def read_list_value_protobuf(data: bytes, pos: i64, limit: i64, depth: i64) -> list[Any]:
    """The ListValue in ``data[pos:limit]``. Raises CodecError."""
    if depth > _MAX_DEPTH:
        raise too_deep("ListValue", _MAX_DEPTH, pos)
    values: list[Any] = []
    record = pos
    try:
        while pos < limit:
            record = pos
            tag, pos = long_tag(data, pos)
            begin, pos = _next(data, pos, limit, depth, tag, "ListValue.values")
            if tag == _VALUES:
                values.append(read_value_protobuf(data, begin, pos, depth + 1))
    except (IndexError, ValueError) as error:
        raise bad_record("ListValue.values", record, pos, limit, error) from None
    return values


def read_value_protobuf(data: bytes, pos: i64, limit: i64, depth: i64) -> Any:
    """The Value in ``data[pos:limit]``. Raises CodecError."""
    if depth > _MAX_DEPTH:
        raise too_deep("Value", _MAX_DEPTH, pos)
    value: Any = None
    choice: i64 = 0
    choice_begin: i64 = 0
    choice_end: i64 = 0
    repeats: Repeats | None = None
    record = pos
    try:
        while pos < limit:
            record = pos
            tag, pos = long_tag(data, pos)
            begin, pos = _next(data, pos, limit, depth, tag, "Value.kind")
            if tag not in _KINDS:
                continue
            if choice == tag:
                repeats = repeated(repeats, tag, data, choice_begin, choice_end, depth + 1)
            elif choice != 0:
                # What another choice takes the place of has to be well-formed all the same.
                _read_choice(choice, data, choice_begin, choice_end, depth + 1, repeats)
                choice = 0
            if tag >= _STRUCT:  # which is a struct or a list
                choice = tag
                choice_begin = begin
                choice_end = pos
            elif tag == _NULL:
                value = None
            elif tag == _NUMBER:
                value = read_f64_le(data, begin)
            elif tag == _STRING:
                value = data[begin:pos].decode()
            else:
                number, _ = long_varint(data, begin)
                value = number != 0
        if choice != 0:
            value = _read_choice(choice, data, choice_begin, choice_end, depth + 1, repeats)
    except (IndexError, ValueError) as error:
        raise bad_record("Value.kind", record, pos, limit, error) from None
    return value


def _read_choice(tag: i64, data: bytes, begin: i64, end: i64, depth: i64, repeats: Repeats | None) -> Any:
    if tag == _STRUCT:
        if repeats is None:
            return read_struct_protobuf(data, begin, end, depth)
        return repeats.read(read_struct_protobuf, tag, data, begin, end, depth)
    if repeats is None:
        return read_list_value_protobuf(data, begin, end, depth)
    return repeats.read(read_list_value_protobuf, tag, data, begin, end, depth)


def encode_struct_protobuf(message: Struct, writer: BytesWriter) -> None:
    """Appends a Struct in protobuf's encoding. Raises CodecError."""
    require(message, Struct)
    try:
        write_struct_protobuf(message.fields, writer, 0)
    except (AttributeError, OverflowError, TypeError, ValueError):
        raise unfit(message, "Struct.fields", EXPECTS) from None


def decode_struct_protobuf(data: bytes, start: int, end: int) -> Struct:
    """The Struct in ``data[start:end]``, protobuf's encoding. Raises CodecError."""
    part = data[start:end]
    return Struct(read_struct_protobuf(part, 0, len(part), 0))


def encode_list_value_protobuf(message: ListValue, writer: BytesWriter) -> None:
    """Appends a ListValue in protobuf's encoding. Raises CodecError."""
    require(message, ListValue)
    try:
        write_list_value_protobuf(message.values, writer, 0)
    except (AttributeError, OverflowError, TypeError, ValueError):
        raise unfit(message, "ListValue.values", EXPECTS) from None


def decode_list_value_protobuf(data: bytes, start: int, end: int) -> ListValue:
    """The ListValue in ``data[start:end]``, protobuf's encoding. Raises CodecError."""
    part = data[start:end]
    return ListValue(read_list_value_protobuf(part, 0, len(part), 0))


def encode_value_protobuf(message: Value, writer: BytesWriter) -> None:
    """Appends a Value in protobuf's encoding. Raises CodecError."""
    require(message, Value)
    try:
        write_value_protobuf(message.value, writer, 0)
    except (AttributeError, OverflowError, TypeError, ValueError):
        raise unfit(message, "Value.value", EXPECTS) from None


def decode_value_protobuf(data: bytes, start: int, end: int) -> Value:
    """The Value in ``data[start:end]``, protobuf's encoding. Raises CodecError."""
    part = data[start:end]
    return Value(read_value_protobuf(part, 0, len(part), 0))


register_protobuf(Struct, encode_struct_protobuf, decode_struct_protobuf)
register_protobuf(ListValue, encode_list_value_protobuf, decode_list_value_protobuf)
register_protobuf(Value, encode_value_protobuf, decode_value_protobuf)
