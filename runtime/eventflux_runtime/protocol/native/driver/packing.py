"""Compressing messages for a peer: where it can read them, and where it is worth it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from librt.strings import BytesWriter

from eventflux_runtime.compression.algorithm import available_compressions, compress, require_compression
from eventflux_runtime.protocol.native.core.error import MessageTooLarge
from eventflux_runtime.rpc.config import COMPRESSION_IDS, Compression

if TYPE_CHECKING:
    from eventflux_runtime.protocol.native.core.settings import PeerSettings

__all__ = ["Packer", "offered_compressions", "write_packed"]


def offered_compressions() -> tuple[int, ...]:
    """The ids of what this side can decompress, best first, for its HELLO."""
    return tuple(COMPRESSION_IDS[compression] for compression in available_compressions())


class Packer:
    """Compresses messages for one peer, where the peer can read it and it is worth it."""

    __slots__ = ("_max_bytes", "_min_bytes", "_readable")

    def __init__(self, min_bytes: int) -> None:
        self._min_bytes = min_bytes
        self._max_bytes = 0
        self._readable: frozenset[int] = frozenset()

    def agree(self, peer: PeerSettings) -> None:
        """Takes over what the peer announced."""
        self._readable = frozenset(peer.compressions)
        self._max_bytes = peer.max_message_bytes

    def pack(
        self, message: Any, encode: Callable[[Any, BytesWriter], None], compression: Compression
    ) -> tuple[bytes, int]:
        """The message as it is to be sent, for `write_packed`, and the id of its compression; 0: it is plain.

        It is plain where the peer does not know the algorithm, below the least size, and where it would not shrink.

        Raises:
            CodecError: the message cannot be encoded.
            MessageTooLarge: it is longer than the peer takes, decompressed.
            MissingExtraError: the algorithm is not installed here.
        """
        require_compression(compression)
        writer = BytesWriter()
        encode(message, writer)
        plain = writer.getvalue()
        wire_id = COMPRESSION_IDS[compression]
        if len(plain) < self._min_bytes or wire_id not in self._readable:
            return plain, 0
        if len(plain) > self._max_bytes:
            raise MessageTooLarge(len(plain), self._max_bytes)
        packed = compress(compression, plain)
        return (packed, wire_id) if len(packed) < len(plain) else (plain, 0)


def write_packed(data: bytes, writer: BytesWriter) -> None:
    """Encodes what `Packer.pack` returned."""
    writer.write(data)
