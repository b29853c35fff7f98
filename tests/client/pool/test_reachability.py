"""Servers that cannot be reached, or fail, on a clock that jumps: what calls do, and when servers are tried again."""

from __future__ import annotations

from contextlib import suppress

import anyio
import pytest

from eventflux_runtime import (
    ClientConfig,
    DeadlineExceeded,
    EjectionConfig,
    NotFound,
    PoolConfig,
    RetryPolicy,
    ServerConfig,
    StatusCode,
    Unavailable,
    connect,
    serve,
)
from eventflux_runtime.testing import memory_endpoint
from eventflux_transport import HeartbeatRequest, TransportClient
from tests.support.jumping import anyio_backend
from tests.support.place import LINGER, NO_PINGS, Place, beat, connections_of, pooled, served
from tests.support.server_process import Node

__all__ = ["anyio_backend"]


async def test_a_server_that_goes_and_comes_back() -> None:
    url = memory_endpoint()
    config = ClientConfig(keepalive=None, pool=PoolConfig(reconnect_backoff_s=1, max_reconnect_backoff_s=20))
    async with connect(url, config=config) as channel:
        async with serve([Node("first")], url, config=ServerConfig(drain_grace_s=0)):
            assert await beat(channel) == "first"
        for _ in range(3):
            began = anyio.current_time()
            with pytest.raises(Unavailable, match="refused") as caught:
                await beat(channel)
            assert caught.value.unprocessed
            assert anyio.current_time() - began < 1
        await anyio.sleep(100)
        assert "failed" in repr(channel)
        async with serve([Node("second")], url, config=ServerConfig(drain_grace_s=0)):
            began = anyio.current_time()
            with anyio.fail_after(60):
                answer = await TransportClient(channel).heartbeat(
                    HeartbeatRequest(), wait_for_ready=True, timeout_s=None
                )
            assert answer.server_node_id == "second"
            assert anyio.current_time() - began <= 24, "the longest backoff and a fifth"


async def test_the_first_call_fails_when_no_address_answers() -> None:
    async with connect([memory_endpoint(), memory_endpoint()], config=NO_PINGS) as channel:
        with pytest.raises(Unavailable, match=r"refused.*nor can the other 1 addresses"):
            await beat(channel)


async def test_one_address_that_answers_is_enough() -> None:
    async with served(1) as places:
        for balancer in ("pick_first", "round_robin", "least_loaded"):
            nobody = Place(places[0].node, places[0].server, memory_endpoint())
            async with pooled([nobody, *places], balancer) as channel:
                assert [await beat(channel) for _ in range(5)] == ["0"] * 5


async def test_waiting_for_a_server_ends_with_the_deadline() -> None:
    async with connect(memory_endpoint(), config=NO_PINGS) as channel:
        began = anyio.current_time()
        with pytest.raises(DeadlineExceeded):
            await TransportClient(channel).heartbeat(HeartbeatRequest(), wait_for_ready=True, timeout_s=90)
        assert 90 <= anyio.current_time() - began < 91


async def test_leaving_the_channel_fails_calls_that_wait() -> None:
    channel = connect(memory_endpoint(), config=NO_PINGS)
    caught: list[Unavailable] = []

    async def wait() -> None:
        try:
            await TransportClient(channel).heartbeat(HeartbeatRequest(), wait_for_ready=True, timeout_s=None)
        except Unavailable as error:
            caught.append(error)

    async with anyio.create_task_group() as tasks, channel:
        tasks.start_soon(wait)
        await anyio.sleep(5)
    assert "the channel was closed" in str(caught[0])


async def test_a_failing_server_is_left_out_and_probed() -> None:
    config = ClientConfig(keepalive=None, ejection=EjectionConfig(consecutive_failures=3, ejection_s=10))
    async with served(3) as places, connect([place.url for place in places], config=config) as channel:
        while {await beat(channel) for _ in range(6)} != {"0", "1", "2"}:
            pass
        places[1].node.failures = [StatusCode.UNAVAILABLE] * 4

        async def round_of_calls() -> set[str]:
            answers = set()
            for _ in range(12):
                try:
                    answers.add(await beat(channel))
                except Unavailable:
                    answers.add("failed")
            return answers

        assert await round_of_calls() == {"0", "2", "failed"}
        assert "ejected" in repr(channel)
        assert await round_of_calls() == {"0", "2"}
        await anyio.sleep(13)
        assert await round_of_calls() == {"0", "2", "failed"}, "the probe fails"
        await anyio.sleep(13)
        assert await round_of_calls() == {"0", "2"}, "twice as long"
        await anyio.sleep(13)
        assert await round_of_calls() == {"0", "1", "2"}
        assert "ejected" not in repr(channel)


