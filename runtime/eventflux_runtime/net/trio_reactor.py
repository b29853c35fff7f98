"""The reactor on trio: one system task holds a nursery, in which runners serve jobs, and callbacks and timers run.

Invariants: nothing that a job or a callback raises reaches the nursery, whose end would be that of the whole run; a
timer that was cancelled leaves the heap at the latest when such make up half of it; what may run in the main task and
must be done in one piece is protected from KeyboardInterrupt, which waits until it is done.
"""

from __future__ import annotations

import heapq
import logging
import math
import sys
import weakref
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from contextvars import copy_context
from itertools import count
from typing import Any, Final, Generic, TypeVar

import trio
from trio.lowlevel import (
    Abort,
    cancel_shielded_checkpoint,
    current_task,
    current_trio_token,
    enable_ki_protection,
    in_trio_task,
    reschedule,
    spawn_system_task,
    wait_task_rescheduled,
)

from eventflux_runtime.net.reactor import Failures
from eventflux_runtime.net.runner import Job, Runner, RunnerPool
from eventflux_runtime.net.waiting import wake
from eventflux_runtime.net.wheel import DeadlineWheel
from eventflux_runtime.rpc.byte_counter import ByteCounter

__all__ = ["TrioReactor", "TrioWaiter", "start_trio_reactor"]

T = TypeVar("T")

_TASK_NAME: Final = "eventflux"
_MIN_STALE: Final = 64
_log: Final = logging.getLogger("eventflux_runtime")


class TrioWaiter(Generic[T]):
    """A `Waiter` that parks its task with trio itself."""

    __slots__ = ("_exception", "_is_done", "_result", "_task")

    def __init__(self) -> None:
        self._task: trio.lowlevel.Task | None = None
        self._result: T | None = None
        self._exception: BaseException | None = None
        self._is_done = False

    def done(self) -> bool:
        """Whether it is settled, or the task that waited for it was cancelled."""
        return self._is_done

    @enable_ki_protection
    def set_result(self, result: T, /) -> None:
        """Wakes the waiting task with a result."""
        self._result = result
        self._settle()

    @enable_ki_protection
    def set_exception(self, exception: BaseException, /) -> None:
        """Wakes the waiting task with an error."""
        self._exception = exception
        self._settle()

    def _settle(self) -> None:
        self._is_done = True
        task, self._task = self._task, None
        if task is not None:
            reschedule(task)

    def _abort(self, raise_cancel: object) -> Abort:
        self._is_done = True
        self._task = None
        return Abort.SUCCEEDED

    @enable_ki_protection  # not parked, the task must not be taken for one that is
    def __await__(self) -> Generator[Any, Any, T]:
        if not self._is_done:
            self._task = current_task()
            yield from wait_task_rescheduled(self._abort).__await__()  # noqa: ASYNC105 - what `await` comes down to
        if self._exception is not None:
            raise self._exception
        return self._result  # type: ignore[return-value]  # set, where it is settled and not by an error


class _Timer:
    """A `TimerHandle`: a heap entry that knows whether it was cancelled."""

    __slots__ = ("_owner", "callback")

    def __init__(self, owner: _Timers, callback: Callable[[], None]) -> None:
        self._owner = owner
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        if self.callback is not None:
            self.callback = None
            self._owner.note_stale()


class _Timers:
    """What is due when. `run` calls it; `add` brings the end of its wait forward."""

    def __init__(self, failures: Failures) -> None:
        self._heap: list[tuple[float, int, _Timer]] = []
        self._order = count()
        self._stale = 0
        self._scope: trio.CancelScope | None = None
        self._failures = failures

    def add(self, when: float, callback: Callable[[], None]) -> _Timer:
        timer = _Timer(self, callback)
        heapq.heappush(self._heap, (when, next(self._order), timer))
        if self._scope is not None and when < self._scope.deadline:
            self._scope.deadline = when
        return timer

    def note_stale(self) -> None:
        self._stale += 1
        if self._stale > _MIN_STALE and self._stale * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].callback is not None]
            heapq.heapify(self._heap)
            self._stale = 0

    def _fire(self, now: float) -> None:
        while self._heap and self._heap[0][0] <= now:
            timer = heapq.heappop(self._heap)[2]
            callback, timer.callback = timer.callback, None
            if callback is None:
                self._stale -= 1
            else:
                _call(callback, self._failures)

    @enable_ki_protection
    async def run(self) -> None:
        """Calls them when they are due, each to its end; Ctrl-C is for the main task."""
        while True:
            self._fire(trio.current_time())
            with trio.CancelScope(deadline=self._heap[0][0] if self._heap else math.inf) as self._scope:
                await trio.sleep_forever()


