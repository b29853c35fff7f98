"""grpclib: gRPC in pure Python, over protobuf's classes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from grpclib.client import Channel, StreamStreamMethod, UnaryStreamMethod, UnaryUnaryMethod
from grpclib.const import Cardinality, Handler
from grpclib.server import Server, Stream

from benchmarks.peers.api import TIMEOUT_S, Calls, Place
from benchmarks.sample import LARGE_PAYLOAD, SMALL_PAYLOAD, fields
from eventflux_transport import transport_pb2 as pb

SERVICE = "/eventflux.transport.Transport"
build_small = partial(pb.TransportMessage, **fields(SMALL_PAYLOAD))
build_large = partial(pb.TransportMessage, **fields(LARGE_PAYLOAD))
SMALL = build_small()


class Echo:
    """Gives back what it gets."""

    async def send_message(self, stream: Stream[Any, Any]) -> None:
        """Echoes."""
        await stream.send_message(await stream.recv_message())

    async def stream_events(self, stream: Stream[Any, Any]) -> None:
        """The sample message, without an end."""
        await stream.recv_message()
        while True:
            await stream.send_message(SMALL)

    async def stream_messages(self, stream: Stream[Any, Any]) -> None:
        """Echoes."""
        async for request in stream:
            await stream.send_message(request)

    def __mapping__(self) -> dict[str, Handler]:
        """What grpclib's generator would write."""
        kind = pb.TransportMessage
        return {
            f"{SERVICE}/SendMessage": Handler(self.send_message, Cardinality.UNARY_UNARY, kind, kind),
            f"{SERVICE}/StreamEvents": Handler(self.stream_events, Cardinality.UNARY_STREAM, pb.EventRequest, kind),
            f"{SERVICE}/StreamMessages": Handler(self.stream_messages, Cardinality.STREAM_STREAM, kind, kind),
        }


class EchoStream:
    """One bidirectional stream."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.receive = stream.recv_message

    async def send(self) -> None:
        """Sends the sample message."""
        await self._stream.send_message(SMALL)


class GrpclibPeer:
    """A `Peer`; asyncio and uvloop only."""

    @asynccontextmanager
    async def serve(self, place: Place) -> AsyncIterator[str]:
        """See `Peer.serve`."""
        server = Server([Echo()])
        await server.start("127.0.0.1", 0)
        listening: Any = server._server  # grpclib reports the port that was bound nowhere else
        yield str(listening.sockets[0].getsockname()[1])
        server.close()
        await server.wait_closed()

    @asynccontextmanager
    async def connect(self, place: Place) -> AsyncIterator[Calls]:
        """See `Peer.connect`."""
        kind = pb.TransportMessage
        async with Channel("127.0.0.1", int(place.address)) as channel:
            send_message = UnaryUnaryMethod(channel, f"{SERVICE}/SendMessage", kind, kind)
            stream_events = UnaryStreamMethod(channel, f"{SERVICE}/StreamEvents", pb.EventRequest, kind)
            stream_messages = StreamStreamMethod(channel, f"{SERVICE}/StreamMessages", kind, kind)

            @asynccontextmanager
            async def download() -> AsyncIterator[AsyncIterator[Any]]:
                async with stream_events.open() as stream:
                    await stream.send_message(pb.EventRequest(node_id="bench"), end=True)
                    yield aiter(stream)
                    await stream.cancel()

            @asynccontextmanager
            async def exchange() -> AsyncIterator[EchoStream]:
                async with stream_messages.open() as stream:
                    await stream.send_request()
                    yield EchoStream(stream)
                    await stream.cancel()

            yield Calls(
                small=lambda: send_message(build_small(), timeout=TIMEOUT_S),
                large=lambda: send_message(build_large(), timeout=TIMEOUT_S),
                download=download,
                exchange=exchange,
            )
