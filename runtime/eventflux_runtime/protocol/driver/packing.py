"""Compressing messages for a peer: where it can read them, and where it is worth it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from librt.strings import BytesWriter

from eventflux_runtime.compression.algorithm import available_compressions, compress, require_compression
from eventflux_runtime.protocol.core.error import MessageTooLarge
from eventflux_runtime.protocol.core.machine import Machine
from eventflux_runtime.rpc.config import COMPRESSION_IDS, Compression

__all__ = ["Packer", "offered_compressions", "write_packed"]


def offered_compressions() -> tuple[int, ...]:
    """The ids of what this side can decompress, best first, to tell a peer."""
    return tuple(COMPRESSION_IDS[compression] for compression in available_compressions())


class Packer:
    """Compresses messages for one peer, where the peer can read it and it is worth it."""

    __slots__ = ("_core", "_min_bytes")

    def __init__(self, core: Machine, min_bytes: int) -> None:
        self._core = core
        self._min_bytes = min_bytes

    def usable_id(self, compression: Compression, stream_id: int) -> int:
        """The id of an algorithm if the peer reads it, on a stream or on one that is to be opened (0); otherwise 0.

        Raises:
            MissingExtraError: the algorithm is not installed here.
        """
        require_compression(compression)
        wire_id = COMPRESSION_IDS[compression]
        return wire_id if self._core.accepts(stream_id, wire_id) else 0

    def pack(
        self, message: Any, encode: Callable[[Any, BytesWriter], None], compression: Compression, stream_id: int
    ) -> tuple[bytes, int]:
        """The message as it is to be sent, for `write_packed`, and the id of its compression; 0: it is plain.

        It is plain where the peer does not know the algorithm, below the least size, and where it would not shrink.

        Raises:
            CodecError: the message cannot be encoded.
            MessageTooLarge: it is longer than the peer takes, decompressed.
            MissingExtraError: the algorithm is not installed here.
        """
        wire_id = self.usable_id(compression, stream_id)
        writer = BytesWriter()
        encode(message, writer)
        plain = writer.getvalue()
        if len(plain) < self._min_bytes or not wire_id:
            return plain, 0
        limit = self._core.max_message_bytes
        if len(plain) > limit:
            raise MessageTooLarge(len(plain), limit)
        packed = compress(compression, plain)
        return (packed, wire_id) if len(packed) < len(plain) else (plain, 0)


def write_packed(data: bytes, writer: BytesWriter) -> None:
    """Encodes what `Packer.pack` returned."""
    writer.write(data)
