"""A native connection that is drained stays open until its client has heard of it, but not for ever."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.abc import ByteStream

from eventflux_runtime import Server, ServerConfig, serve
from eventflux_runtime.protocol.core.event import Event, GoAwayReceived
from eventflux_runtime.protocol.core.machine import Role
from eventflux_runtime.protocol.driver.settings import client_limits
from eventflux_runtime.protocol.native.core.connection import Connection
from eventflux_runtime.protocol.native.core.settings import Settings
from eventflux_runtime.rpc.config import ClientConfig
from eventflux_runtime.rpc.endpoint import parse_endpoint
from eventflux_runtime.rpc.metadata import EMPTY_METADATA
from eventflux_transport import HeartbeatRequest
from eventflux_transport.methods import TRANSPORT_HEARTBEAT
from tests.support.probe import Probe

pytestmark = pytest.mark.usefixtures("anyio_backend")

LONG_S = 20


class SlowClient:
    """A client of the native protocol that reads when it is told to."""

    def __init__(self, stream: ByteStream, url: str) -> None:
        settings = Settings(**client_limits(ClientConfig(keepalive=None), parse_endpoint(url)))
        self._core = Connection(Role.CLIENT, settings, now=anyio.current_time())
        self._stream = stream

    async def flush(self) -> None:
        """Sends what is queued."""
        await self._stream.send(self._core.data_to_send())

    async def read(self) -> list[Event]:
        """What came since the last time."""
        return self._core.receive_data(await self._stream.receive(), anyio.current_time())

    async def call(self) -> int:
        """Sends one call; its stream id."""
        assert self._core.peer_settings is not None
        method_id = self._core.peer_settings.find_method(TRANSPORT_HEARTBEAT.path)
        encode = TRANSPORT_HEARTBEAT.request.encode
        stream_id = self._core.open(method_id, -1, EMPTY_METADATA, HeartbeatRequest(), encode)
        await self.flush()
        return stream_id

    async def wait_closed(self) -> None:
        """Returns when the server has closed."""
        with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
            while True:
                await self._stream.receive()


@asynccontextmanager
async def slow_client() -> AsyncIterator[tuple[Server, SlowClient]]:
    """A server and a client whose handshake is over."""
    config = ServerConfig(drain_grace_s=LONG_S)
    with anyio.fail_after(LONG_S):
        async with serve([Probe()], "tcp://127.0.0.1:0", config=config) as server:
            url = server.endpoints[0]
            host, _, port = url.removeprefix("tcp://").rpartition(":")
            async with await anyio.connect_tcp(host, int(port)) as stream:
                client = SlowClient(stream, url)
                await client.flush()
                await client.read()
                yield server, client


async def test_calls_that_cross_the_go_away_are_known_to_be_unread() -> None:
    async with slow_client() as (server, client):
        await server.drain()
        crossing = []
        for _ in range(3):
            crossing.append(await client.call())
            await anyio.sleep(0.02)  # a closed socket answers the first with a reset, which the second would run into
        (event,) = await client.read()
        assert isinstance(event, GoAwayReceived)
        assert list(event.unprocessed) == crossing


async def test_a_client_that_does_not_leave_is_cut_off() -> None:
    async with slow_client() as (server, client):
        await server.drain()
        with anyio.fail_after(3):
            await client.wait_closed()


async def test_leaving_the_server_waits_for_such_a_client_no_longer_than_that() -> None:
    async with serve([Probe()], "tcp://127.0.0.1:0") as server:
        url = server.endpoints[0]
        host, _, port = url.removeprefix("tcp://").rpartition(":")
        stream = await anyio.connect_tcp(host, int(port))
        client = SlowClient(stream, url)
        await client.flush()
        await client.read()
        began = anyio.current_time()
    assert anyio.current_time() - began < 3
    await anyio.aclose_forcefully(stream)
