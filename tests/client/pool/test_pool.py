"""The pool on a clock that jumps: connections made, kept, aged, drained, and calls that wait for them."""

from __future__ import annotations

import gc

import anyio
import pytest

from eventflux_runtime import (
    DeadlineExceeded,
    PoolTimeout,
    ServerConfig,
)
from eventflux_transport import EventRequest, HeartbeatRequest, Message, TransportClient
from tests.support.jumping import anyio_backend
from tests.support.place import LINGER, beat, connections_of, pooled, served

__all__ = ["anyio_backend"]


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


async def test_connections_that_a_crowd_needed_fall_idle_behind_it() -> None:
    async with (
        served(1) as places,
        pooled(places, max_connections=2, max_calls_per_connection=2, max_idle_s=10) as channel,
    ):
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(TransportClient(channel).send_message, LINGER)
            await anyio.sleep(1)
            assert connections_of(places) == [2]
            places[0].node.release.set()
        for _ in range(30):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(beat, channel)
                tasks.start_soon(beat, channel)
            await anyio.sleep(1)
        assert connections_of(places) == [1]


async def test_a_call_that_has_waited_leaves_nothing_to_collect() -> None:
    async with served(1) as places, pooled(places, max_connections=1, max_calls_per_connection=1) as channel:
        await beat(channel)
        gc.collect()
        gc.disable()
        try:
            async with anyio.create_task_group() as tasks:
                for _ in range(20):
                    tasks.start_soon(beat, channel)
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            assert not [kept for kept in gc.garbage if type(kept).__module__.startswith("eventflux_runtime")]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()


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
        began = 0.0
        async with anyio.create_task_group() as tasks:
            async with client.stream_events(EventRequest(node_id="linger")) as events:
                await events.receive()
                tasks.start_soon(client.heartbeat, HeartbeatRequest())
                await anyio.sleep(1)
                assert places[0].node.asked == 1
                began = anyio.current_time()
            await anyio.sleep(0.001)
        assert places[0].node.asked == 2
        assert anyio.current_time() - began < 0.1


async def test_no_way_past_the_queue_is_open_while_a_call_waits() -> None:
    config = ServerConfig(keepalive=None, drain_grace_s=0, max_calls_per_connection=1)
    async with served(1, config) as places, pooled(places, max_connections=1) as channel:
        client = TransportClient(channel)
        await beat(channel)
        pool = channel._pool
        assert pool is not None

        def is_open() -> bool:
            return pool.only_connection is not None or pool.try_acquire() is not None

        for _ in range(20):  # which of two tasks runs first is a matter of chance on trio
            places[0].node.release = anyio.Event()
            places[0].node.started = anyio.Event()
            async with anyio.create_task_group() as tasks:
                assert is_open()
                tasks.start_soon(client.send_message, LINGER)
                await places[0].node.started.wait()
                tasks.start_soon(beat, channel)
                while "1 queued" not in repr(channel):
                    await anyio.lowlevel.checkpoint()
                assert not is_open()
                places[0].node.release.set()
            await anyio.sleep(0.1)


async def test_a_new_call_does_not_overtake_those_that_wait() -> None:
    async with served(1) as places, pooled(places, max_connections=1, max_calls_per_connection=1) as channel:
        client = TransportClient(channel)
        ended: list[str] = []

        async def call(name: str, message: Message) -> None:
            await client.send_message(message)
            ended.append(name)

        async def two_calls() -> None:
            await call("first", LINGER)
            await call("last", Message())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(two_calls)
            await places[0].node.started.wait()
            tasks.start_soon(call, "waiting", Message())
            await anyio.sleep(1)
            places[0].node.release.set()
        assert ended == ["first", "waiting", "last"]


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
