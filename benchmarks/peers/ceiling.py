"""The ceiling: the least that carries a typed call, straight on an asyncio Protocol.

Frames are a u32 length, a u32 request number and a message in our codec; replies are matched by the number; what one
turn of the loop produces is written at once. There are no deadlines, no cancellation, no metadata, no limits, no flow
control and no handshake. `CeilingBytesPeer` does without the codec too: it echoes the payload as it came.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, cast

from librt.strings import BytesWriter

from benchmarks.peers.api import Calls, Place
from benchmarks.peers.eventflux import builder
from benchmarks.sample import LARGE_PAYLOAD, SMALL_PAYLOAD
from eventflux_transport.codec import decode_transport_message, encode_transport_message

HEADER: Final = struct.Struct("<II")
HEADER_BYTES: Final = HEADER.size

build_small, build_large = builder(SMALL_PAYLOAD), builder(LARGE_PAYLOAD)


class Framed(asyncio.Protocol):
    """One connection, of either side: cuts frames, and gathers what is written in one turn of the loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._rest = b""
        self._expected = HEADER_BYTES
        self._chunks: list[bytes] = []
        self._held = 0
        self._queued: list[bytes] = []
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop connected."""
        self._transport = cast("asyncio.Transport", transport)
        self._write = self._transport.write

    def data_received(self, data: bytes) -> None:
        """Cuts frames; the chunks of one that is larger than a read are joined once."""
        if self._held:
            self._chunks.append(data)
            self._held += len(data)
            if self._held < self._expected:
                return
            data = b"".join(self._chunks)
            self._chunks.clear()
            self._held = 0
        position = 0
        size = len(data)
        while size - position >= HEADER_BYTES:
            length, number = HEADER.unpack_from(data, position)
            end = position + HEADER_BYTES + length
            if end > size:
                break
            self.frame_received(number, data, position + HEADER_BYTES, end)
            position = end
        if position < size:
            rest = data[position:]
            self._chunks.append(rest)
            self._held = len(rest)
            self._expected = HEADER_BYTES + (HEADER.unpack_from(rest)[0] if len(rest) >= HEADER_BYTES else 0)

    def frame_received(self, number: int, data: bytes, start: int, end: int) -> None:
        """One whole frame."""
        raise NotImplementedError

    def send(self, number: int, message: Any, encode: Callable[[Any, BytesWriter], None]) -> None:
        """Queues a frame; it is written at the end of this turn of the loop."""
        writer = BytesWriter()
        encode(message, writer)
        if not self._queued:
            self._loop.call_soon(self._flush)
        self._queued += (HEADER.pack(len(writer), number), writer.getvalue())

    def _flush(self) -> None:
        self._write(b"".join(self._queued))
        self._queued.clear()


def encode_bytes(message: bytes, writer: BytesWriter) -> None:
    """No codec: the bytes as they are."""
    writer.write(message)


def decode_bytes(data: bytes, start: int, end: int) -> bytes:
    """No codec: the bytes as they are."""
    return data[start:end]


class EchoServer(Framed):
    """Decodes each message and sends it back."""

    def __init__(self, encode: Callable[[Any, BytesWriter], None], decode: Callable[[bytes, int, int], Any]) -> None:
        super().__init__()
        self._encode = encode
        self._decode = decode

    def frame_received(self, number: int, data: bytes, start: int, end: int) -> None:
        """Echoes."""
        self.send(number, self._decode(data, start, end), self._encode)


class EchoClient(Framed):
    """Matches replies with the calls that wait for them."""

    def __init__(self, encode: Callable[[Any, BytesWriter], None], decode: Callable[[bytes, int, int], Any]) -> None:
        super().__init__()
        self._encode = encode
        self._decode = decode
        self._number = 0
        self._waiting: dict[int, asyncio.Future[Any]] = {}

    async def call(self, message: Any) -> Any:
        """One call."""
        self._number = number = (self._number + 1) & 0x7FFFFFFF
        self._waiting[number] = future = self._loop.create_future()
        self.send(number, message, self._encode)
        return await future

    def frame_received(self, number: int, data: bytes, start: int, end: int) -> None:
        """A reply."""
        self._waiting.pop(number).set_result(self._decode(data, start, end))


class CeilingPeer:
    """A `Peer` of typed messages; asyncio and uvloop only."""

    def __init__(
        self,
        encode: Callable[[Any, BytesWriter], None] = encode_transport_message,
        decode: Callable[[bytes, int, int], Any] = decode_transport_message,
        small: Callable[[], object] = build_small,
        large: Callable[[], object] = build_large,
    ) -> None:
        self._encode = encode
        self._decode = decode
        self._small = small
        self._large = large

    @asynccontextmanager
    async def serve(self, place: Place) -> AsyncIterator[str]:
        """See `Peer.serve`."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: EchoServer(self._encode, self._decode), "127.0.0.1", 0)
        async with server:
            yield str(server.sockets[0].getsockname()[1])

    @asynccontextmanager
    async def connect(self, place: Place) -> AsyncIterator[Calls]:
        """See `Peer.connect`."""
        loop = asyncio.get_running_loop()
        transport, client = await loop.create_connection(
            lambda: EchoClient(self._encode, self._decode), "127.0.0.1", int(place.address)
        )
        yield Calls(small=lambda: client.call(self._small()), large=lambda: client.call(self._large()))
        transport.close()


class CeilingBytesPeer(CeilingPeer):
    """A `Peer` that carries bytes and knows no codec."""

    def __init__(self) -> None:
        small = builder(SMALL_PAYLOAD)().to_wire()
        super().__init__(encode_bytes, decode_bytes, lambda: small, lambda: LARGE_PAYLOAD)
