"""The reactor straight on asyncio or uvloop: futures as waiters, runners for tasks, the loop's own timers.

A task, an anyio cancel scope and its group cost more than the rest of a call; `net/runner.py` shares them among calls.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import weakref
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

from anyio import CancelScope

from eventflux_runtime.net.reactor import Failures
from eventflux_runtime.net.runner import Job, Runner, RunnerPool
from eventflux_runtime.net.wheel import DeadlineWheel
from eventflux_runtime.rpc.byte_counter import ByteCounter

__all__ = ["AsyncioReactor"]

_TASK_NAME: Final = "eventflux"
_log: Final = logging.getLogger("eventflux_runtime")


class AsyncioReactor:
    """A `Reactor` on the running asyncio loop."""

    is_asyncio = True
    current: Callable[[], object] = staticmethod(asyncio.get_running_loop)

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.home: object = self.loop
        self.now: Callable[[], float] = self.loop.time
        self.waiter: Callable[[], asyncio.Future[Any]] = self.loop.create_future
        self.wheel = DeadlineWheel(self.loop.time, self._arm)
        self.decompressed = ByteCounter()
        self._failures = Failures()
        self._runners = RunnerPool(self._start_task, self.loop.create_future, self._failures.add)
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_over(self) -> bool:
        """See `Reactor.is_over`."""
        return self.loop.is_closed()

    def call_soon(self, callback: Callable[[], None]) -> None:
        """See `Reactor.call_soon`."""
        self.loop.call_soon(callback)

    def post(self, callback: Callable[[], None]) -> None:
        """See `Reactor.post`."""
        with suppress(RuntimeError):  # the loop is closed
            self.loop.call_soon_threadsafe(callback)

    def call_at(self, when: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        """See `Reactor.call_at`."""
        return self.loop.call_at(when, callback)

    def spawn(self, function: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> Job:
        """See `Reactor.spawn`."""
        return self._runners.submit(function, args)

    def is_at_work_here(self) -> bool:
        """See `Reactor.is_at_work_here`."""
        return self._runners.is_at_work_here()

    def run_detached(self, function: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """See `Reactor.run_detached`."""
        try:
            self.loop.call_soon_threadsafe(_Detached, function)
        except RuntimeError:
            return  # the loop was closed, and with it all that ran on it

    async def aclose(self) -> None:
        """See `Reactor.aclose`."""
        if self._timer is not None:
            self._timer.cancel()
        with CancelScope(shield=True):
            await self._runners.aclose()
        self._failures.raise_all()

    def _arm(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_at(when, self.wheel.fire)

    def _start_task(self, runner: Runner) -> _RunnerTask:
        return _RunnerTask(self.loop, self._runners, runner, self._failures)


class _RunnerTask:
    """A `RunnerTask`.

    The task is made without the loop's task factory: one that starts tasks at once would start a runner within the job
    that another one drives, and one that knows no contexts would give it a foreign one.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, pool: RunnerPool, runner: Runner, failures: Failures) -> None:
        self._pool = pool
        self._runner = runner
        self._failures = failures
        self._scope: CancelScope | None = None
        self._references = 0
        self._weak_references = 0
        self._task: asyncio.Task[None] = asyncio.Task(self._run(), loop=loop, name=_TASK_NAME, context=pool.base)
        self._task.add_done_callback(self._on_done)

    async def _run(self) -> None:
        # Made here, because a runner may be started from a callback of the loop, where anyio finds no event loop.
        with CancelScope() as self._scope:
            await self._runner

    def look(self) -> None:
        """See `RunnerTask.look`."""
        self._references = sys.getrefcount(self._task)
        self._weak_references = weakref.getweakrefcount(self._task)

    def is_changed(self) -> bool:
        """See `RunnerTask.is_changed`. Whoever has the task in a dictionary, or waits to cancel it, refers to it."""
        task = self._task
        return (
            task.cancelling() > 0
            or sys.getrefcount(self._task) != self._references + 1
            or weakref.getweakrefcount(task) != self._weak_references
            or task.get_name() != _TASK_NAME
        )

    def is_current(self) -> bool:
        """See `RunnerTask.is_current`."""
        return asyncio.current_task() is self._task

    def cancel(self) -> None:
        """See `RunnerTask.cancel`."""
        if self._scope is not None:
            self._scope.cancel()

    def _on_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            error = task.exception()
            if isinstance(error, Exception):
                self._failures.add(error)
        self._pool.left(self._runner)


class _Detached:
    """A task of its own for what nobody waits for; it keeps itself until the task has ended."""

    def __init__(self, function: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._task = asyncio.Task(function(), name=_TASK_NAME)
        self._task.add_done_callback(self._on_done)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            _log.error("what was left behind could not be closed", exc_info=task.exception())
