"""A gRPC client that has not heard yet that its server leaves: its calls are served until it has, or had the time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from anyio.abc import ByteStream

from eventflux_runtime import Server, ServerConfig, StatusCode, serve
from eventflux_runtime.protocol.core.event import Event, StatusReceived
from eventflux_runtime.protocol.driver.settings import client_limits
from eventflux_runtime.protocol.grpc.http2.client_machine import ClientMachine
from eventflux_runtime.protocol.grpc.http2.settings import Settings
from eventflux_runtime.rpc.config import ClientConfig
from eventflux_runtime.rpc.endpoint import parse_endpoint
from eventflux_runtime.rpc.metadata import EMPTY_METADATA
from eventflux_transport import HeartbeatRequest
from eventflux_transport.methods import TRANSPORT_HEARTBEAT
from tests.support.probe import Probe

pytestmark = pytest.mark.usefixtures("anyio_backend")

LONG_S = 20


class SlowClient:
    """A gRPC client that looks at what the server sends when it is told to."""

    def __init__(self, stream: ByteStream, url: str) -> None:
        endpoint = parse_endpoint(url)
        settings = Settings(**client_limits(ClientConfig(keepalive=None), endpoint))
        now = anyio.current_time()
        self._core = ClientMachine(settings, scheme="http", authority=endpoint.authority, user_agent="slow", now=now)
        self._stream = stream
        self._unread = b""

    async def flush(self) -> None:
        """Sends what is queued."""
        if self._core.has_output:
            await self._stream.send(self._core.data_to_send())

    async def hear(self) -> None:
        """Returns when something has come, without a look at it."""
        self._unread += await self._stream.receive()

    async def read(self) -> list[Event]:
        """What it makes of all that has come, which it waits for where there is nothing."""
        if not self._unread:
            await self.hear()
        data, self._unread = self._unread, b""
        return self._core.receive_data(data, anyio.current_time())

    async def call(self) -> None:
        """Sends one call."""
        route = self._core.route(TRANSPORT_HEARTBEAT.path)
        encode = TRANSPORT_HEARTBEAT.request.encode_protobuf
        self._core.open(route, -1, EMPTY_METADATA, HeartbeatRequest(), encode, True, 0)
        await self.flush()

    async def answer(self) -> StatusReceived:
        """The end of the call."""
        while True:
            for event in await self.read():
                if isinstance(event, StatusReceived):
                    return event
            await self.flush()


@asynccontextmanager
async def slow_client() -> AsyncIterator[tuple[Server, SlowClient]]:
    """A server and a client whose handshake is over."""
    config = ServerConfig(drain_grace_s=LONG_S)
    with anyio.fail_after(LONG_S):
        async with serve([Probe()], "grpc://127.0.0.1:0", config=config) as server:
            url = server.endpoints[0]
            host, _, port = url.removeprefix("grpc://").rpartition(":")
            async with await anyio.connect_tcp(host, int(port)) as stream:
                client = SlowClient(stream, url)
                await client.flush()
                await client.read()
                await client.flush()
                yield server, client


async def noted(run: Callable[[], Any], done: anyio.Event) -> None:
    await run()
    done.set()


async def test_a_call_that_crosses_the_first_go_away_is_served() -> None:
    closed = anyio.Event()
    async with slow_client() as (server, client), anyio.create_task_group() as tasks:
        tasks.start_soon(noted, server.aclose, closed)
        await client.hear()
        await anyio.wait_all_tasks_blocked()
        assert not closed.is_set()
        await client.call()
        assert (await client.answer()).status.code is StatusCode.OK
        await client.flush()
        await closed.wait()


async def test_a_client_that_never_hears_of_it_is_waited_for_a_second_and_no_longer() -> None:
    async with slow_client() as (server, _):
        with anyio.fail_after(5):
            assert await server.drain()
