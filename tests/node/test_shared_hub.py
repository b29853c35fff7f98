"""The hubs of a node's workers: what one is given reaches the subscribers of all, and a dead one holds nobody up."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from eventflux_node.filter import Filter
from eventflux_node.shared_hub import SharedHub
from eventflux_runtime import ResourceExhausted, Unavailable
from tests.node.test_hub import event, take


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """The loops with a code of their own."""
    return request.param, {}


def ended_process() -> int:
    """The number of a process that is no more."""
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        return ended.pid


def hubs(folder: Path, **options: Any) -> tuple[SharedHub, SharedHub]:
    """Those of two workers: this process stands for one, the one that started it for the other."""
    return SharedHub(folder, **options), SharedHub(folder, pid=os.getppid(), **options)


async def test_an_event_reaches_the_subscribers_of_every_worker_in_order(tmp_path: Path) -> None:
    ours, theirs = hubs(tmp_path)
    sent = [event(number) for number in range(20)]
    async with ours.taking_part(), theirs.taking_part():
        with ours.subscribe(Filter()) as here, theirs.subscribe(Filter()) as there:
            for number, message in enumerate(sent):
                await (ours if number % 3 else theirs).publish(message)
            assert await take(here, 20) == sent
            assert await take(there, 20) == sent


async def test_nothing_is_sent_to_a_worker_without_subscribers(tmp_path: Path) -> None:
    ours, theirs = hubs(tmp_path)
    async with ours.taking_part(), theirs.taking_part():
        for _ in range(2):
            with theirs.subscribe(Filter()), theirs.subscribe(Filter()):
                assert (tmp_path / f"{os.getppid()}.wants").exists()
            assert not (tmp_path / f"{os.getppid()}.wants").exists()
        await ours.publish(event(1))
        assert repr(ours._channels) == "{}"


async def test_a_full_subscriber_holds_up_publishers_at_every_worker(tmp_path: Path) -> None:
    ours, theirs = hubs(tmp_path, patience_s=0.05)
    async with ours.taking_part(), theirs.taking_part():
        with theirs.subscribe(Filter(), 1) as slow:
            await ours.publish(event(1))
            with anyio.fail_after(5):
                await ours.publish(event(2))
            assert [message.payload for message in await take(slow, 1)] == [b"1"]
            with pytest.raises(ResourceExhausted):
                await anext(slow)


async def test_a_worker_that_stops_or_is_dead_holds_nobody_up(tmp_path: Path) -> None:
    dead = await anyio.Path(tmp_path / f"{await anyio.to_thread.run_sync(ended_process)}.wants").resolve()
    await dead.touch()
    ours, theirs = hubs(tmp_path)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(ours.taking_part())
        with ours.subscribe(Filter()) as here:
            await ours.publish(event(1))
            assert not await dead.exists()
            await stack.enter_async_context(theirs.taking_part())
            with theirs.subscribe(Filter()) as there:
                await ours.publish(event(2))
                theirs.close()
                await ours.publish(event(3))
                assert [message.payload for message in await take(there, 1)] == [b"2"]
            assert [message.payload for message in await take(here, 3)] == [b"1", b"2", b"3"]


async def test_an_event_that_a_living_worker_does_not_take_fails_at_its_publisher(tmp_path: Path) -> None:
    ours, _ = hubs(tmp_path)
    (tmp_path / f"{os.getppid()}.wants").touch()
    async with ours.taking_part():
        with ours.subscribe(Filter()), pytest.raises(Unavailable, match="cannot connect"):
            await ours.publish(event(1))
