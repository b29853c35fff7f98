"""The reactor straight on asyncio or uvloop: futures as waiters, bare tasks, the loop's own timers.

Tasks are bare because an anyio task group and cancel scope cost several times the task itself, and there is one task
a call. They are supervised all the same: the scope's end cancels them and waits, and an error that one lets out
cancels the scope and is raised from it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from anyio import CancelScope

from eventflux_runtime.net.wheel import DeadlineWheel

__all__ = ["AsyncioReactor", "open_asyncio_reactor"]


class AsyncioReactor:
    """A `Reactor`; made by `open_asyncio_reactor`."""

    is_asyncio = True

    def __init__(self, loop: asyncio.AbstractEventLoop, scope: CancelScope) -> None:
        self.loop = loop
        self.now: Callable[[], float] = loop.time
        self.waiter: Callable[[], asyncio.Future[Any]] = loop.create_future
        self.wheel = DeadlineWheel(loop.time, self._arm)
        self._scope = scope
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures: list[Exception] = []
        self._timer: asyncio.TimerHandle | None = None

    def call_soon(self, callback: Callable[[], None]) -> None:
        """See `Reactor.call_soon`."""
        self.loop.call_soon(callback)

    def call_at(self, when: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        """See `Reactor.call_at`."""
        return self.loop.call_at(when, callback)

    def spawn(self, function: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> asyncio.Task[None]:
        """See `Reactor.spawn`."""
        task = self.loop.create_task(function(*args))
        self._tasks.add(task)
        task.add_done_callback(self._on_task_done)
        return task

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, Exception):
            self._failures.append(error)
            self._scope.cancel()

    def _arm(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_at(when, self.wheel.fire)

    async def _close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            # A task may swallow one cancellation while it cleans up; it is asked again until it has ended.
            await asyncio.wait(self._tasks, timeout=1.0)

    def _raise_failures(self) -> None:
        if len(self._failures) == 1:
            raise self._failures[0]
        if self._failures:
            raise ExceptionGroup("several tasks failed", self._failures)


@asynccontextmanager
async def open_asyncio_reactor() -> AsyncIterator[AsyncioReactor]:
    """A reactor on the running asyncio loop."""
    with CancelScope() as scope:
        reactor = AsyncioReactor(asyncio.get_running_loop(), scope)
        try:
            yield reactor
        finally:
            with CancelScope(shield=True):
                await reactor._close()
    reactor._raise_failures()