async def test_a_server_that_was_left_out_and_restarts_begins_anew() -> None:
    config = ClientConfig(keepalive=None, ejection=EjectionConfig(consecutive_failures=3, ejection_s=1000))
    async with served(2) as places, connect([place.url for place in places], config=config) as channel:
        while {await beat(channel) for _ in range(6)} != {"0", "1"}:
            pass
        places[1].node.failures = [StatusCode.UNAVAILABLE] * 3
        while "ejected" not in repr(channel):
            with suppress(Unavailable):
                await beat(channel)
        places[1].connections[0].pipe.abort()
        await anyio.sleep(3)
        assert {await beat(channel) for _ in range(6)} == {"0", "1"}


async def test_nobody_is_left_out_for_what_the_request_brought_about() -> None:
    config = ClientConfig(keepalive=None, ejection=EjectionConfig(consecutive_failures=1))
    async with served(2) as places, connect([place.url for place in places], config=config) as channel:
        for place in places:
            place.node.failures = [StatusCode.NOT_FOUND] * 6
        for _ in range(6):
            with pytest.raises(NotFound):
                await beat(channel)
        assert "ejected" not in repr(channel)


async def test_least_loaded_avoids_the_busy() -> None:
    async with served(2) as places, pooled(places, "least_loaded") as channel:
        client = TransportClient(channel)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.send_message, LINGER)
            await anyio.sleep(1)
            busy = "0" if places[0].node.asked else "1"
            free = "1" if busy == "0" else "0"
            assert [await beat(channel) for _ in range(10)] == [free] * 10
            for place in places:
                place.node.release.set()


async def test_a_server_sends_old_connections_elsewhere() -> None:
    config = ServerConfig(keepalive=None, drain_grace_s=0, max_connection_age_s=100)
    async with served(1, config) as places, pooled(places) as channel:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(TransportClient(channel).send_message, LINGER)
            await places[0].node.started.wait()
            (first,) = places[0].connections
            await anyio.sleep(85)
            assert connections_of(places) == [1]
            await anyio.sleep(30)
            assert connections_of(places) == [2], "the call in flight goes on, a new connection is there"
            await beat(channel)
            places[0].node.release.set()
        await anyio.sleep(1)
        assert first not in places[0].connections


async def test_retries_share_one_deadline() -> None:
    config = ClientConfig(
        keepalive=None, retry=RetryPolicy(max_attempts=50, initial_backoff_s=1, max_backoff_s=1), ejection=None
    )
    async with served(1) as places, connect(places[0].url, config=config) as channel:
        places[0].node.failures = [StatusCode.UNAVAILABLE] * 50
        began = anyio.current_time()
        with pytest.raises(Unavailable, match="as asked"):
            await TransportClient(channel).heartbeat(HeartbeatRequest(), timeout_s=10)
        assert 7 <= anyio.current_time() - began < 10
        assert 8 <= places[0].node.asked <= 12


async def test_no_retry_waits_past_the_deadline() -> None:
    config = ClientConfig(
        keepalive=None, retry=RetryPolicy(), pool=PoolConfig(reconnect_backoff_s=50, max_reconnect_backoff_s=50)
    )
    async with connect(memory_endpoint(), config=config) as channel:
        began = anyio.current_time()
        with pytest.raises(Unavailable, match="refused"):
            await TransportClient(channel).heartbeat(HeartbeatRequest(), timeout_s=10)
        assert anyio.current_time() - began < 1


async def test_retries_stop_with_the_budget() -> None:
    config = ClientConfig(keepalive=None, retry=RetryPolicy(max_attempts=2), retry_budget=10, ejection=None)
    async with served(1) as places, connect(places[0].url, config=config) as channel:
        places[0].node.failures = [StatusCode.UNAVAILABLE] * 50
        for _ in range(10):
            with pytest.raises(Unavailable):
                await beat(channel)
        assert places[0].node.asked == 12, "two calls were tried again, then half of the stock was gone"
        places[0].node.failures = []
        for _ in range(100):
            await beat(channel)
        places[0].node.failures = [StatusCode.UNAVAILABLE]
        await beat(channel)
