"""aioquic as the other side: gateways that carry TCP connections in its QUIC streams, in either direction.

So our client reaches our server through a foreign implementation, which stands for one of both; all calls and all ends
of them pass. aioquic knows asyncio alone.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import HandshakeCompleted, QuicEvent, StreamDataReceived, StreamReset
from aioquic.tls import SessionTicket

from eventflux_runtime import TlsConfig

_PART_BYTES = 65536


class Gateway(QuicConnectionProtocol):
    """One QUIC connection whose streams are TCP connections; `target` is where those of the peer's streams lead."""

    target: tuple[str, int] | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.is_resumed = False
        self._tcp: dict[int, asyncio.StreamWriter] = {}
        self._early: dict[int, list[StreamDataReceived]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def quic_event_received(self, event: QuicEvent) -> None:
        """See `QuicConnectionProtocol.quic_event_received`."""
        if isinstance(event, HandshakeCompleted):
            self.is_resumed = event.session_resumed
        elif isinstance(event, StreamDataReceived):
            if event.stream_id in self._tcp:
                self._to_tcp(event)
            elif self.target is not None and event.stream_id not in self._early:
                self._early[event.stream_id] = [event]
                self._spawn(self._open_tcp(event.stream_id))
            elif event.stream_id in self._early:
                self._early[event.stream_id].append(event)
        elif isinstance(event, StreamReset) and event.stream_id in self._tcp:
            self._tcp[event.stream_id].close()

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _to_tcp(self, event: StreamDataReceived) -> None:
        writer = self._tcp[event.stream_id]
        if not writer.is_closing():
            writer.write(event.data)
            if event.end_stream:
                writer.write_eof()

    async def _open_tcp(self, stream_id: int) -> None:
        assert self.target is not None
        reader, writer = await asyncio.open_connection(*self.target)
        self._tcp[stream_id] = writer
        for event in self._early.pop(stream_id):
            self._to_tcp(event)
        await self.to_quic(stream_id, reader, writer)

    async def to_quic(self, stream_id: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carries what a TCP connection brings, to its end."""
        self._tcp[stream_id] = writer
        try:
            while data := await reader.read(_PART_BYTES):
                self._quic.send_stream_data(stream_id, data)
                self.transmit()
            self._quic.send_stream_data(stream_id, b"", end_stream=True)
            self.transmit()
        except ConnectionError:
            self._quic.reset_stream(stream_id, 1)
            self.transmit()
        finally:
            writer.close()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carries an accepted TCP connection in a stream of its own."""
        stream_id = self._quic.get_next_available_stream_id()
        self._quic.send_stream_data(stream_id, b"")
        await self.to_quic(stream_id, reader, writer)

    def write(self, stream_id: int, data: bytes) -> None:
        """Sends bytes on a stream."""
        self._quic.send_stream_data(stream_id, data)
        self.transmit()

    def new_stream(self, *, is_unidirectional: bool = False) -> int:
        """The number of a stream that `write` begins."""
        return self._quic.get_next_available_stream_id(is_unidirectional=is_unidirectional)

    async def stop(self) -> None:
        """Ends what is carried."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._tcp.values():
            writer.close()


@asynccontextmanager
async def foreign_client(
    url: str, tls: TlsConfig, on_ticket: Callable[[SessionTicket], None] | None = None, **options: Any
) -> AsyncIterator[Gateway]:
    """A connection of aioquic's to a quic:// URL of ours."""
    host, _, port = url.removeprefix("quic://").rpartition(":")
    configuration = QuicConfiguration(is_client=True, **{"alpn_protocols": ["eft/1"], "server_name": host, **options})
    if tls.ca_file is None:
        configuration.verify_mode = ssl.CERT_NONE
    else:
        configuration.load_verify_locations(str(tls.ca_file))
    async with connect(
        host, int(port), configuration=configuration, create_protocol=Gateway, session_ticket_handler=on_ticket
    ) as protocol:
        assert isinstance(protocol, Gateway)
        yield protocol
        await protocol.stop()


@asynccontextmanager
async def gateway_to(url: str, tls: TlsConfig) -> AsyncIterator[str]:
    """The tcp:// URL of a gateway whose client is aioquic, to a quic:// server of ours."""
    async with foreign_client(url, tls) as gateway:
        server = await asyncio.start_server(gateway.carry, "127.0.0.1", 0)
        async with server:
            yield f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def gateway_from(
    url: str, tls: TlsConfig, *, retry: bool = False, gateways: list[Gateway] | None = None, **options: Any
) -> AsyncIterator[str]:
    """The quic:// URL of a gateway whose server is aioquic, to a tcp:// server of ours; `gateways` gets each."""
    host, _, port = url.removeprefix("tcp://").rpartition(":")
    configuration = QuicConfiguration(is_client=False, **{"alpn_protocols": ["eft/1"], **options})
    assert tls.cert_file is not None
    configuration.load_cert_chain(str(tls.cert_file), str(tls.key_file))
    gateways = gateways if gateways is not None else []
    tickets: dict[bytes, SessionTicket] = {}

    def keep(ticket: SessionTicket) -> None:
        tickets[ticket.ticket] = ticket

    def made(*arguments: Any, **more: Any) -> Gateway:
        gateway = Gateway(*arguments, **more)
        gateway.target = (host, int(port))
        gateways.append(gateway)
        return gateway

    server = await serve(
        "127.0.0.1",
        0,
        configuration=configuration,
        create_protocol=made,
        retry=retry,
        session_ticket_fetcher=tickets.get,
        session_ticket_handler=keep,
    )
    transport: Any = server._transport
    try:
        yield f"quic://127.0.0.1:{transport.get_extra_info('sockname')[1]}"
    finally:
        server.close()
        for gateway in gateways:
            await gateway.stop()
