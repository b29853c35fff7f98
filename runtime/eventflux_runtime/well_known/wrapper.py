"""Fields of protobuf's wrappers, such as `StringValue`, which are the value in them, in protobuf's encoding.

A writer raises what an encoder takes for a value that does not fit. A reader raises CodecError; records that a wrapper
does not have are dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from librt.strings import BytesWriter, write_f32_le, write_f64_le

from eventflux_runtime.message.scalar import (
    block_of,
    bool_bits,
    int32_bits,
    int64_bits,
    is_zero,
    uint32_bits,
    uint64_bits,
)
from eventflux_runtime.message.varint import write_block, write_varint
from eventflux_runtime.well_known.protobuf import (
    read_bool_value_protobuf as _bool_value,
)
from eventflux_runtime.well_known.protobuf import (
    read_bytes_value_protobuf as _bytes_value,
)
from eventflux_runtime.well_known.protobuf import (
    read_double_value_protobuf as _double_value,
)
from eventflux_runtime.well_known.protobuf import (
    read_float_value_protobuf as _float_value,
)
from eventflux_runtime.well_known.protobuf import (
    read_int32_value_protobuf as _int32_value,
)
from eventflux_runtime.well_known.protobuf import (
    read_int64_value_protobuf as _int64_value,
)
from eventflux_runtime.well_known.protobuf import (
    read_string_value_protobuf as _string_value,
)
from eventflux_runtime.well_known.protobuf import (
    read_u_int32_value_protobuf as _u_int32_value,
)
from eventflux_runtime.well_known.protobuf import (
    read_u_int64_value_protobuf as _u_int64_value,
)

if TYPE_CHECKING:
    from mypy_extensions import i64

__all__ = [
    "read_bool_value_protobuf",
    "read_bytes_value_protobuf",
    "read_double_value_protobuf",
    "read_float_value_protobuf",
    "read_int32_value_protobuf",
    "read_int64_value_protobuf",
    "read_string_value_protobuf",
    "read_u_int32_value_protobuf",
    "read_u_int64_value_protobuf",
    "write_bool_value_protobuf",
    "write_bytes_value_protobuf",
    "write_double_value_protobuf",
    "write_float_value_protobuf",
    "write_int32_value_protobuf",
    "write_int64_value_protobuf",
    "write_string_value_protobuf",
    "write_u_int32_value_protobuf",
    "write_u_int64_value_protobuf",
]


def _write_varint(bits: i64, writer: BytesWriter) -> None:
    if bits:
        writer.append(0x08)
        write_varint(writer, bits)


def write_bool_value_protobuf(value: object, writer: BytesWriter) -> None:
    """Appends the fields of the BoolValue."""
    _write_varint(bool_bits(value), writer)


def read_bool_value_protobuf(data: bytes, pos: i64, limit: i64, depth: i64) -> bool:
    """The value of the BoolValue in ``data[pos:limit]``."""
    return _bool_value(data, pos, limit, depth).value


def write_bytes_value_protobuf(value: object, writer: BytesWriter) -> None:
    """Appends the fields of the BytesValue."""
    block = block_of(value)
    if block:
        writer.append(0x0A)
        write_block(writer, block)


def read_bytes_value_protobuf(data: bytes, pos: i64, limit: i64, depth: i64) -> bytes:
    """The value of the BytesValue in ``data[pos:limit]``."""
    return _bytes_value(data, pos, limit, depth).value


def write_double_value_protobuf(value: float, writer: BytesWriter) -> None:
    """Appends the fields of the DoubleValue."""
    number: float = value
    if not is_zero(number):
        writer.append(0x09)
        write_f64_le(writer, number)


def read_double_value_protobuf(data: bytes, pos: i64, limit: i64, depth: i64) -> float:
    """The value of the DoubleValue in ``data[pos:limit]``."""
    return _double_value(data, pos, limit, depth).value


def write_float_value_protobuf(value: float, writer: BytesWriter) -> None:
    """Appends the fields of the FloatValue."""
    number: float = value
    if not is_zero(number):
        writer.append(0x0D)
        write_f32_le(writer, number)


def read_float_value_protobuf(data: bytes, pos: i64, limit: i64, depth: i64) -> float:
    """The value of the FloatValue in ``data[pos:limit]``."""
    return _float_value(data, pos, limit, depth).value


def write_int32_value_protobuf(value: int, writer: BytesWriter) -> None:
    """Appends the fields of the Int32Value."""
    _write_varint(int32_bits(value), writer)


def read_int32_value_protobuf(data: bytes, pos: i64, limit: i64, depth: i64) -> int:
    """The value of the Int32Value in ``data[pos:limit]``."""
    return _int32_value(data, pos, limit, depth).value


def write_int64_value_protobuf(value: int, writer: BytesWriter) -> None:
    """Appends the fields of the Int64Value."""
    _write_varint(int64_bits(value), writer)


def read_int64_value_protobuf(data: bytes, pos: i64, limit: i64, depth: i64) -> int:
    """The value of the Int64Value in ``data[pos:limit]``."""
    return _int64_value(data, pos, limit, depth).value


def write_string_value_protobuf(value: str, writer: BytesWriter) -> None:
    """Appends the fields of the StringValue."""
    block = value.encode()
    if block:
        writer.append(0x0A)
        write_block(writer, block)


def read_string_value_protobuf(data: bytes, pos: i64, limit: i64, depth: i64) -> str:
    """The value of the StringValue in ``data[pos:limit]``."""
    return _string_value(data, pos, limit, depth).value


def write_u_int32_value_protobuf(value: int, writer: BytesWriter) -> None:
    """Appends the fields of the UInt32Value."""
    _write_varint(uint32_bits(value), writer)


def read_u_int32_value_protobuf(data: bytes, pos: i64, limit: i64, depth: i64) -> int:
    """The value of the UInt32Value in ``data[pos:limit]``."""
    return _u_int32_value(data, pos, limit, depth).value


def write_u_int64_value_protobuf(value: int, writer: BytesWriter) -> None:
    """Appends the fields of the UInt64Value."""
    _write_varint(uint64_bits(value), writer)


def read_u_int64_value_protobuf(data: bytes, pos: i64, limit: i64, depth: i64) -> int:
    """The value of the UInt64Value in ``data[pos:limit]``."""
    return _u_int64_value(data, pos, limit, depth).value
