"""The scalar values of protobuf's encoding: from Python's numbers to the bits that travel, and back.

The encoders refuse what the type cannot carry, with OverflowError for a number out of its range and TypeError for
what is no such value, in either form, interpreted or compiled. Numbers that travel as varints are 64 bits with a sign.
"""

from __future__ import annotations

from math import copysign
from typing import TYPE_CHECKING

from librt.strings import BytesWriter, read_i32_le, read_i64_le, write_i32_le, write_i64_le

if TYPE_CHECKING:
    from mypy_extensions import i64

__all__ = [
    "block_of",
    "bool_bits",
    "fixed32_at",
    "fixed64_at",
    "int32_bits",
    "int64_bits",
    "is_zero",
    "signed32",
    "sint32_bits",
    "sint64_bits",
    "uint32_bits",
    "uint64_bits",
    "uint64_of",
    "unzigzag",
    "write_fixed32",
    "write_fixed64",
]


def int32_bits(value: int) -> i64:
    """The bits of an int32 or an enum, which keep its sign up to the 64th."""
    if not -0x80000000 <= value <= 0x7FFFFFFF:
        raise OverflowError
    return value | 0  # which no float can do


def uint32_bits(value: int) -> i64:
    """The bits of a uint32 or fixed32."""
    if not 0 <= value <= 0xFFFFFFFF:
        raise OverflowError
    return value | 0


def sint32_bits(value: int) -> i64:
    """The bits of a sint32: small ones for numbers near 0 of either sign."""
    bits = int32_bits(value)
    return bits << 1 if bits >= 0 else ~(bits << 1)


def int64_bits(value: int) -> i64:
    """The bits of an int64 or sfixed64."""
    # Compiled, the first comparison is one of machine words, the second one of objects.
    is_short = -0x4000000000000000 <= value <= 0x3FFFFFFFFFFFFFFF
    if not is_short and not -0x8000000000000000 <= value <= 0x7FFFFFFFFFFFFFFF:
        raise OverflowError
    return value | 0


def uint64_bits(value: int) -> i64:
    """The bits of a uint64 or fixed64; the greatest numbers look negative."""
    if 0 <= value <= 0x3FFFFFFFFFFFFFFF:
        return value | 0
    if not 0 <= value <= 0xFFFFFFFFFFFFFFFF:
        raise OverflowError
    return (value | 0) if value <= 0x7FFFFFFFFFFFFFFF else value - 0x10000000000000000


def sint64_bits(value: int) -> i64:
    """The bits of a sint64: small ones for numbers near 0 of either sign."""
    number = int(int64_bits(value))
    return uint64_bits(number << 1 if number >= 0 else ~(number << 1))


def bool_bits(value: object) -> int:
    """The bits of a bool."""
    if value is True:
        return 1
    if value is not False:
        raise TypeError
    return 0


def block_of(value: object) -> bytes:
    """A value of bytes."""
    if not isinstance(value, bytes):
        raise TypeError
    return value


def is_zero(value: float) -> bool:
    """Whether a float is the default: 0, and without a sign."""
    return value == 0.0 and copysign(1.0, value) > 0.0


def signed32(number: i64) -> i64:
    """The int32 or enum number of a varint, of which the lower 32 bits count."""
    return (number & 0xFFFFFFFF ^ 0x80000000) - 0x80000000


def uint64_of(number: i64) -> int:
    """The uint64 of a varint."""
    value = int(number)
    return value if value >= 0 else value + 0x10000000000000000


def unzigzag(number: i64) -> i64:
    """The sint32 or sint64 of a varint."""
    return number >> 1 & 0x7FFFFFFFFFFFFFFF ^ -(number & 1)


def write_fixed32(writer: BytesWriter, bits: i64) -> None:
    """Appends the lower 32 bits, little-endian."""
    write_i32_le(writer, int(bits if bits <= 0x7FFFFFFF else bits - 0x100000000))


def write_fixed64(writer: BytesWriter, bits: i64) -> None:
    """Appends 64 bits, little-endian."""
    write_i64_le(writer, bits)


def fixed32_at(data: bytes, pos: i64) -> int:
    """The fixed32 at `pos`. Raises IndexError."""
    value = int(read_i32_le(data, pos))
    return value if value >= 0 else value + 0x100000000


def fixed64_at(data: bytes, pos: i64) -> int:
    """The fixed64 at `pos`. Raises IndexError."""
    value = int(read_i64_le(data, pos))
    return value if value >= 0 else value + 0x10000000000000000
