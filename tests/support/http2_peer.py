"""A peer that speaks just enough HTTP/2 (RFC 9113) to misbehave in the ways that grpcio reports."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeAlias

import anyio
from anyio.abc import ByteStream, SocketStream

from tests.support.tcp_server import serving

SETTINGS, PING, GOAWAY, HEADERS, RST_STREAM = 4, 6, 7, 1, 3
ACK = 1
REFUSED_STREAM, INTERNAL_ERROR, ENHANCE_YOUR_CALM = 7, 2, 11
_PREFACE_BYTES = 24

OnCall: TypeAlias = Callable[["Peer", int], Awaitable[None]]


class Peer:
    """One connection, seen from the server; `on_call` is told of each stream that opens."""

    def __init__(self, stream: ByteStream, on_call: OnCall) -> None:
        self.stream = stream
        self._on_call = on_call
        self._buffer = b""

    async def send(self, kind: int, flags: int, stream_id: int, payload: bytes = b"") -> None:
        """Sends one frame."""
        head = struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream_id)
        await self.stream.send(head + payload)

    async def go_away(self, last_stream_id: int, code: int, text: bytes = b"") -> None:
        """Says that streams above one will not be served."""
        await self.send(GOAWAY, 0, 0, struct.pack(">II", last_stream_id, code) + text)

    async def reset(self, stream_id: int, code: int) -> None:
        """Ends one stream."""
        await self.send(RST_STREAM, 0, stream_id, struct.pack(">I", code))

    async def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._buffer += await self.stream.receive()
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    async def greet(self, parameters: bytes = b"") -> None:
        """Takes the client's preface, and sends SETTINGS with these parameters."""
        await self._take(_PREFACE_BYTES)
        await self.send(SETTINGS, 0, 0, parameters)

    async def receive(self) -> tuple[int, int, int, bytes]:
        """The next frame: its kind, flags, stream id and payload."""
        head = await self._take(9)
        payload = await self._take(int.from_bytes(head[:3], "big"))
        return head[3], head[4], int.from_bytes(head[5:], "big"), payload

    async def serve(self, parameters: bytes = b"") -> None:
        """Shakes hands and answers settings and pings until the client leaves."""
        await self.greet(parameters)
        while True:
            kind, flags, stream_id, payload = await self.receive()
            if kind in (SETTINGS, PING) and not flags & ACK:
                await self.send(kind, ACK, 0, payload if kind == PING else b"")
            elif kind == HEADERS:
                await self._on_call(self, stream_id)


@asynccontextmanager
async def answering(handle: Callable[[SocketStream], Awaitable[None]]) -> AsyncIterator[int]:
    """A TCP server; the port."""

    async def tolerate(stream: SocketStream) -> None:
        async with stream:
            # The client has left.
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                await handle(stream)

    async with serving(tolerate) as port:
        yield port


@asynccontextmanager
async def misbehaving(on_call: OnCall, scheme: str = "grpcio") -> AsyncIterator[str]:
    """An HTTP/2 server that does something to each call; its URL."""
    async with answering(lambda stream: Peer(stream, on_call).serve()) as port:
        yield f"{scheme}://127.0.0.1:{port}"
