"""grpc.aio with the stubs and classes that protoc makes: what a Python user has without this project."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import grpc.aio

from benchmarks.peers.api import TIMEOUT_S, Calls, Place
from benchmarks.sample import LARGE_PAYLOAD, SMALL_PAYLOAD, fields
from eventflux_transport import transport_pb2 as pb
from eventflux_transport import transport_pb2_grpc as stubs

build_small = partial(pb.TransportMessage, **fields(SMALL_PAYLOAD))
build_large = partial(pb.TransportMessage, **fields(LARGE_PAYLOAD))
SMALL = build_small()


class Echo(stubs.TransportServicer):
    """Gives back what it gets."""

    async def SendMessage(self, request: Any, context: Any) -> Any:  # noqa: N802 - grpcio names handlers after the IDL
        """Echoes."""
        return request

    async def StreamEvents(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802 - as above
        """The sample message, without an end."""
        while True:
            yield SMALL

    async def StreamMessages(  # noqa: N802 - as above
        self, request_iterator: AsyncIterator[Any], context: Any
    ) -> AsyncIterator[Any]:
        """Echoes."""
        async for request in request_iterator:
            yield request

    async def Heartbeat(self, request: Any, context: Any) -> Any:  # noqa: N802 - as above
        """Answers at once."""
        return pb.HeartbeatResponse()


class EchoStream:
    """One bidirectional stream."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self.receive = call.read

    async def send(self) -> None:
        """Sends the sample message."""
        await self._call.write(SMALL)


class GrpcAioPeer:
    """A `Peer`; asyncio and uvloop only."""

    compression = grpc.Compression.NoCompression

    @asynccontextmanager
    async def serve(self, place: Place) -> AsyncIterator[str]:
        """See `Peer.serve`."""
        server = grpc.aio.server(compression=self.compression)
        stubs.add_TransportServicer_to_server(Echo(), server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        yield f"127.0.0.1:{port}"
        await server.stop(None)

    @asynccontextmanager
    async def connect(self, place: Place) -> AsyncIterator[Calls]:
        """See `Peer.connect`."""
        async with grpc.aio.insecure_channel(place.address, compression=self.compression) as channel:
            stub: Any = stubs.TransportStub(channel)

            @asynccontextmanager
            async def download() -> AsyncIterator[AsyncIterator[Any]]:
                call = stub.StreamEvents(pb.EventRequest(node_id="bench"))
                yield aiter(call)
                call.cancel()

            @asynccontextmanager
            async def exchange() -> AsyncIterator[EchoStream]:
                call = stub.StreamMessages()
                yield EchoStream(call)
                call.cancel()

            yield Calls(
                small=lambda: stub.SendMessage(build_small(), timeout=TIMEOUT_S),
                large=lambda: stub.SendMessage(build_large(), timeout=TIMEOUT_S),
                download=download,
                exchange=exchange,
            )


class GzipPeer(GrpcAioPeer):
    """The same with every message compressed."""

    compression = grpc.Compression.Gzip
