"""Changes that wait for a listener: the latest of each node, in the order in which nodes changed."""

from __future__ import annotations

from collections.abc import Callable

import anyio
from hypothesis import given
from hypothesis import strategies as st

from eventflux_runtime.monitor.change import ChangeQueue, MonitorChange
from eventflux_runtime.monitor.track import Health


def change(node: str, previous: int, health: int) -> MonitorChange[Health, None]:
    return MonitorChange(
        node=node, url="", health=Health(health), previous=Health(previous), reason="", answer=None, time_ms=0
    )


async def taken(outlet: ChangeQueue[Health, None]) -> list[tuple[str, int, int]]:
    found = []
    while len(outlet):
        one = await outlet.take()
        assert one is not None
        found.append((one.node, int(one.previous), int(one.health)))
    return found


async def test_changes_of_one_node_become_one() -> None:
    outlet: ChangeQueue[Health, None] = ChangeQueue()
    outlet.put(change("a", 1, 2))
    outlet.put(change("b", 0, 1))
    outlet.put(change("a", 2, 3))
    assert await taken(outlet) == [("a", 1, 3), ("b", 0, 1)]


async def test_a_node_that_is_back_is_no_news() -> None:
    outlet: ChangeQueue[Health, None] = ChangeQueue()
    outlet.put(change("a", 1, 2))
    outlet.put(change("a", 2, 1))
    assert await taken(outlet) == []
    outlet.put(change("a", 1, 2))
    assert await taken(outlet) == [("a", 1, 2)]


async def test_a_cancelled_wait_takes_nothing() -> None:
    outlet: ChangeQueue[Health, None] = ChangeQueue()
    with anyio.CancelScope() as scope:
        outlet.put(change("a", 1, 2))
        scope.cancel()
        await outlet.take()
    assert scope.cancelled_caught
    assert await taken(outlet) == [("a", 1, 2)]


async def test_a_wait_ends_with_the_next_change_or_the_end() -> None:
    outlet: ChangeQueue[Health, None] = ChangeQueue()
    found: list[MonitorChange[Health, None] | None] = []

    async def wait() -> None:
        found.append(await outlet.take())

    acts: list[Callable[[], None]] = [lambda: outlet.put(change("a", 1, 2)), outlet.close]
    for act in acts:
        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(wait)
                await anyio.wait_all_tasks_blocked()
                act()
    assert [one and one.node for one in found] == ["a", None]
    assert await outlet.take() is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.one_of(st.none(), st.integers(1, 4))), max_size=60))
def test_a_listener_always_learns_the_latest_state_and_little_waits(events: list[tuple[str, int | None]]) -> None:
    # None: the listener takes one change, whatever node it is of.
    outlet: ChangeQueue[Health, None] = ChangeQueue()
    actual = dict.fromkeys("abc", 0)
    known = dict.fromkeys("abc", 0)

    async def listen() -> None:
        one = await outlet.take()
        assert one is not None
        assert known[one.node] == one.previous
        assert one.health is not one.previous
        known[one.node] = one.health

    async def play() -> None:
        for node, health in events:
            if health is not None and health != actual[node]:
                outlet.put(change(node, actual[node], health))
                actual[node] = health
            elif health is None and len(outlet):
                await listen()
            assert len(outlet) <= len(actual)
        while len(outlet):
            await listen()
        assert known == actual

    anyio.run(play)
