"""Runners: what one job does or leaves behind never reaches the next, whatever it is."""

from __future__ import annotations

import asyncio
import contextvars
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from eventflux_runtime import Context, RpcError, StatusCode
from eventflux_runtime.net.event_loop import open_reactor
from eventflux_runtime.net.reactor import Reactor
from eventflux_transport import EventRequest, Message
from tests.support.probe import Probe
from tests.support.wires import WIRES, linked

LONG_S = 20
COUNT = 40
ON_ASYNCIO = pytest.mark.parametrize("anyio_backend", ["asyncio", ("asyncio", {"use_uvloop": True})])

_kept: contextvars.ContextVar[str] = contextvars.ContextVar("kept", default="")


def this_task() -> Any:
    """The event loop's own object for the task that asks."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        import trio

        return trio.lowlevel.current_task()


async def spawned(reactor: Reactor, *functions: Callable[[], Awaitable[None]]) -> None:
    """Runs functions as jobs, each submitted before the first begins, and returns when all have ended."""
    left = len(functions)
    done = anyio.Event()

    async def run(function: Callable[[], Awaitable[None]]) -> None:
        nonlocal left
        try:
            await function()
        finally:
            left -= 1
            if not left:
                done.set()

    for function in functions:
        reactor.spawn(run, function)
    with anyio.fail_after(LONG_S):
        await done.wait()


class Habit:
    """What a handler does to its task, and how a later one finds that."""

    def __init__(self) -> None:
        self.by_task: dict[Any, str] = {}
        self.weakly: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()

    def keep(self) -> None:
        self.by_task[this_task()] = "mine"

    def keep_weakly(self) -> None:
        self.weakly[this_task()] = "mine"

    def keep_name(self) -> None:
        task = this_task()
        if isinstance(task, asyncio.Task):
            task.set_name("mine")
        else:
            task.name = "mine"

    def keep_variable(self) -> None:
        _kept.set("mine")

    def found(self) -> list[str]:
        task = this_task()
        name = task.get_name() if isinstance(task, asyncio.Task) else task.name
        candidates = (self.by_task.get(task), self.weakly.get(task), name, _kept.get())
        return [found for found in candidates if found == "mine"]


@pytest.mark.parametrize("waits", [False, True], ids=["at-once", "after-a-wait"])
@pytest.mark.parametrize("habit", ["keep", "keep_weakly", "keep_name", "keep_variable"])
async def test_what_a_job_leaves_with_its_task_is_not_found_there(habit: str, waits: bool) -> None:
    habits = Habit()
    found: list[str] = []

    async def leave() -> None:
        if waits:
            await anyio.lowlevel.checkpoint()
        getattr(habits, habit)()

    async def look() -> None:
        found.extend(habits.found())

    async def look_later() -> None:
        await anyio.lowlevel.checkpoint()
        found.extend(habits.found())

    async with open_reactor() as reactor:
        await spawned(reactor, look, leave, *[look, look_later] * COUNT)
        await spawned(reactor, leave, look)
        await spawned(reactor, look)
    assert found == []


async def test_jobs_that_never_wait_share_a_task() -> None:
    tasks: set[int] = set()

    async def note() -> None:
        tasks.add(id(this_task()))

    async with open_reactor() as reactor:
        await spawned(reactor, *[note] * COUNT)
        for _ in range(COUNT):
            await spawned(reactor, note)
    assert len(tasks) == 1


@ON_ASYNCIO
@pytest.mark.parametrize("waits", [False, True], ids=["at-once", "after-a-wait"])
async def test_a_job_that_cancels_its_task_cancels_no_other(waits: bool, anyio_backend: object) -> None:
    ended = 0

    async def cancel() -> None:
        if waits:
            await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task is not None
        task.cancel()

    async def swallow() -> None:
        await cancel()
        try:
            await asyncio.sleep(LONG_S)
        except asyncio.CancelledError:
            return

    async def note() -> None:
        nonlocal ended
        await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task is not None
        assert not task.cancelling()
        ended += 1

    async with open_reactor() as reactor:
        await spawned(reactor, cancel, note, swallow, note)
        await spawned(reactor, note)
    assert ended == 3


@ON_ASYNCIO
@pytest.mark.parametrize("waits", [False, True], ids=["at-once", "after-a-wait"])
@pytest.mark.parametrize("is_warm", [False, True], ids=["cold", "warm"])
async def test_a_cancellation_that_a_job_makes_up_ends_that_job(
    waits: bool, is_warm: bool, anyio_backend: object
) -> None:
    ended = 0

    async def make_up() -> None:
        if waits:
            await asyncio.sleep(0)
        raise asyncio.CancelledError

    async def note() -> None:
        nonlocal ended
        await asyncio.sleep(0)
        ended += 1

    async with open_reactor() as reactor:
        if is_warm:
            await spawned(reactor, note, note)
        await spawned(reactor, make_up)
        await spawned(reactor, make_up, note, make_up, note)
        await spawned(reactor, note)
    assert ended == 3 + 2 * is_warm


async def test_an_error_of_a_job_is_raised_at_the_end_and_ends_no_other(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise LookupError("of one job")

    async def note() -> None:
        await anyio.lowlevel.checkpoint()

    with pytest.raises(ExceptionGroup) as caught:
        async with open_reactor() as reactor:
            await spawned(reactor, fail, note, fail, note)
            await spawned(reactor, note)
    assert [str(error) for error in caught.value.exceptions] == ["of one job"] * 2
    assert caplog.text.count("a background task failed") == 2


async def test_closing_cancels_what_waits_and_forgets_what_has_not_begun() -> None:
    seen: list[str] = []

    async def wait() -> None:
        seen.append("began")
        try:
            await anyio.sleep_forever()
        finally:
            seen.append("ended")

    async with open_reactor() as reactor:
        reactor.spawn(wait)
        await anyio.wait_all_tasks_blocked()
        job = reactor.spawn(wait)
        job.cancel()
        reactor.spawn(wait)
    assert seen in (["began", "ended"], ["began", "began", "ended", "ended"])
    with pytest.raises(RuntimeError, match="has ended"):
        reactor.spawn(wait)


class _Misfit(Probe):
    """Lets out cancellations that nobody asked for, before and after its first wait."""

    async def send_message(self, request: Message, context: Context) -> Message:
        if request.id == "later":
            await asyncio.sleep(0)
        if request.id:
            raise asyncio.CancelledError
        return request

    async def stream_events(self, request: EventRequest, context: Context) -> AsyncIterator[Message]:
        if not request.node_id:
            raise asyncio.CancelledError
        yield Message()


@ON_ASYNCIO
@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("how", ["at once", "later", "stream"])
async def test_a_handler_that_lets_a_cancellation_out_ends_its_own_call(
    how: str, wire: str, tmp_path: Path, anyio_backend: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.support.wires.Probe", _Misfit)
    with anyio.fail_after(LONG_S):
        async with linked(wire, tmp_path) as link:
            for _ in range(3):
                with pytest.raises(RpcError) as caught:
                    if how == "stream":
                        async with link.client.stream_events(EventRequest(), timeout_s=5) as stream:
                            await stream.receive()
                    else:
                        await link.client.send_message(Message(id=how), timeout_s=5)
                assert caught.value.code in (StatusCode.CANCELLED, StatusCode.UNKNOWN)
                await link.client.send_message(Message(), timeout_s=5)
