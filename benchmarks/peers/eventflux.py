"""Our own stack, on any of its wires, as its users write it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import trustme

from benchmarks.peers.api import TIMEOUT_S, Calls, Place
from benchmarks.sample import LARGE_PAYLOAD, SMALL_PAYLOAD, fields
from eventflux_runtime import BidiStream, ClientConfig, Compression, Context, ServerConfig, TlsConfig, connect, serve
from eventflux_transport import (
    EventRequest,
    HeartbeatRequest,
    HeartbeatResponse,
    Message,
    MessageType,
    TransportClient,
    TransportService,
)


def builder(payload: bytes) -> Callable[[], Message]:
    """What builds the sample message."""
    return partial(Message, **fields(payload) | {"message_type": MessageType.EVENT})


class Echo(TransportService):
    """Gives back what it gets."""

    def __init__(self) -> None:
        self._message = builder(SMALL_PAYLOAD)()

    async def send_message(self, request: Message, context: Context) -> Message:
        """Echoes."""
        return request

    async def stream_events(self, request: EventRequest, context: Context) -> AsyncIterator[Message]:
        """The sample message, without an end."""
        while True:
            yield self._message

    async def stream_messages(self, requests: AsyncIterator[Message], context: Context) -> AsyncIterator[Message]:
        """Echoes."""
        async for request in requests:
            yield request

    async def heartbeat(self, request: HeartbeatRequest, context: Context) -> HeartbeatResponse:
        """Answers at once."""
        return HeartbeatResponse()


class EchoStream:
    """One bidirectional stream."""

    def __init__(self, stream: BidiStream[Message, Message]) -> None:
        self._stream = stream
        self._message = builder(SMALL_PAYLOAD)()
        self.receive = stream.receive

    async def send(self) -> None:
        """Sends the sample message."""
        await self._stream.send(self._message)


class EventFluxPeer:
    """A `Peer` on the wire that a URL scheme names."""

    def __init__(self, scheme: str, compression: str = "none") -> None:
        self._scheme = scheme
        self._compression = Compression(compression)
        self._has_tls = scheme in {"tcps", "grpcs", "wss", "quic"}

    def _server_tls(self, place: Place) -> TlsConfig | None:
        if not self._has_tls:
            return None
        authority = trustme.CA()
        leaf = authority.issue_cert("127.0.0.1")
        authority.cert_pem.write_to_path(place.scratch / "ca.pem")
        leaf.private_key_pem.write_to_path(place.scratch / "key.pem")
        for part in leaf.cert_chain_pems:
            part.write_to_path(place.scratch / "cert.pem", append=True)
        return TlsConfig(cert_file=str(place.scratch / "cert.pem"), key_file=str(place.scratch / "key.pem"))

    @asynccontextmanager
    async def serve(self, place: Place) -> AsyncIterator[str]:
        """See `Peer.serve`."""
        url = f"unix://{place.scratch}/echo.sock" if self._scheme == "unix" else f"{self._scheme}://127.0.0.1:0"
        if self._scheme == "rdma":
            url += "?provider=tcp"  # it is measured where there is no card
        config = ServerConfig(
            tls=self._server_tls(place),
            drain_grace_s=0,
            max_connections=20_000,
            compression=self._compression,
            compression_min_bytes=0,
        )
        async with serve([Echo()], url, config=config) as server:
            yield server.endpoints[0]

    @asynccontextmanager
    async def connect(self, place: Place) -> AsyncIterator[Calls]:
        """See `Peer.connect`."""
        tls = TlsConfig(ca_file=str(place.scratch / "ca.pem")) if self._has_tls else None
        config = ClientConfig(tls=tls, compression=self._compression, compression_min_bytes=0)
        async with connect(place.address, config=config) as channel:
            client = TransportClient(channel)
            small, large = builder(SMALL_PAYLOAD), builder(LARGE_PAYLOAD)

            @asynccontextmanager
            async def exchange() -> AsyncIterator[EchoStream]:
                async with client.stream_messages() as stream:
                    yield EchoStream(stream)

            yield Calls(
                small=lambda: client.send_message(small(), timeout_s=TIMEOUT_S),
                large=lambda: client.send_message(large(), timeout_s=TIMEOUT_S),
                download=partial(client.stream_events, EventRequest(node_id="bench")),
                exchange=exchange,
            )
