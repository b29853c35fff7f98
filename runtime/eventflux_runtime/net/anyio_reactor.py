"""The reactor for every backend that anyio knows, trio first: one service task runs callbacks and timers."""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, Generic, TypeVar

import anyio
from anyio.abc import TaskGroup

from eventflux_runtime.net.wheel import DeadlineWheel

__all__ = ["AnyioReactor", "EventWaiter", "open_anyio_reactor"]

T = TypeVar("T")


class EventWaiter(Generic[T]):
    """A `Waiter` over an anyio event."""

    __slots__ = ("_abandoned", "_event", "_exception", "_result")

    def __init__(self) -> None:
        self._event = anyio.Event()
        self._result: T | None = None
        self._exception: BaseException | None = None
        self._abandoned = False

    def done(self) -> bool:
        """Whether it is settled, or the task that waited for it was cancelled."""
        return self._abandoned or self._event.is_set()

    def set_result(self, result: T) -> None:
        """Wakes the waiting task with a result."""
        self._result = result
        self._event.set()

    def set_exception(self, exception: BaseException) -> None:
        """Wakes the waiting task with an error."""
        self._exception = exception
        self._event.set()

    async def _wait(self) -> Any:
        if not self._event.is_set():
            try:
                await self._event.wait()
            finally:
                self._abandoned = not self._event.is_set()
        if self._exception is not None:
            raise self._exception
        return self._result

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._wait().__await__()


class _Timer:
    """A `TimerHandle`: a heap entry that knows whether it was cancelled."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class AnyioReactor:
    """A `Reactor`; made by `open_anyio_reactor`."""

    is_asyncio = False

    def __init__(self, tasks: TaskGroup) -> None:
        self._tasks = tasks
        self._ready: deque[Callable[[], None]] = deque()
        self._timers: list[tuple[float, int, _Timer]] = []
        self._order = count()
        self._wake = anyio.Event()
        self._wheel_timer: _Timer | None = None
        self.now: Callable[[], float] = anyio.current_time
        self.waiter: Callable[[], EventWaiter[Any]] = EventWaiter
        self.wheel = DeadlineWheel(anyio.current_time, self._arm)

    def call_soon(self, callback: Callable[[], None]) -> None:
        """See `Reactor.call_soon`."""
        self._ready.append(callback)
        self._wake.set()

    def call_at(self, when: float, callback: Callable[[], None]) -> _Timer:
        """See `Reactor.call_at`."""
        timer = _Timer(callback)
        heapq.heappush(self._timers, (when, next(self._order), timer))
        self._wake.set()
        return timer

    def spawn(self, function: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> anyio.CancelScope:
        """See `Reactor.spawn`."""
        scope = anyio.CancelScope()
        self._tasks.start_soon(_run_in, scope, function, args)
        return scope

    def _arm(self, when: float) -> None:
        if self._wheel_timer is not None:
            self._wheel_timer.cancel()
        self._wheel_timer = self.call_at(when, self.wheel.fire)

    async def serve(self) -> None:
        """Runs callbacks and timers until cancelled."""
        while True:
            while self._ready:
                self._ready.popleft()()
            now = self.now()
            while self._timers and self._timers[0][0] <= now:
                callback = heapq.heappop(self._timers)[2].callback
                if callback is not None:
                    callback()
            while self._timers and self._timers[0][2].callback is None:
                heapq.heappop(self._timers)
            if self._ready:
                continue
            self._wake = anyio.Event()
            with anyio.CancelScope(deadline=self._timers[0][0] if self._timers else math.inf):
                await self._wake.wait()


async def _run_in(
    scope: anyio.CancelScope, function: Callable[..., Coroutine[Any, Any, None]], args: tuple[Any, ...]
) -> None:
    with scope:
        await function(*args)


@asynccontextmanager
async def open_anyio_reactor() -> AsyncIterator[AnyioReactor]:
    """A reactor on the running event loop, whatever it is.

    An error of the body leaves as it is, not in the exception group that a task group would put around it, so that
    callers catch the same exception on every backend.
    """
    body_error: Exception | None = None
    try:
        async with anyio.create_task_group() as tasks:
            reactor = AnyioReactor(tasks)
            tasks.start_soon(reactor.serve)
            try:
                yield reactor
            except Exception as error:  # noqa: BLE001 - not swallowed: raised again below, outside of the group
                body_error = error
            finally:
                tasks.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        if body_error is None and len(group.exceptions) == 1:
            raise group.exceptions[0] from None
        raise
    if body_error is not None:
        raise body_error
