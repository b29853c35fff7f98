"""A server that speaks HTTP/2 by the library h2, and does to its clients what gRPC's negative cases ask for.

The cases are those of https://github.com/grpc/grpc/blob/master/doc/negative-http2-interop-test-descriptions.md.
Meanwhile h2 holds the client to the rules of HTTP/2: a client that breaks one is cut off, and `broken` tells why.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias

import anyio
from anyio.abc import SocketStream
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    Event,
    PingAckReceived,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame

from interop_package import interop_pb2 as pb
from tests.support.interop_cases import RESPONSE_BYTES
from tests.support.tcp_server import serving

__all__ = ["RESPONSE", "Connection", "Script", "Scripted", "scripted"]

LOST: Final = (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError)
_MESSAGE: Final = pb.SimpleResponse(payload=pb.Payload(body=bytes(RESPONSE_BYTES))).SerializeToString()
RESPONSE: Final = b"\0" + len(_MESSAGE).to_bytes(4, "big") + _MESSAGE
"""The response that each call gets, behind its prefix."""
HEAD: Final = [(":status", "200"), ("content-type", "application/grpc")]
TRAILERS: Final = [("grpc-status", "0")]


class Connection:
    """One client's connection."""

    def __init__(self, server: Scripted, stream: SocketStream) -> None:
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        if server.max_streams:
            limits = {SettingCodes.MAX_CONCURRENT_STREAMS: server.max_streams}
            self.h2.local_settings = Settings(client=False, initial_values=limits)
        self.unanswered_pings = 0
        self.requests = 0
        """Calls that came."""
        self._server = server
        self._stream = stream
        self._writing = anyio.Lock()
        self._room = anyio.Event()
        self._gone: set[int] = set()
        self._last_stream_id = 2**31 - 1

    async def flush(self) -> None:
        """Writes what h2 has to say."""
        await self._write(b"")

    async def _write(self, frame: bytes) -> None:
        async with self._writing:
            data = self.h2.data_to_send() + frame
            if data:
                await self._stream.send(data)

    async def ping(self) -> None:
        """Sends a ping, and counts it until its answer comes."""
        self.unanswered_pings += 1
        self.h2.ping(self.unanswered_pings.to_bytes(8, "big"))
        await self.flush()

    async def send_head(self, stream_id: int) -> None:
        """Begins a response."""
        self.h2.send_headers(stream_id, HEAD)
        await self.flush()

    async def send_data(self, stream_id: int, data: bytes) -> None:
        """Sends bytes of a response, as the client makes room for them."""
        while data and stream_id not in self._gone:
            room = min(self.h2.local_flow_control_window(stream_id), self.h2.max_outbound_frame_size)
            if room:
                self.h2.send_data(stream_id, data[:room])
                data = data[room:]
                await self.flush()
            else:
                self._room = anyio.Event()
                await self._room.wait()

    async def send_status(self, stream_id: int) -> None:
        """Ends a response with OK."""
        if stream_id not in self._gone:
            self.h2.send_headers(stream_id, TRAILERS, end_stream=True)
            await self.flush()

    async def respond(self, stream_id: int) -> None:
        """Answers a call as it should be."""
        await self.send_head(stream_id)
        await self.send_data(stream_id, RESPONSE)
        await self.send_status(stream_id)

    async def go_away(self, last_stream_id: int) -> None:
        """Says that no call above a stream will be looked at, and looks at none. h2's own ends the others too."""
        self._last_stream_id = last_stream_id
        await self._write(GoAwayFrame(0, last_stream_id=last_stream_id).serialize())

    async def reset(self, stream_id: int) -> None:
        """Ends a stream with RST_STREAM and NO_ERROR."""
        self.h2.reset_stream(stream_id, 0)
        await self.flush()

    async def serve(self) -> None:
        """Speaks with the client until it leaves."""
        self.h2.initiate_connection()
        await self.flush()
        async with anyio.create_task_group() as tasks:
            while True:
                try:
                    events = self.h2.receive_data(await self._stream.receive())
                except ProtocolError as error:
                    self._server.broken.append(error)
                    raise
                for event in events:
                    stream_id = self._on_event(event)
                    if stream_id:
                        tasks.start_soon(self._server.script, self, stream_id)
                await self.flush()

    def _on_event(self, event: Event) -> int:
        """Takes an event; the stream of a request that has come whole, or 0."""
        if isinstance(event, DataReceived):
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, PingAckReceived):
            self.unanswered_pings -= 1
        elif isinstance(event, WindowUpdated):
            self._room.set()
        elif isinstance(event, StreamReset):
            self._gone.add(event.stream_id)
            self._room.set()
        elif isinstance(event, RequestReceived):
            self.requests += 1
        elif isinstance(event, StreamEnded) and event.stream_id <= self._last_stream_id:
            return event.stream_id
        return 0


Script: TypeAlias = Callable[[Connection, int], Coroutine[Any, Any, None]]
"""What a server does with a request that has come whole."""


class Scripted:
    """The server."""

    def __init__(self, script: Script, max_streams: int) -> None:
        self.script = script
        self.max_streams = max_streams
        self.url = ""
        self.connections: list[Connection] = []
        self.broken: list[ProtocolError] = []
        self._left = anyio.Event()

    async def wait_left(self) -> None:
        """Returns when a client has left."""
        await self._left.wait()

    async def handle(self, stream: SocketStream) -> None:
        """One connection."""
        connection = Connection(self, stream)
        self.connections.append(connection)
        async with stream:
            try:
                await connection.serve()
            except* (*LOST, ProtocolError):
                self._left.set()


@asynccontextmanager
async def scripted(script: Script, max_streams: int = 0) -> AsyncIterator[Scripted]:
    """A server that does what a script says, on a port of its own; it allows so many calls from the start, if any."""
    server = Scripted(script, max_streams)
    async with serving(server.handle) as port:
        server.url = f"grpc://127.0.0.1:{port}"
        yield server


def half(data: bytes) -> bytes:
    """The first half of some bytes."""
    return data[: math.ceil(len(data) / 2)]


def limit_streams(connection: Connection, count: int) -> None:
    """Says that a client may have so many calls in flight."""
    connection.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: count})
