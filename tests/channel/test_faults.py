"""Servers that die, restart and drain under load: what the calls of a channel come to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from eventflux_runtime import ClientConfig, DeadlineExceeded, RetryPolicy, Unavailable, connect
from eventflux_transport import EventRequest, HeartbeatRequest, Message, TransportClient
from tests.channel.fleet import Fleet, Load, fleet

WIRES = ("tcp", "unix", "grpc")
WITH_RETRIES = ClientConfig(retry=RetryPolicy(max_attempts=5), timeout_s=20)
WITHOUT = ClientConfig(timeout_s=20)


@asynccontextmanager
async def loaded(servers: Fleet, config: ClientConfig, method: str) -> AsyncIterator[Load]:
    """Load on every server of a fleet, each of which answers; its calls are counted when the context is left."""
    async with connect(servers.urls, config=config) as channel:
        client = TransportClient(channel)

        async def heartbeat() -> str:
            return (await client.heartbeat(HeartbeatRequest())).server_node_id

        async def first_event() -> str:
            async with client.stream_events(EventRequest()) as events:
                return (await events.receive()).id

        async def send_message() -> str:
            return (await client.send_message(Message())).id

        load = Load({"heartbeat": heartbeat, "first_event": first_event, "send_message": send_message}[method])
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(load.run)
            while len(load.answers) < len(servers.urls):
                await load.more(20)
            yield load
            load.stop()


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("method", ["heartbeat", "first_event"])
async def test_idempotent_calls_survive_the_death_of_a_server(wire: str, method: str, tmp_path: Path) -> None:
    with anyio.fail_after(60), fleet(wire, 3, tmp_path) as servers:
        async with loaded(servers, WITH_RETRIES, method) as load:
            servers.kill(1)
            await load.more(200)
            await servers.restart(1)
            before = load.answers["1"]
            while load.answers["1"] == before:
                await load.more(20)
        assert load.failures == []


@pytest.mark.parametrize("wire", WIRES)
async def test_only_calls_in_flight_fail_without_retries(wire: str, tmp_path: Path) -> None:
    with anyio.fail_after(60), fleet(wire, 3, tmp_path) as servers:
        async with loaded(servers, WITHOUT, "send_message") as load:
            servers.kill(1)
            await load.more(200)
        assert all(isinstance(error, Unavailable | DeadlineExceeded) for error in load.failures), load.failures
        assert len(load.failures) <= load.workers
        assert load.slowest_s < 10


async def replace_one_by_one(servers: Fleet, load: Load) -> None:
    for index in range(3):
        await servers.drain(index)
        await load.more(50)
        await servers.restart(index)
        before = load.answers[str(index)]
        while load.answers[str(index)] == before:
            await load.more(20)


@pytest.mark.parametrize("wire", WIRES)
async def test_idempotent_calls_survive_a_rolling_restart(wire: str, tmp_path: Path) -> None:
    with anyio.fail_after(90), fleet(wire, 3, tmp_path) as servers:
        async with loaded(servers, WITH_RETRIES, "heartbeat") as load:
            await replace_one_by_one(servers, load)
        assert load.failures == []


@pytest.mark.parametrize("wire", WIRES)
async def test_a_rolling_restart_without_retries(wire: str, tmp_path: Path) -> None:
    with anyio.fail_after(90), fleet(wire, 3, tmp_path) as servers:
        async with loaded(servers, WITHOUT, "send_message") as load:
            await replace_one_by_one(servers, load)
        if wire == "grpc":
            # grpcio refuses what reaches it between its go-away and the client's notice of that, and does not say so.
            assert all(isinstance(error, Unavailable) for error in load.failures), load.failures
            assert len(load.failures) <= 3 * load.workers
        else:
            assert load.failures == []


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
