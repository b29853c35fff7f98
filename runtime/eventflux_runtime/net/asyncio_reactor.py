"""The reactor straight on asyncio or uvloop: futures as waiters, runners for tasks, the loop's own timers.

A task, an anyio cancel scope and its group cost more than the rest of a call; `net/runner.py` shares them among calls.
Jobs are supervised: the scope's end cancels them and waits, and an error that one lets out cancels the scope and is
raised from it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from anyio import CancelScope

from eventflux_runtime.net.runner import Job, RunnerPool
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
        self._runners = RunnerPool(loop, self._fail)
        self._failures: list[Exception] = []
        self._timer: asyncio.TimerHandle | None = None

    def call_soon(self, callback: Callable[[], None]) -> None:
        """See `Reactor.call_soon`."""
        self.loop.call_soon(callback)

    def call_at(self, when: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        """See `Reactor.call_at`."""
        return self.loop.call_at(when, callback)

    def spawn(self, function: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> Job:
        """See `Reactor.spawn`."""
        return self._runners.submit(function, args)

    def _fail(self, error: Exception) -> None:
        self._failures.append(error)
        self._scope.cancel()

    def _arm(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_at(when, self.wheel.fire)

    async def _close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        await self._runners.aclose()

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