class TrioReactor:
    """A `Reactor`; made by `start_trio_reactor`."""

    is_asyncio = False
    current: Callable[[], object] = staticmethod(current_trio_token)

    def __init__(self) -> None:
        self._token = current_trio_token()
        self.home: object = self._token
        self.now: Callable[[], float] = trio.current_time
        self.waiter: Callable[[], TrioWaiter[Any]] = TrioWaiter
        self.wheel = DeadlineWheel(trio.current_time, self._arm)
        self.decompressed = ByteCounter()
        self.is_over = False
        self._failures = Failures()
        self._runners = RunnerPool(self._start_task, TrioWaiter, self._failures.add)
        self._timers = _Timers(self._failures)
        self._wheel_timer: _Timer | None = None
        self._ready: deque[Callable[[], None]] = deque()
        self._idle: TrioWaiter[None] | None = None
        self._nursery: trio.Nursery
        self._has_begun = trio.Event()
        self._has_ended = trio.Event()

    async def start(self) -> None:
        """Starts the system task and returns when tasks can be spawned."""
        spawn_system_task(self._run, name=_TASK_NAME, context=copy_context())
        with trio.CancelScope(shield=True):
            await self._has_begun.wait()

    async def _run(self) -> None:
        try:
            async with trio.open_nursery() as self._nursery:
                self._nursery.start_soon(self._run_callbacks, name=_TASK_NAME)
                self._nursery.start_soon(self._timers.run, name=_TASK_NAME)
                self._has_begun.set()
        finally:
            self.is_over = True
            self._runners.cancel()
            self._ready.clear()
            self._has_ended.set()

    @enable_ki_protection  # a task is not protected because the system task is that started it
    async def _run_callbacks(self) -> None:
        while True:
            for _ in range(len(self._ready)):
                _call(self._ready.popleft(), self._failures)
            if self._ready:
                await cancel_shielded_checkpoint()
            else:
                self._idle = TrioWaiter()
                await self._idle

    @enable_ki_protection
    def call_soon(self, callback: Callable[[], None]) -> None:
        """See `Reactor.call_soon`."""
        self._ready.append(callback)
        wake(self._idle)

    def post(self, callback: Callable[[], None]) -> None:
        """See `Reactor.post`."""
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self.call_soon, callback)

    @enable_ki_protection
    def call_at(self, when: float, callback: Callable[[], None]) -> _Timer:
        """See `Reactor.call_at`."""
        return self._timers.add(when, callback)

    @enable_ki_protection
    def spawn(self, function: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> Job:
        """See `Reactor.spawn`."""
        return self._runners.submit(function, args)

    def is_at_work_here(self) -> bool:
        """See `Reactor.is_at_work_here`."""
        return self._runners.is_at_work_here()

    def run_detached(self, function: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """See `Reactor.run_detached`."""
        try:
            self._token.run_sync_soon(_detach, function)
        except trio.RunFinishedError:
            return  # and with the run all of its tasks

    async def aclose(self) -> None:
        """See `Reactor.aclose`."""
        with trio.CancelScope(shield=True):
            if not self.is_over:
                await self._runners.aclose()
                self._nursery.cancel_scope.cancel()
            await self._has_ended.wait()
        self._failures.raise_all()

    def _arm(self, when: float) -> None:
        if self._wheel_timer is not None:
            self._wheel_timer.cancel()
        self._wheel_timer = self._timers.add(when, self.wheel.fire)

    def _start_task(self, runner: Runner) -> _RunnerTask:
        return _RunnerTask(self._nursery, self._runners, runner, self._failures)


class _RunnerTask:
    """A `RunnerTask` in a nursery."""

    def __init__(self, nursery: trio.Nursery, pool: RunnerPool, runner: Runner, failures: Failures) -> None:
        self._pool = pool
        self._runner = runner
        self._failures = failures
        self._scope = trio.CancelScope()
        self._task: trio.lowlevel.Task | None = None
        self._references = 0
        self._weak_references = 0
        nursery.start_soon(self._run, name=_TASK_NAME)

    @trio.lowlevel.enable_ki_protection
    async def _run(self) -> None:
        # Ctrl-C is for the main task: here it would end a call that has nothing to do with it.
        self._task = current_task()
        try:
            with self._scope:
                await self._runner
        except trio.Cancelled:
            raise
        except Exception as error:  # noqa: BLE001 - reported; an error in the nursery would end every other task
            self._failures.add(error)
        except BaseException as error:  # noqa: BLE001 - as above; the job made it up, since none is sent here
            self._failures.add(RuntimeError(f"a task raised {type(error).__name__}: {error}"))
        finally:
            self._task = None
            self._pool.left(self._runner)

    def look(self) -> None:
        """See `RunnerTask.look`."""
        self._references = sys.getrefcount(self._task)
        self._weak_references = weakref.getweakrefcount(self._task)

    def is_changed(self) -> bool:
        """See `RunnerTask.is_changed`. Whoever has the task in a dictionary refers to it."""
        task = self._task
        return (
            sys.getrefcount(self._task) != self._references + 1
            or weakref.getweakrefcount(task) != self._weak_references
            or (task is not None and task.name != _TASK_NAME)
        )

    def is_current(self) -> bool:
        """See `RunnerTask.is_current`."""
        return in_trio_task() and current_task() is self._task

    def cancel(self) -> None:
        """See `RunnerTask.cancel`."""
        self._scope.cancel()


async def start_trio_reactor() -> TrioReactor:
    """A reactor on the running trio loop."""
    reactor = TrioReactor()
    await reactor.start()
    return reactor


def _call(callback: Callable[[], None], failures: Failures) -> None:
    try:
        callback()
    except Exception as error:  # noqa: BLE001 - reported; the callbacks after it have to run
        failures.add(error)


def _detach(function: Callable[[], Coroutine[Any, Any, None]]) -> None:
    spawn_system_task(_run_detached, function, name=_TASK_NAME, context=copy_context())


async def _run_detached(function: Callable[[], Coroutine[Any, Any, None]]) -> None:
    try:
        await function()
    except Exception:  # noqa: BLE001 - reported; what a system task raises ends the whole run
        _log.exception("what was left behind could not be closed")
