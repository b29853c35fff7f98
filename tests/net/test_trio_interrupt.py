"""Ctrl-C on trio, in the very moment in which a task begins to wait, or wakes another."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

from eventflux_runtime.net import trio_reactor
from eventflux_runtime.net.event_loop import open_reactor


def interrupting(plain: Callable[..., Any]) -> Callable[..., Any]:
    """The function, after somebody has pressed Ctrl-C."""

    def interrupted(*args: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return plain(*args)

    return interrupted


def test_a_task_that_was_about_to_wait_is_not_woken_later(monkeypatch: pytest.MonkeyPatch) -> None:
    waiter: trio_reactor.TrioWaiter[None] = trio_reactor.TrioWaiter()
    monkeypatch.setattr(trio_reactor, "wait_task_rescheduled", interrupting(trio.lowlevel.wait_task_rescheduled))

    async def wait() -> None:
        with pytest.raises(KeyboardInterrupt):
            await waiter
        # It would end whatever the task waits for now.
        waiter.set_result(None)
        with trio.move_on_after(0.01) as scope:
            await trio.sleep_forever()
        assert scope.cancelled_caught

    trio.run(wait)


@pytest.mark.parametrize("delay_s", [None, 0.01])
def test_a_callback_is_done_to_its_end(delay_s: float | None) -> None:
    called: list[str] = []

    def callback() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        called.append("to its end")

    async def call() -> None:
        async with open_reactor() as reactor:
            await trio.testing.wait_all_tasks_blocked()
            if delay_s is None:
                reactor.call_soon(callback)
            else:
                reactor.call_at(reactor.now() + delay_s, callback)
            with pytest.raises(KeyboardInterrupt), trio.fail_after(10):
                await trio.sleep_forever()

    trio.run(call)
    assert called == ["to its end"]


def test_whom_it_was_about_to_wake_is_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    called = trio.Event()

    async def call() -> None:
        async with open_reactor() as reactor:
            await trio.testing.wait_all_tasks_blocked()
            monkeypatch.setattr(trio_reactor, "reschedule", interrupting(trio.lowlevel.reschedule))
            with pytest.raises(KeyboardInterrupt):
                reactor.call_soon(called.set)
                await trio.lowlevel.checkpoint()
            monkeypatch.undo()
            with trio.fail_after(10):
                await called.wait()

    trio.run(call)
