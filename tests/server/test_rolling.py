"""Servers that are replaced one by one under load: no call fails, whether the clients have retries or not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from eventflux_runtime import ClientConfig, RetryPolicy
from eventflux_transport import EventRequest, Message, TransportClient
from tests.support.fleet import Load, fleet
from tests.support.wires import connect

WIRES = (
    "tcp",
    "quic",
    pytest.param("grpc", marks=pytest.mark.long),
    pytest.param("rdma", marks=pytest.mark.long),
    pytest.param("unix", marks=pytest.mark.long),
    pytest.param("grpcio", marks=pytest.mark.long),
)
SIZE = 3
LONG_S = 90
CONFIG = ClientConfig(retry=None, timeout_s=30)


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """The loops with a code of their own: starting processes is too dear to do it for uvloop as well."""
    return request.param, {}


def unary(client: TransportClient) -> Callable[[], Awaitable[str]]:
    async def call() -> str:
        return (await client.send_message(Message())).id

    return call


def streaming(client: TransportClient) -> Callable[[], Awaitable[str]]:
    async def call() -> str:
        async with client.stream_events(EventRequest()) as events:
            first = await events.receive()
            async for _ in events:
                pass
        return first.id

    return call


@asynccontextmanager
async def loads(urls: list[str]) -> AsyncIterator[list[Load]]:
    """Calls of both kinds over channels that choose servers differently, and over one with retries."""
    round_robin = connect(urls, config=CONFIG)
    pick_first = connect(urls, config=replace(CONFIG, balancer="pick_first"))
    retrying = connect(urls, config=replace(CONFIG, retry=RetryPolicy(max_attempts=5)))
    async with round_robin, pick_first, retrying, anyio.create_task_group() as tasks:
        running = [
            Load(make(TransportClient(channel)), workers=4)
            for channel in (round_robin, pick_first, retrying)
            for make in (unary, streaming)
        ]
        for load in running:
            tasks.start_soon(load.run)
        yield running
        for load in running:
            load.stop()


@pytest.mark.timeout(LONG_S + 20)  # six starts of a process under load: its own limit comes first
@pytest.mark.parametrize("wire", WIRES)
async def test_a_rolling_restart_fails_no_call(wire: str, tmp_path: Path) -> None:
    with anyio.fail_after(LONG_S), fleet(wire, SIZE, tmp_path) as servers:
        async with loads(servers.urls) as running:
            for load in running:
                await load.more(50)
            for index in range(SIZE):
                await servers.drain(index)
                for load in running:
                    await load.more(20)
                await servers.restart(index)
                for load in running:
                    await load.more(20)
        assert [load.failures for load in running] == [[]] * len(running)
        assert max(load.slowest_s for load in running) < LONG_S / 6
