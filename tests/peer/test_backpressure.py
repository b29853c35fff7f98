"""A peer that sends faster than anybody receives has to wait: nothing piles up in our memory."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Final, TypeAlias

import anyio
import pytest

from eventflux_runtime import DeadlineExceeded, ResourceExhausted, connect
from eventflux_runtime.peer.rpc_server import BACKLOG_BYTES
from eventflux_runtime.peer.stream_link import INBOX_BYTES, StreamLink
from eventflux_transport import (
    Connection,
    GrpcTransport,
    GrpcTransportConfig,
    Message,
    TcpTransport,
    TcpTransportConfig,
    TransportClient,
)
from tests.support.nodes import LOOPBACK, PATIENCE_S, body_of, frame, raw_node

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


# -- over gRPC


PAYLOAD: Final = bytes(512 * 1024)


async def test_a_grpc_connection_holds_few_bytes_of_what_nobody_receives() -> None:
    config = GrpcTransportConfig(request_timeout_ms=1000, enable_compression=False)
    async with GrpcTransport(config) as transport:
        listener = await transport.listen(LOOPBACK)
        connection = await transport.connect(listener.local_addr)
        accepted = await transport.accept(listener)
        with anyio.fail_after(3 * PATIENCE_S), pytest.raises(DeadlineExceeded, match="took no message"):
            while True:
                await transport.send(connection, Message.event(PAYLOAD))
        link = accepted._link
        assert isinstance(link, StreamLink)
        held = sum(len(message.payload) for message in link._inbox.clear())
        assert INBOX_BYTES <= held < INBOX_BYTES + 2 * len(PAYLOAD)
        await listener.aclose()


@pytest.mark.slow
async def test_plain_callers_are_refused_when_what_nobody_accepts_is_too_much() -> None:
    payload = bytes(8 * 1024 * 1024)
    config = GrpcTransportConfig(enable_compression=False)
    async with GrpcTransport(config) as transport:
        listener = await transport.listen(LOOPBACK)
        async with connect(f"grpc://{listener.local_addr}") as channel, anyio.create_task_group() as tasks:
            client = TransportClient(channel)

            async def call() -> None:
                with suppress(ResourceExhausted):
                    await client.send_message(Message.event(payload))
                    answered.append(1)

            answered: list[int] = []
            for _ in range(12):
                tasks.start_soon(call)
        # Those that wait are acknowledged, because they will be delivered; the others know that they will not.
        assert BACKLOG_BYTES <= len(answered) * len(payload) < BACKLOG_BYTES + 2 * len(payload)
        async with connect(f"grpc://{listener.local_addr}") as channel:
            client = TransportClient(channel)
            with pytest.raises(ResourceExhausted, match="wait to be accepted"):
                await client.send_message(Message.event(payload))
            for _ in answered:
                accepted = await transport.accept(listener)
                assert (await transport.receive(accepted)).payload == payload
                await transport.close(accepted)
            assert (await client.send_message(Message.event(payload))).payload == b"ACK"
