"""The hub: who gets what, in which order, and what happens to a subscriber that falls behind."""

from __future__ import annotations

from contextlib import ExitStack

import anyio
import pytest
from anyio.lowlevel import checkpoint

from eventflux_node.filter import Filter
from eventflux_node.header import STREAM_HEADER
from eventflux_node.hub import Hub, Subscription
from eventflux_runtime import InvalidArgument, ResourceExhausted, Unavailable, is_wanted
from eventflux_transport import EventFilter, Message, MessageType


def event(number: int, stream: str = "s") -> Message:
    made = Message.event(str(number).encode()).with_header(STREAM_HEADER, stream)
    made.timestamp = number
    return made


async def take(subscription: Subscription, count: int) -> list[Message]:
    got: list[Message] = []
    async for message in subscription:
        got.append(message)
        if len(got) == count:
            break
    return got


async def test_every_subscriber_gets_every_event_in_order() -> None:
    hub = Hub()
    sent = [event(number) for number in range(100)]
    with hub.subscribe(Filter()) as first, hub.subscribe(Filter()) as second:
        for message in sent:
            await hub.publish(message)
        assert await take(first, 100) == sent
        assert await take(second, 100) == sent


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (EventFilter(), [0, 1, 2, 3, 4, 5]),
        (EventFilter(stream_names=["even"]), [0, 2, 4]),
        (EventFilter(stream_names=["even", "odd"]), [0, 1, 2, 3, 4, 5]),
        (EventFilter(stream_names=["other"]), []),
        (EventFilter(message_types=[MessageType.STATE]), [3]),
        (EventFilter(start_timestamp=2), [0, 2, 3, 4, 5]),
        (EventFilter(end_timestamp=2), [0, 1, 2]),
        (EventFilter(start_timestamp=2, end_timestamp=4), [0, 2, 3, 4]),
        (EventFilter(stream_names=["odd"], message_types=[MessageType.EVENT], start_timestamp=2), [5]),
    ],
)
def test_filters_select_by_stream_type_and_time(wanted: EventFilter, numbers: list[int]) -> None:
    messages = [event(number, "odd" if number % 2 else "even") for number in range(6)]
    messages[3].message_type = MessageType.STATE
    checked = Filter.of(wanted)
    assert [message.timestamp for message in messages if checked.matches(message)] == numbers


def test_a_message_without_a_timestamp_is_kept_as_by_the_transports() -> None:
    wanted = EventFilter(start_timestamp=5, end_timestamp=6)
    for timestamp, is_kept in ((0, True), (4, False), (5, True), (7, False)):
        message = event(timestamp)
        assert Filter.of(wanted).matches(message) is is_wanted(wanted, message) is is_kept


def test_a_message_without_a_stream_is_in_no_named_stream() -> None:
    assert Filter.of(None).matches(Message.event(b""))
    assert not Filter.of(EventFilter(stream_names=["s"])).matches(Message.event(b""))


