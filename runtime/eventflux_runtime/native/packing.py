"""Compressed messages on a connection: what is sent packed, and what has arrived packed until somebody wants it.

A message that arrives compressed stays so until the application takes it: flow control counts what is on the wire, so
a peer could otherwise fill the memory with a few bytes that expand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from librt.strings import BytesWriter

from eventflux_runtime.compression import available_compressions, compress, decompress, require_compression
from eventflux_runtime.config import Compression
from eventflux_runtime.errors import CodecError
from eventflux_runtime.wire.error import MessageTooLarge

if TYPE_CHECKING:
    from eventflux_runtime.wire.event import MessageReceived, StatusReceived, StreamOpened
    from eventflux_runtime.wire.settings import PeerSettings

__all__ = ["PackedMessage", "Packer", "decoded", "offered_compressions", "write_packed"]

WIRE_IDS: Final = {Compression.LZ4: 1, Compression.SNAPPY: 2, Compression.ZSTD: 3, Compression.GZIP: 4}
"""The ids of docs/protocol.md."""
COMPRESSIONS: Final = {number: compression for compression, number in WIRE_IDS.items()}


def offered_compressions() -> tuple[int, ...]:
    """The ids of what this side can decompress, best first, for its HELLO."""
    return tuple(WIRE_IDS[compression] for compression in available_compressions())


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
        wire_id = WIRE_IDS[compression]
        if len(plain) < self._min_bytes or wire_id not in self._readable:
            return plain, 0
        if len(plain) > self._max_bytes:
            raise MessageTooLarge(len(plain), self._max_bytes)
        packed = compress(compression, plain)
        return (packed, wire_id) if len(packed) < len(plain) else (plain, 0)


def write_packed(data: bytes, writer: BytesWriter) -> None:
    """Encodes what `Packer.pack` returned."""
    writer.write(data)


class PackedMessage:
    """A message as it arrived, compressed."""

    __slots__ = ("_compression_id", "_data", "_decode", "_max_bytes")

    def __init__(
        self, data: bytes, compression_id: int, decode: Callable[[bytes, int, int], Any], max_bytes: int
    ) -> None:
        self._data = data
        self._compression_id = compression_id
        self._decode = decode
        self._max_bytes = max_bytes

    def unpack(self) -> Any:
        """The message itself.

        Raises:
            ResourceExhausted: decompressed, it is longer than this side's limit.
            CodecError: the bytes do not decompress, or do not decode.
        """
        plain = decompress(COMPRESSIONS[self._compression_id], self._data, self._max_bytes)
        return self._decode(plain, 0, len(plain))


def decoded(
    decode: Callable[[bytes, int, int], Any], event: MessageReceived | StatusReceived | StreamOpened, max_bytes: int
) -> Any:
    """The message of an event, or what stands in its place: a CodecError, or a PackedMessage."""
    if event.compression_id:
        return PackedMessage(event.data[event.start : event.end], event.compression_id, decode, max_bytes)
    try:
        return decode(event.data, event.start, event.end)
    except CodecError as error:
        return error
