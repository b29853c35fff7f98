"""Varints and blocks with a length in front: what every record of protobuf's encoding is made of.

https://protobuf.dev/programming-guides/encoding/ is the specification. A varint carries 64 bits, which are signed here:
-1 is ten bytes. Generated codecs inline the case of one byte, and call the functions of this module for more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from librt.strings import BytesWriter

if TYPE_CHECKING:
    from mypy_extensions import i64

__all__ = ["block_size", "long_size", "long_tag", "long_varint", "varint_size", "write_block", "write_varint"]


def write_varint(writer: BytesWriter, value: i64) -> None:
    """Appends a varint of 64 bits."""
    byte: int  # compiled, a writer takes nothing else without making an object of it
    if value & -0x80:
        byte = value & 0x7F | 0x80
        writer.append(byte)
        value = value >> 7 & 0x01FFFFFFFFFFFFFF  # the sign moves down with the other bits
        while value > 0x7F:
            byte = value & 0x7F | 0x80
            writer.append(byte)
            value >>= 7
    byte = value
    writer.append(byte)


def varint_size(value: i64) -> i64:
    """The bytes of a varint."""
    if value < 0:
        return 10
    size: i64 = 1
    while value > 0x7F:
        value >>= 7
        size += 1
    return size


def write_block(writer: BytesWriter, block: bytes) -> None:
    """Appends a length and as many bytes."""
    size = len(block)
    if size < 0x80:
        writer.append(size)
    else:
        write_varint(writer, size)
    writer.write(block)


def block_size(block: bytes) -> i64:
    """The bytes of a block, its length included."""
    size: i64 = len(block)
    return size + 1 if size < 0x80 else size + varint_size(size)


def long_varint(data: bytes, pos: i64) -> tuple[i64, i64]:
    """The varint at `pos`, and where it ends; bits beyond the 64th are dropped, as protobuf does.

    Raises:
        IndexError: the input ends in it.
        ValueError: it takes more than ten bytes.
    """
    value: i64 = 0
    shift: i64 = 0
    while shift < 63:
        byte: i64 = data[pos]
        pos += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, pos
        shift += 7
    last: i64 = data[pos]
    if last >= 0x80:
        raise ValueError("a number takes more than ten bytes")
    return value | (-(last & 1) << 63), pos + 1


def long_tag(data: bytes, pos: i64) -> tuple[i64, i64]:
    """The tag at `pos`, and where it ends.

    Raises:
        IndexError: the input ends in it.
        ValueError: it takes more than five bytes or 32 bits.
    """
    tag, end = long_varint(data, pos)
    if end - pos > 5 or tag > 0xFFFFFFFF:
        raise ValueError("a tag takes more than 32 bits")
    return tag, end


def long_size(data: bytes, pos: i64) -> tuple[i64, i64]:
    """The length at `pos`, and where it ends.

    Raises:
        IndexError: the input ends in it.
        ValueError: it takes more than five bytes or 31 bits.
    """
    size, end = long_varint(data, pos)
    if end - pos > 5 or size > 0x7FFFFFFF:
        raise ValueError("a length takes more than 31 bits")
    return size, end