@pytest.mark.parametrize(
    ("wanted", "fault"),
    [
        (EventFilter(start_timestamp=-1), "not -1"),
        (EventFilter(end_timestamp=-5), "not -5"),
        (EventFilter(start_timestamp=9, end_timestamp=8), "ends at 8, before it starts at 9"),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused(wanted: EventFilter, fault: str) -> None:
    with pytest.raises(InvalidArgument, match=fault):
        Filter.of(wanted)


async def test_publishers_wait_for_a_full_subscriber() -> None:
    hub = Hub(buffer_events=2, patience_s=60)
    done: list[int] = []

    async def publish_all() -> None:
        for number in range(5):
            await hub.publish(event(number))
            done.append(number)

    with hub.subscribe(Filter()) as subscription, anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(publish_all)
            while not hub.is_held_up:
                await checkpoint()
            await anyio.wait_all_tasks_blocked()
            assert done == [0, 1]
            assert [message.timestamp for message in await take(subscription, 5)] == [0, 1, 2, 3, 4]
    assert done == [0, 1, 2, 3, 4]


async def test_a_subscriber_that_stays_full_is_cut_off_and_told() -> None:
    hub = Hub(buffer_events=2, patience_s=0.01)
    with hub.subscribe(Filter()) as slow, hub.subscribe(Filter(), 1) as other:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(take, other, 4)
            for number in range(4):
                await hub.publish(event(number))
        got: list[int] = []
        with pytest.raises(ResourceExhausted, match="its buffer of 2 events kept a publisher waiting for 0.01 s"):
            async for message in slow:
                got.append(message.timestamp)
        assert got == [0, 1], "what it held is delivered"


async def test_stuck_subscribers_cost_one_patience_together() -> None:
    hub = Hub(buffer_events=1, patience_s=0.2)
    with ExitStack() as stack, anyio.fail_after(30):
        stuck = [stack.enter_context(hub.subscribe(Filter())) for _ in range(40)]
        await hub.publish(event(0))
        began = anyio.current_time()
        await hub.publish(event(1))
        assert anyio.current_time() - began < 10 * 0.2, "one after the other they take 8 s"
        for subscription in stuck:
            with pytest.raises(ResourceExhausted):
                await take(subscription, 2)


async def test_who_has_room_does_not_wait_for_the_slow() -> None:
    hub = Hub(buffer_events=1, patience_s=60)
    with ExitStack() as stack, anyio.fail_after(10):
        slow = [stack.enter_context(hub.subscribe(Filter())) for _ in range(20)]
        await hub.publish(event(0))
        fast = [stack.enter_context(hub.subscribe(Filter())) for _ in range(20)]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hub.publish, event(1))
            for subscription in fast:
                assert [message.timestamp for message in await take(subscription, 1)] == [1]
            for subscription in slow:
                assert [message.timestamp for message in await take(subscription, 2)] == [0, 1]


async def test_publishers_stand_in_one_line() -> None:
    hub = Hub(buffer_events=1, patience_s=60)
    with hub.subscribe(Filter()) as first, hub.subscribe(Filter()) as second, anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            for number in range(6):
                tasks.start_soon(hub.publish, event(number))
                await anyio.wait_all_tasks_blocked()
            assert [message.timestamp for message in await take(first, 6)] == list(range(6))
            assert [message.timestamp for message in await take(second, 6)] == list(range(6))


async def test_a_publisher_that_is_cancelled_leaves_the_line_and_cuts_nobody_off() -> None:
    hub = Hub(buffer_events=1, patience_s=60)
    with hub.subscribe(Filter()) as first, hub.subscribe(Filter()) as second, anyio.fail_after(10):
        await hub.publish(event(0))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hub.publish, event(1))
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        for subscription in (first, second):
            assert [message.timestamp for message in await take(subscription, 1)] == [0]
        await hub.publish(event(2))
        for subscription in (first, second):
            assert [message.timestamp for message in await take(subscription, 1)] == [2]


async def test_a_cut_off_subscriber_gets_nothing_from_beyond_the_gap() -> None:
    hub = Hub(buffer_events=1, patience_s=0.01)
    with hub.subscribe(Filter()) as slow:
        async with anyio.create_task_group() as tasks:
            for number in range(4):
                tasks.start_soon(hub.publish, event(number))
        got: list[Message] = []
        with pytest.raises(ResourceExhausted):
            async for message in slow:
                got.append(message)
        assert len(got) == 1


async def test_a_subscriber_that_leaves_holds_nobody_up() -> None:
    hub = Hub(buffer_events=1, patience_s=60)

    async def subscribe_and_leave() -> None:
        with hub.subscribe(Filter()):
            while not hub.is_held_up:
                await checkpoint()
            await anyio.wait_all_tasks_blocked()

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(subscribe_and_leave)
            while not hub.subscription_count:
                await checkpoint()
            for number in range(3):
                await hub.publish(event(number))
    assert hub.subscription_count == 0


async def test_a_subscription_may_ask_for_less_than_the_limit_but_not_for_more() -> None:
    hub = Hub(buffer_events=3, patience_s=0)
    with hub.subscribe(Filter(), 2) as small, hub.subscribe(Filter(), 1000) as large:
        for number in range(4):
            await hub.publish(event(number))
        assert small.is_full
        assert large.is_full
        for subscription, held in ((small, 2), (large, 3)):
            with pytest.raises(ResourceExhausted, match=f"its buffer of {held} events"):
                await take(subscription, 4)


async def test_closing_the_hub_ends_subscriptions_after_what_they_hold() -> None:
    hub = Hub()
    with hub.subscribe(Filter()) as subscription:
        await hub.publish(event(1))
        hub.close()
        got: list[int] = []
        with pytest.raises(Unavailable, match="the node is stopping"):
            async for message in subscription:
                got.append(message.timestamp)
        assert got == [1]
    with pytest.raises(Unavailable), hub.subscribe(Filter()):
        pass
    with pytest.raises(Unavailable):
        await hub.publish(event(2))
