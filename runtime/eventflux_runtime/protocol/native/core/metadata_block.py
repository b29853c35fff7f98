"""Metadata on the wire: u32 length of what follows, u16 count, then u8 key length, key, u32 value length, value."""

from __future__ import annotations

from typing import Final

from librt.strings import BytesWriter, write_i16_le, write_i32_le

from eventflux_runtime.protocol.core.error import MetadataTooLarge, RemoteProtocolError
from eventflux_runtime.protocol.native.core.frame import read_u16, read_u32
from eventflux_runtime.rpc.metadata import EMPTY_METADATA, RETRY_KEYS, Metadata, MetadataValue
from eventflux_runtime.rpc.status import StatusCode

__all__ = ["block_bytes", "decode_metadata", "encode_metadata"]

KEY_CHARACTERS: Final = b"0123456789abcdefghijklmnopqrstuvwxyz_.-"
TEXT_CHARACTERS: Final = bytes(range(0x20, 0x7F))
MAX_KEY_BYTES: Final = 255
MAX_PAIRS: Final = 32_767
RESERVED: Final = b"grpc-"
ADMITTED: Final = frozenset([key.encode("ascii") for key in RETRY_KEYS])
"""The only keys that start so and travel as metadata."""


def block_bytes(metadata: Metadata) -> int:
    """The length of a metadata block without its leading u32: what `max_metadata_bytes` limits."""
    return _size_of(_encoded(metadata))


def _size_of(pairs: list[tuple[bytes, bytes]]) -> int:
    size = 2
    for key, value in pairs:
        size += 5 + len(key) + len(value)
    return size


def _encoded(metadata: Metadata) -> list[tuple[bytes, bytes]]:
    """The pairs as they travel: without keys that only gRPC's own peers may send."""
    return [
        (key.encode("ascii"), value if isinstance(value, bytes) else _text(value))
        for key, value in metadata.pairs
        if not key.startswith("grpc-") or key in RETRY_KEYS
    ]


def _text(value: str) -> bytes:
    """Text as it travels: what is not printable ASCII, which only a foreign gRPC peer can have sent, is escaped."""
    text = value.strip(" ")
    return text.encode("ascii" if text.isascii() and text.isprintable() else "unicode_escape")


def encode_metadata(metadata: Metadata, writer: BytesWriter, limit: int) -> None:
    """Appends a block.

    Raises:
        MetadataTooLarge: the block is over `limit` bytes, or a key over 255. Nothing was written.
    """
    pairs = _encoded(metadata)
    size = _size_of(pairs)
    if size > limit:
        raise MetadataTooLarge(size, limit)
    if len(pairs) > MAX_PAIRS:
        raise MetadataTooLarge(len(pairs), MAX_PAIRS)
    for key, _ in pairs:
        if len(key) > MAX_KEY_BYTES:
            raise MetadataTooLarge(len(key), MAX_KEY_BYTES)
    write_i32_le(writer, size)
    write_i16_le(writer, len(pairs))
    for key, value in pairs:
        writer.append(len(key))
        writer.write(key)
        write_i32_le(writer, len(value))
        writer.write(value)


def decode_metadata(data: bytes, position: int, end: int, limit: int) -> tuple[Metadata, int]:
    """The block at `position` of a frame that ends at `end`, and the position behind it.

    Raises:
        RemoteProtocolError: the block is over `limit` bytes, does not fit its frame, or breaks the rules of metadata.
    """
    if end - position < 6:
        raise RemoteProtocolError(f"metadata block cut short: {end - position} bytes are left, it takes at least 6")
    size = read_u32(data, position)
    position += 4
    if size < 2 or size > end - position:
        raise RemoteProtocolError(f"metadata block of {size} bytes in a frame with {end - position} left")
    if size > limit:
        raise RemoteProtocolError(
            f"metadata block of {size} bytes is over our max_metadata_bytes of {limit}", StatusCode.RESOURCE_EXHAUSTED
        )
    end = position + size
    count = read_u16(data, position)
    position += 2
    pairs: list[tuple[str, MetadataValue]] = []
    for _ in range(count):
        if position >= end:
            raise RemoteProtocolError(f"metadata block ends before its pair {len(pairs) + 1} of {count}")
        key_end = position + 1 + data[position]
        if key_end + 4 > end:
            raise RemoteProtocolError(f"metadata block ends within its pair {len(pairs) + 1} of {count}")
        size = read_u32(data, key_end)
        if size > end - key_end - 4:
            raise RemoteProtocolError(f"metadata value of {size} bytes with {end - key_end - 4} left in its block")
        value_end = key_end + 4 + size
        pairs.append(_pair(data[position + 1 : key_end], data[key_end + 4 : value_end]))
        position = value_end
    if position != end:
        raise RemoteProtocolError(f"metadata block has {end - position} bytes behind its last pair")
    return (Metadata.from_trusted(tuple(pairs)) if pairs else EMPTY_METADATA), end


def _pair(key: bytes, value: bytes) -> tuple[str, MetadataValue]:
    if not key or key.translate(None, KEY_CHARACTERS):
        raise RemoteProtocolError(
            f"metadata key {key!r} is not valid: lower-case letters, digits, '-', '_' and '.' are"
        )
    if key.startswith(RESERVED) and key not in ADMITTED:
        raise RemoteProtocolError(
            f"metadata key {key!r} is reserved: keys that start with 'grpc-' belong to gRPC itself"
        )
    if key.endswith(b"-bin"):
        return key.decode("ascii"), value
    if value.translate(None, TEXT_CHARACTERS):
        raise RemoteProtocolError(
            f"metadata value of {key!r} is not printable ASCII: only keys that end in '-bin' carry bytes"
        )
    if value.strip(b" ") != value:
        raise RemoteProtocolError(f"metadata value of {key!r} has spaces at its ends, which the sender has to strip")
    return key.decode("ascii"), value.decode("ascii")
