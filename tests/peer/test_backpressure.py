"""A peer that sends faster than anybody receives has to wait: nothing piles up in our memory."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, TypeAlias

import anyio
import pytest

from eventflux_runtime import DeadlineExceeded
from eventflux_transport import Connection, Message, TcpTransport, TcpTransportConfig
from tests.peer.nodes import LOOPBACK, PATIENCE_S, body_of, frame, raw_node

BOUND_BYTES: Final = 4 * 1024 * 1024
"""What may be on its way: both sockets have 64 KiB each way, which the system doubles, and one read is ours."""
FLOOD_BYTES: Final = 64 * 1024 * 1024
CHUNK: Final = bytes(64 * 1024)

Flooded: TypeAlias = tuple[TcpTransport, Connection, socket.socket]
"""A transport, a connection of it, and the socket at the other end."""


@asynccontextmanager
async def accepting() -> AsyncIterator[Flooded]:
    async with TcpTransport(TcpTransportConfig(read_timeout_ms=50)) as transport:
        listener = await transport.listen(LOOPBACK)
        host, _, port = listener.local_addr.rpartition(":")
        with socket.socket() as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
            peer.connect((host, int(port)))
            peer.setblocking(False)
            yield transport, await transport.accept(listener), peer


@asynccontextmanager
async def connecting() -> AsyncIterator[Flooded]:
    async with raw_node() as node, TcpTransport(TcpTransportConfig(read_timeout_ms=50)) as transport:
        connection = await transport.connect(node.address)
        with await node.accept_socket() as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
            yield transport, connection, peer


@pytest.fixture(params=[accepting, connecting])
def flooded(request: pytest.FixtureRequest) -> Callable[[], AbstractAsyncContextManager[Flooded]]:
    made: Callable[[], AbstractAsyncContextManager[Flooded]] = request.param
    return made


async def flood(peer: socket.socket) -> int:
    """Sends until the system takes nothing more for half a second, or `FLOOD_BYTES` are gone. Returns how many were."""
    sent = 0
    while sent < FLOOD_BYTES:
        try:
            sent += peer.send(CHUNK)
        except BlockingIOError:
            with anyio.move_on_after(0.5) as patience:
                await anyio.wait_writable(peer)
            if patience.cancelled_caught:
                break
    return sent


async def test_a_connection_that_nobody_has_read_is_bounded(
    flooded: Callable[[], AbstractAsyncContextManager[Flooded]],
) -> None:
    async with flooded() as (_, _, peer):
        assert await flood(peer) < BOUND_BYTES


async def test_a_receive_that_timed_out_leaves_nothing_that_reads(
    flooded: Callable[[], AbstractAsyncContextManager[Flooded]],
) -> None:
    async with flooded() as (transport, connection, peer):
        with pytest.raises(DeadlineExceeded):
            await transport.receive(connection)
        assert await flood(peer) < BOUND_BYTES


async def test_a_connection_that_was_read_once_is_bounded(
    flooded: Callable[[], AbstractAsyncContextManager[Flooded]],
) -> None:
    message = Message.event(b"first")
    async with flooded() as (transport, connection, peer):
        peer.send(frame(body_of(message)))
        with anyio.fail_after(PATIENCE_S):
            assert await transport.receive(connection) == message
        assert await flood(peer) < BOUND_BYTES
