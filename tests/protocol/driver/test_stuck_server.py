"""A server that does not read: a call's deadline holds wherever the call waits, and nothing of it stays behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from eventflux_runtime import Channel, ClientConfig, DeadlineExceeded, ServerConfig, SocketConfig, connect, serve
from eventflux_runtime.protocol.native.driver.client import NativeClientConnection
from eventflux_transport import Message, TransportClient
from tests.support.probe import Probe
from tests.support.proxy import proxied

FILLING = Message(payload=bytes(2_000_000))
"""One fits into the window of the connection, and a few into no system's buffers."""


@asynccontextmanager
async def stuck() -> AsyncIterator[tuple[Channel, NativeClientConnection]]:
    """A channel whose server has stopped to read, with so much on its way that nothing more is taken."""
    config = ClientConfig(keepalive=None, socket=SocketConfig(send_buffer_bytes=64 * 1024))
    with anyio.fail_after(30):
        async with (
            serve([Probe()], "tcp://127.0.0.1:0", config=ServerConfig(drain_grace_s=0)) as server,
            proxied(server.endpoints[0]) as (proxy, url),
            connect(url, config=config) as channel,
            anyio.create_task_group() as tasks,
        ):
            client = TransportClient(channel)
            await client.send_message(Message())
            assert channel._pool is not None
            assert channel._pool.only_connection is not None
            connection = channel._pool.only_connection.connection
            assert isinstance(connection, NativeClientConnection)
            proxy.is_stuck = True
            while not connection.pipe.is_congested:
                tasks.start_soon(client.send_message, FILLING)
                await anyio.wait_all_tasks_blocked()
            yield channel, connection
            tasks.cancel_scope.cancel()


async def test_a_unary_call_that_waits_for_room_ends_at_its_deadline() -> None:
    async with stuck() as (channel, connection):
        for _ in range(3):
            began = anyio.current_time()
            with pytest.raises(DeadlineExceeded):
                await TransportClient(channel).send_message(Message(), timeout_s=0.2)
            assert anyio.current_time() - began < 5
        assert not connection._room_waiters


async def test_a_stream_that_waits_for_room_ends_at_its_deadline() -> None:
    async with stuck() as (channel, connection):
        with pytest.raises(DeadlineExceeded):
            async with TransportClient(channel).stream_messages(timeout_s=0.2) as stream:
                await stream.send(Message())
        assert not connection._room_waiters


async def test_a_cancelled_call_that_waited_for_room_leaves_nothing_behind() -> None:
    async with stuck() as (channel, connection):
        client = TransportClient(channel)
        for _ in range(20):
            with anyio.move_on_after(0.01):
                await client.send_message(Message())
            async with client.stream_messages() as stream:
                with anyio.move_on_after(0.01):
                    await stream.send(Message())
        assert not connection._room_waiters
        assert connection.state.value == "ready"
