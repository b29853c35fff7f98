"""Servers that die, freeze and restart under load: what the calls of a channel come to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import anyio
import pytest

from eventflux_runtime import (
    ClientConfig,
    DeadlineExceeded,
    KeepaliveConfig,
    RetryPolicy,
    RpcError,
    Unavailable,
    connect,
)
from eventflux_transport import EventRequest, HeartbeatRequest, Message, TransportClient
from tests.support.fleet import Fleet, Load, fleet

WIRES = ("tcp", "unix", "grpc", "rdma", "grpcio")
SIZE = 3
WITH_RETRIES = ClientConfig(
    retry=RetryPolicy(max_attempts=5),
    timeout_s=20,
    connect_timeout_s=2,
    keepalive=KeepaliveConfig(interval_s=1, timeout_s=1),
)
WITHOUT = ClientConfig(timeout_s=20)


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """The loops with a code of their own: starting processes is too dear to do it for uvloop as well."""
    return request.param, {}


@asynccontextmanager
async def idempotent(servers: Fleet) -> AsyncIterator[Load]:
    """Unary and streaming calls of idempotent methods, with retries."""
    async with connect(servers.urls, config=WITH_RETRIES) as channel:
        client = TransportClient(channel)
        kinds = cycle(("unary", "stream"))

        async def call() -> str:
            if next(kinds) == "unary":
                return (await client.heartbeat(HeartbeatRequest())).server_node_id
            async with client.stream_events(EventRequest()) as events:
                return (await events.receive()).id

        async with running(Load(call)) as load:
            yield load


@asynccontextmanager
async def not_idempotent(servers: Fleet) -> AsyncIterator[Load]:
    """Calls that must not be repeated, without retries."""
    async with connect(servers.urls, config=WITHOUT) as channel:
        client = TransportClient(channel)

        async def call() -> str:
            return (await client.send_message(Message())).id

        async with running(Load(call)) as load:
            yield load


@asynccontextmanager
async def running(load: Load) -> AsyncIterator[Load]:
    """Load that has reached every server; its last call has ended when the context is left."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(load.run)
        for index in range(SIZE):
            await reaches(load, index)
        yield load
        load.stop()


async def reaches(load: Load, index: int) -> None:
    """Returns when a server has answered once more."""
    before = load.answers.get(str(index), 0)
    while load.answers.get(str(index), 0) == before:
        await load.more(20)


def is_honest(error: RpcError) -> bool:
    return isinstance(error, Unavailable | DeadlineExceeded)


@pytest.mark.slow
@pytest.mark.parametrize("wire", WIRES)
async def test_one_of_three_servers_is_killed(wire: str, tmp_path: Path) -> None:
    with anyio.fail_after(60), fleet(wire, SIZE, tmp_path) as servers:
        async with idempotent(servers) as repeated, not_idempotent(servers) as once:
            servers.kill(1)
            await repeated.more(200)
            await once.more(100)
            await servers.restart(1)
            await reaches(repeated, 1)
            await reaches(once, 1)
        assert repeated.failures == []
        assert all(is_honest(error) for error in once.failures), once.failures
        assert len(once.failures) <= once.workers, "only calls in flight fail"
        assert max(repeated.slowest_s, once.slowest_s) < 15, "none hangs"


@pytest.mark.slow
@pytest.mark.parametrize("wire", ["tcp", "grpc", "grpcio"])
async def test_one_of_three_servers_freezes(wire: str, tmp_path: Path) -> None:
    with anyio.fail_after(60), fleet(wire, SIZE, tmp_path) as servers:
        async with idempotent(servers) as repeated:
            servers.freeze(1)
            await repeated.more(300)
            servers.thaw(1)
            await reaches(repeated, 1)
        assert repeated.failures == []
        assert repeated.slowest_s < 15


@pytest.mark.slow
@pytest.mark.parametrize("wire", WIRES)
async def test_the_only_server_restarts(wire: str, tmp_path: Path) -> None:
    with anyio.fail_after(60), fleet(wire, 1, tmp_path) as servers:
        async with connect(servers.urls, config=WITHOUT) as channel:
            client = TransportClient(channel)
            await client.heartbeat(HeartbeatRequest())
            servers.kill(0)
            with pytest.raises(Unavailable):
                await client.heartbeat(HeartbeatRequest())
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(servers.restart, 0)
                answer = await client.heartbeat(HeartbeatRequest(), wait_for_ready=True)
            assert answer.server_node_id == "0"
