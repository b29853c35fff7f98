"""Nodes for tests: one that echoes, one that speaks raw bytes, and a relay that can fall silent."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import ByteStream, SocketStream

from eventflux_runtime import DeadlineExceeded, TransportError
from eventflux_runtime.peer.tcp_link import TcpLink
from eventflux_transport import Connection, ConnectionState, Listener, Message, Transport

ROOT: Final = Path(__file__).resolve().parents[2]
PATIENCE_S: Final = 10.0
"""Seconds after which a test that waits has failed."""
LOOPBACK: Final = "127.0.0.1:0"


def frame(body: bytes) -> bytes:
    """A frame of EventFlux's, written down independently of the code under test."""
    return struct.pack(">I", len(body)) + body


def body_of(message: Message) -> bytes:
    """The bincode bytes of a message in EventFlux's layout."""
    return message.to_wire("eventflux")


def carried(message: Message) -> Message:
    """A message without what the gRPC transports fill in: the rest arrives as it was sent."""
    return Message(
        id=message.id, message_type=message.message_type, payload=message.payload, headers=dict(message.headers)
    )


async def receive_patiently(transport: Transport, connection: Connection) -> Message:
    """The next message, however often the transport's own timeout passes before; it must lose nothing by that."""
    with anyio.fail_after(PATIENCE_S):
        while True:
            with suppress(DeadlineExceeded):
                return await transport.receive(connection)


async def echo(transport: Transport, connection: Connection) -> None:
    """Sends every message back, until the connection ends."""
    with suppress(TransportError):
        while True:
            await transport.send(connection, await transport.receive(connection))
    await transport.close(connection)


async def echo_all(transport: Transport, listener: Listener) -> None:
    """Echoes on every connection; to be cancelled."""
    async with anyio.create_task_group() as tasks:
        while True:
            tasks.start_soon(echo, transport, await transport.accept(listener))


@asynccontextmanager
async def echoing(transport: Transport) -> AsyncIterator[str]:
    """A transport that echoes; the address it listens on."""
    listener = await transport.listen(LOOPBACK)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(echo_all, transport, listener)
        yield listener.local_addr
        tasks.cancel_scope.cancel()


class RawNode:
    """A listener that speaks bytes; each connection that comes in can be taken once."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self.address = "{}:{}".format(*sock.getsockname())

    async def accept(self) -> SocketStream:
        """The next connection."""
        return await SocketStream.from_socket(await self.accept_socket())

    async def accept_socket(self) -> socket.socket:
        """The socket of the next connection; it does not block."""
        with anyio.fail_after(PATIENCE_S):
            while True:
                try:
                    accepted, _ = self._socket.accept()
                except BlockingIOError:
                    await anyio.wait_readable(self._socket)
                else:
                    accepted.setblocking(False)
                    return accepted


@asynccontextmanager
async def raw_node(backlog: int = 16) -> AsyncIterator[RawNode]:
    """A bound socket that nobody serves."""
    with socket.create_server(("127.0.0.1", 0), backlog=backlog) as sock:
        sock.setblocking(False)
        yield RawNode(sock)


async def raw_connect(address: str) -> SocketStream:
    """A connection that speaks bytes."""
    host, _, port = address.rpartition(":")
    return await anyio.connect_tcp(host, int(port))


async def read_exactly(stream: ByteStream, size: int) -> bytes:
    """That many bytes."""
    data = b""
    with anyio.fail_after(PATIENCE_S):
        while len(data) < size:
            data += await stream.receive(size - len(data))
    return data


async def read_frame(stream: ByteStream) -> bytes:
    """The body of the next frame."""
    return await read_exactly(stream, struct.unpack(">I", await read_exactly(stream, 4))[0])


async def is_closed_by_peer(stream: ByteStream) -> bool:
    """Waits for the peer to close; what it still sends is thrown away."""
    with anyio.fail_after(PATIENCE_S):
        try:
            while True:
                await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return True


def socket_of(connection: Connection) -> socket.socket:
    """The socket of a TCP connection."""
    link = connection._link
    assert isinstance(link, TcpLink)
    return link._stream.socket


def option(connection: Connection, level: int, name: int) -> int:
    """A socket option of a TCP connection."""
    return socket_of(connection).getsockopt(level, name)


async def has_gone(connection: Connection) -> None:
    """Returns once this side knows that the peer has closed the connection."""
    with anyio.fail_after(PATIENCE_S):
        while connection.state is ConnectionState.CONNECTED:  # noqa: ASYNC110 - nothing announces what the system knows
            await anyio.sleep(0.005)


class Relay:
    """Forwards bytes between clients and a server until it is told to fall silent, as a cable that is cut does."""

    def __init__(self) -> None:
        self.address = ""
        self.is_silent = False

    async def _forward(self, source: ByteStream, sink: ByteStream) -> None:
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            while True:
                data = await source.receive()
                if not self.is_silent:
                    await sink.send(data)

    async def serve(self, node: RawNode, target: str) -> None:
        """Relays every connection; to be cancelled."""
        async with anyio.create_task_group() as tasks:
            while True:
                tasks.start_soon(self._join, await node.accept(), target)

    async def _join(self, client: SocketStream, target: str) -> None:
        async with client, await raw_connect(target) as server, anyio.create_task_group() as tasks:
            tasks.start_soon(self._forward, client, server)
            await self._forward(server, client)
            tasks.cancel_scope.cancel()


@asynccontextmanager
async def relayed(target: str) -> AsyncIterator[Relay]:
    """A relay in front of an address."""
    relay = Relay()
    async with raw_node() as node, anyio.create_task_group() as tasks:
        relay.address = node.address
        tasks.start_soon(relay.serve, node, target)
        yield relay
        tasks.cancel_scope.cancel()
