"""The pool on a clock that jumps: connections made, kept, aged, drained, and calls that wait for them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import anyio
import pytest

from eventflux_runtime import (
    Channel,
    ClientConfig,
    DeadlineExceeded,
    EjectionConfig,
    NotFound,
    PoolConfig,
    PoolTimeout,
    RetryPolicy,
    Server,
    ServerConfig,
    StatusCode,
    Unavailable,
    connect,
    serve,
)
from eventflux_runtime.testing import memory_endpoint
from eventflux_transport import EventRequest, HeartbeatRequest, Message, TransportClient
from tests.channel.jumping import anyio_backend
from tests.channel.node import Node

__all__ = ["anyio_backend"]

NO_PINGS = ClientConfig(keepalive=None)
LINGER = Message(headers={"do": "linger"})


@dataclass
class Place:
    """A server in this process."""

    node: Node
    server: Server
    url: str

    @property
    def connections(self) -> list[Any]:
        """The connections that it holds now."""
        (listener,) = self.server._listeners
        return list(cast("Any", listener).acceptor._connections)


@asynccontextmanager
async def served(count: int, config: ServerConfig | None = None) -> AsyncIterator[list[Place]]:
    async with AsyncExitStack() as stack:
        places = []
        for index in range(count):
            node = Node(str(index))
            settings = config if config is not None else ServerConfig(keepalive=None, drain_grace_s=0)
            server = await stack.enter_async_context(serve([node], memory_endpoint(), config=settings))
            places.append(Place(node, server, server.endpoints[0]))
        yield places


def pooled(places: list[Place], balancer: str = "round_robin", **pool: float) -> Channel:
    config = ClientConfig(keepalive=None, balancer=balancer, pool=PoolConfig(**pool))  # type: ignore[arg-type]  # as the caller names them
    return connect([place.url for place in places], config=config)


async def beat(channel: Channel) -> str:
    return (await TransportClient(channel).heartbeat(HeartbeatRequest())).server_node_id


def connections_of(places: list[Place]) -> list[int]:
    return [len(place.connections) for place in places]


async def test_connects_at_the_first_call_and_to_every_address() -> None:
    async with served(3) as places, pooled(places) as channel:
        await anyio.sleep(10)
        assert connections_of(places) == [0, 0, 0]
        assert repr(channel).endswith("[0 active, 0 queued | " + "; ".join(f"{p.url}: idle" for p in places) + "]>")
        assert {await beat(channel) for _ in range(9)} == {"0", "1", "2"}
        assert connections_of(places) == [1, 1, 1]


async def test_keeps_the_minimum_open_without_a_call() -> None:
    async with served(2) as places, pooled(places, min_connections=2, max_idle_s=5) as channel:
        await anyio.sleep(1)
        assert connections_of(places) == [2, 2]
        await beat(channel)
        await anyio.sleep(60)
        assert connections_of(places) == [2, 2]


async def test_pick_first_uses_one_address() -> None:
    async with served(3) as places, pooled(places, "pick_first") as channel:
        assert {await beat(channel) for _ in range(5)} == {"0"}
        assert connections_of(places) == [1, 0, 0]


async def test_idle_connections_are_closed_and_made_again() -> None:
    async with served(1) as places, pooled(places, max_idle_s=10) as channel:
        await beat(channel)
        await anyio.sleep(8)
        await beat(channel)
        await anyio.sleep(8)
        assert connections_of(places) == [1]
        await anyio.sleep(5)
        assert connections_of(places) == [0]
        await beat(channel)
        assert connections_of(places) == [1]


async def test_a_connection_with_a_call_is_not_idle() -> None:
    async with (
        served(1) as places,
        pooled(places, max_idle_s=1) as channel,
        TransportClient(channel).stream_events(EventRequest(node_id="linger")) as events,
    ):
        await events.receive()
        await anyio.sleep(30)
        places[0].node.release.set()
        with pytest.raises(anyio.EndOfStream):
            await events.receive()


async def test_an_old_connection_is_replaced_and_its_calls_go_on() -> None:
    async with served(1) as places, pooled(places, max_age_s=100) as channel:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(TransportClient(channel).send_message, LINGER)
            await places[0].node.started.wait()
            await anyio.sleep(85)
            assert connections_of(places) == [1]
            await anyio.sleep(20)
            assert connections_of(places) == [2]
            assert "1 ready, 1 draining, 1 active" in repr(channel)
            await beat(channel)
            places[0].node.release.set()
        await anyio.sleep(3)
        assert connections_of(places) == [1]


async def test_more_calls_than_a_connection_takes() -> None:
    async with (
        served(1) as places,
        pooled(places, max_connections=3, max_calls_per_connection=2) as channel,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(5):
            tasks.start_soon(TransportClient(channel).send_message, LINGER)
        await anyio.sleep(1)
        assert places[0].node.asked == 5
        assert connections_of(places) == [3]
        places[0].node.release.set()


async def test_calls_above_every_limit_wait_in_order() -> None:
    async with served(1) as places, pooled(places, max_connections=1, max_calls_per_connection=1) as channel:
        client = TransportClient(channel)
        ended: list[int] = []

        async def call(number: int) -> None:
            await client.send_message(LINGER if number == 0 else Message())
            ended.append(number)

        async with anyio.create_task_group() as tasks:
            for number in range(6):
                tasks.start_soon(call, number)
                await anyio.sleep(0.1)
            assert places[0].node.asked == 1
            assert "1 active, 5 queued" in repr(channel)
            places[0].node.release.set()
        assert ended == [0, 1, 2, 3, 4, 5]


async def test_a_call_that_waits_gets_the_room_a_stream_leaves() -> None:
    async with served(1) as places, pooled(places, max_connections=1, max_calls_per_connection=1) as channel:
        client = TransportClient(channel)
        async with anyio.create_task_group() as tasks, client.stream_events(EventRequest(node_id="linger")) as events:
            await events.receive()
            tasks.start_soon(client.heartbeat, HeartbeatRequest())
            await anyio.sleep(1)
            assert places[0].node.asked == 1
        assert places[0].node.asked == 2


async def test_waiting_is_bounded() -> None:
    async with (
        served(1) as places,
        pooled(places, max_connections=1, max_calls_per_connection=1, acquire_timeout_s=7) as channel,
    ):
        client = TransportClient(channel)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.send_message, LINGER)
            await places[0].node.started.wait()
            began = anyio.current_time()
            with pytest.raises(PoolTimeout, match=r"acquire_timeout_s=7: .*1 active.*raise max_connections") as caught:
                await client.send_message(Message())
            assert 7 <= anyio.current_time() - began < 7.5
            assert caught.value.unprocessed
            with pytest.raises(DeadlineExceeded, match="waiting for a connection"):
                await client.send_message(Message(), timeout_s=2)
            with anyio.move_on_after(3) as scope:
                await client.send_message(Message())
            assert scope.cancelled_caught
            assert "0 queued" in repr(channel)
            places[0].node.release.set()
        assert places[0].node.asked == 1
        await client.send_message(Message())


async def test_a_cancelled_call_leaves_its_room_to_the_next() -> None:
    async with served(1) as places, pooled(places, max_connections=1, max_calls_per_connection=1) as channel:
        client = TransportClient(channel)
        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope() as scope:
                tasks.start_soon(client.send_message, LINGER)
                await places[0].node.started.wait()
                tasks.start_soon(client.heartbeat, HeartbeatRequest())
                await anyio.sleep(1)
                scope.cancel()
                places[0].node.release.set()
        assert places[0].node.asked == 2


async def test_a_dead_connection_is_replaced_before_it_is_wanted() -> None:
    async with served(2) as places, pooled(places) as channel:
        while {await beat(channel) for _ in range(4)} != {"0", "1"}:
            pass
        for connection in places[0].connections:
            connection.pipe.abort()
        await anyio.sleep(0.01)
        assert connections_of(places) == [0, 1]
        assert await beat(channel) == "1"
        assert await beat(channel) in ("0", "1")
        await anyio.sleep(0.01)
        assert connections_of(places) == [1, 1]
        assert {await beat(channel) for _ in range(4)} == {"0", "1"}


async def test_a_dead_connection_is_replaced_although_nobody_looks() -> None:
    async with served(1) as places, pooled(places) as channel:
        await beat(channel)
        places[0].connections[0].pipe.abort()
        await anyio.sleep(3)
        assert connections_of(places) == [1]


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
