"""Compressed payloads inside messages: a bytes field, and an enum field beside it that names its compression.

The name is believed only if the bytes begin as its format does, because there are senders that mark every message as
compressed and compress none. So each format here begins with a mark of its own. Snappy's is that of its framing format
(https://github.com/google/snappy/blob/main/framing_format.txt), because its raw format has none.
"""

from __future__ import annotations

import importlib
from typing import Final

from eventflux_runtime.compression.algorithm import (
    LZ4_MAGIC,
    ZSTD_MAGIC,
    check_blocks,
    check_size,
    compress,
    damaged,
    decompress,
    require_compression,
)
from eventflux_runtime.rpc.config import MAX_MESSAGE_BYTES, Compression
from eventflux_runtime.rpc.errors import CodecError

__all__ = ["compress_payload", "decompress_payload", "is_marked", "pack_payload", "unpack_payload"]

SNAPPY_MAGIC: Final = b"\xff\x06\x00\x00sNaPpY"
MAGIC: Final = {
    Compression.LZ4: LZ4_MAGIC,
    Compression.SNAPPY: SNAPPY_MAGIC,
    Compression.ZSTD: ZSTD_MAGIC,
    Compression.GZIP: b"\x1f\x8b",
}

_COMPRESSED_CHUNK: Final = 0x00
_PLAIN_CHUNK: Final = 0x01
_FIRST_SKIPPABLE_CHUNK: Final = 0x80
_CHECKSUM_BYTES: Final = 4
_MAX_LENGTH_BYTES: Final = 5


def compress_payload(compression: Compression, data: bytes) -> bytes:
    """A payload in the form of a compression that can be recognised by its first bytes.

    Raises:
        MissingExtraError: what the algorithm needs is not installed.
    """
    if compression is not Compression.SNAPPY:
        return compress(compression, data)
    require_compression(compression)
    return bytes(importlib.import_module("cramjam").snappy.compress(data))


def decompress_payload(compression: Compression, data: bytes, max_bytes: int) -> bytes:
    """What a payload was before `compress_payload`; one that does not begin as compressed data does, as it is.

    Raises:
        ResourceExhausted: it expands to more than `max_bytes`.
        CodecError: it begins as compressed data does and is damaged.
        MissingExtraError: what the algorithm needs is not installed.
    """
    if compression is Compression.NONE or not is_marked(compression, data):
        return data
    if compression is not Compression.SNAPPY:
        return decompress(compression, data, max_bytes)
    require_compression(compression)
    cramjam = importlib.import_module("cramjam")
    check_size(_framed_size(data), max_bytes)
    try:
        return bytes(cramjam.snappy.decompress(data))
    except cramjam.DecompressionError as error:
        raise damaged(compression, error) from None


def is_marked(compression: Compression, data: bytes) -> bool:
    """Whether a payload begins as a compression's data do."""
    return data.startswith(MAGIC[compression])


def _framed_size(data: bytes) -> int:
    """What the chunks of a Snappy stream say they expand to, in sum.

    Chunks may hold nothing, and then cost a peer four bytes.
    """
    size = 0
    chunks = 0
    position = 0
    while position < len(data):
        chunks += 1
        check_blocks(Compression.SNAPPY, chunks, size)
        kind = data[position]
        start = position + 4
        length = int.from_bytes(data[position + 1 : start], "little")
        position = start + length
        if position > len(data):
            raise damaged(Compression.SNAPPY, "it ends too early")
        if kind == _PLAIN_CHUNK:
            size += max(0, length - _CHECKSUM_BYTES)
        elif kind == _COMPRESSED_CHUNK:
            size += _stated_size(data[start + _CHECKSUM_BYTES : position][:_MAX_LENGTH_BYTES])
        elif kind < _FIRST_SKIPPABLE_CHUNK:
            raise damaged(Compression.SNAPPY, f"chunk type {kind} is unknown")
    return size


def _stated_size(head: bytes) -> int:
    """The length that raw Snappy begins with: seven bits a byte, the lowest first."""
    size = 0
    for index, byte in enumerate(head):
        size |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return size
    raise damaged(Compression.SNAPPY, "a chunk has no length")


# -- for generated messages, whose enums name compressions


def pack_payload(payload: bytes, stamp: str, wanted: str) -> tuple[bytes, str]:
    """A payload that is stamped with one compression, in another; with the stamp that is true of the result.

    It stays plain where compressing makes it no shorter.

    Raises:
        CodecError: a stamp names no compression that is known here, or the payload is damaged.
        ResourceExhausted: it expands to more than 64 MiB.
        MissingExtraError: what an algorithm needs is not installed.
    """
    plain = unpack_payload(payload, stamp)
    packed = compress_payload(_named(wanted), plain)
    return (packed, wanted) if len(packed) < len(plain) else (plain, Compression.NONE.name)


def unpack_payload(payload: bytes, stamp: str, max_bytes: int | None = None) -> bytes:
    """A payload as it was before it was compressed; as it is, where the stamp is not true of it.

    Raises:
        CodecError: the stamp names no compression that is known here, or the payload is damaged.
        ResourceExhausted: it expands to more than `max_bytes`; None: 64 MiB.
        MissingExtraError: what the algorithm needs is not installed.
    """
    return decompress_payload(_named(stamp), payload, MAX_MESSAGE_BYTES if max_bytes is None else max_bytes)


def _named(stamp: str) -> Compression:
    try:
        return Compression[stamp]
    except KeyError:
        known = ", ".join(compression.name for compression in Compression)
        raise CodecError(f"compression {stamp} is not known here: use one of {known}") from None
