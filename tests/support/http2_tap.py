"""A tap on gRPC connections: passes the bytes on as they are, and tells how each message travelled.

No API of gRPC says whether a message came compressed; its first byte on the wire does ("Length-Prefixed-Message" in
https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). The frames are read by rules of RFC 9113, 4 and 6.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import anyio
from anyio.abc import SocketStream
from hpack import Decoder

from tests.support.tcp_server import serving

__all__ = ["Tap", "TappedCall"]

PREFACE_BYTES: Final = 24
DATA, HEADERS, CONTINUATION = 0, 1, 9
END_HEADERS, PADDED, PRIORITY = 4, 8, 32
LOST: Final = (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError)


@dataclass
class TappedCall:
    """One call as it was on the wire."""

    request_flags: list[bool] = field(default_factory=list)
    """The compressed flag of each request."""
    response_flags: list[bool] = field(default_factory=list)
    request_encoding: str = ""
    response_encoding: str = ""


class _Direction:
    """One direction of a connection. Reads only what it was given, so it never holds anything up."""

    def __init__(self, tap: Tap, streams: dict[int, TappedCall], is_request: bool) -> None:
        self._tap = tap
        self._streams = streams
        self._is_request = is_request
        self._buffer = b""
        self._skip = PREFACE_BYTES if is_request else 0
        self._decoder = Decoder()
        self._block = b""
        self._messages: dict[int, bytes] = {}

    def read(self, data: bytes) -> None:
        """Takes in bytes that are about to be passed on."""
        self._buffer += data
        if self._skip and len(self._buffer) >= self._skip:
            self._buffer, self._skip = self._buffer[self._skip :], 0
        while not self._skip and len(self._buffer) >= 9:
            end = 9 + int.from_bytes(self._buffer[:3], "big")
            if len(self._buffer) < end:
                return
            frame, self._buffer = self._buffer[:end], self._buffer[end:]
            self._on_frame(frame[3], frame[4], int.from_bytes(frame[5:9], "big"), frame[9:])

    def _on_frame(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        if kind in {DATA, HEADERS} and flags & PADDED:
            payload = payload[1 : len(payload) - payload[0]]
        if kind == DATA:
            self._on_data(stream_id, payload)
        elif kind in {HEADERS, CONTINUATION}:
            self._block += payload[5:] if kind == HEADERS and flags & PRIORITY else payload
            if flags & END_HEADERS:
                self._on_block(stream_id)

    def _on_block(self, stream_id: int) -> None:
        fields = {str(name): str(value) for name, value in self._decoder.decode(self._block)}
        self._block = b""
        if self._is_request and stream_id not in self._streams:
            self._streams[stream_id] = TappedCall(request_encoding=fields.get("grpc-encoding", ""))
            self._tap.calls.append(self._streams[stream_id])
        elif not self._is_request and ":status" in fields:
            self._streams[stream_id].response_encoding = fields.get("grpc-encoding", "")

    def _on_data(self, stream_id: int, payload: bytes) -> None:
        call = self._streams[stream_id]
        flags = call.request_flags if self._is_request else call.response_flags
        rest = self._messages.pop(stream_id, b"") + payload
        while len(rest) >= 5:
            end = 5 + int.from_bytes(rest[1:5], "big")
            if len(rest) < end:
                break
            flags.append(rest[0] == 1)
            rest = rest[end:]
        self._messages[stream_id] = rest


class Tap:
    """The calls of all connections through it, in the order in which they began. A message counts once it is whole."""

    def __init__(self) -> None:
        self.calls: list[TappedCall] = []

    def last_request_flags(self) -> list[bool]:
        """See `tests.support.interop_service.RequestFlags`."""
        return self.calls[-1].request_flags

    @asynccontextmanager
    async def before(self, url: str) -> AsyncIterator[str]:
        """Taps the connections to a server; the URL that leads through."""
        scheme, _, port = url.rpartition(":")

        async def handle(downstream: SocketStream) -> None:
            async with downstream, await anyio.connect_tcp("127.0.0.1", int(port)) as upstream:
                await self._pass_on(downstream, upstream)

        async with serving(handle) as listening:
            yield f"{scheme}:{listening}"

    async def _pass_on(self, downstream: SocketStream, upstream: SocketStream) -> None:
        streams: dict[int, TappedCall] = {}
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_pump, downstream, upstream, _Direction(self, streams, True))
            await _pump(upstream, downstream, _Direction(self, streams, False))
            tasks.cancel_scope.cancel()


async def _pump(source: SocketStream, sink: SocketStream, direction: _Direction) -> None:
    try:
        while True:
            data = await source.receive()
            direction.read(data)
            await sink.send(data)
    except LOST:
        await sink.aclose()
