"""A thread that runs asyncio for one trio event loop, and the way between the two: grpcio knows asyncio only.

Invariants: the thread lives from the first `borrow` of a reactor until the last user has given it back or the reactor's
scope is left, and nobody returns from either before it has ended; a task in `run` wakes exactly once, with what its job
came to, and not before the job has ended on the other side.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import anyio
import outcome
import trio
from anyio.lowlevel import checkpoint

from eventflux_runtime.net.event_loop import open_reactor
from eventflux_runtime.rpc.rpc_error import Unavailable

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor, TaskHandle

__all__ = ["AsyncioThread", "borrow"]

_log: Final = logging.getLogger("eventflux_runtime.server")

T = TypeVar("T")


class AsyncioThread:
    """The two sides of the way; its methods are called on trio's side, where nothing else is said."""

    def __init__(self, outer: Reactor) -> None:
        self.outer = outer
        self.inner: Reactor
        self.users = 0
        self._loop: asyncio.AbstractEventLoop
        self._context: contextvars.Context
        self._stop: asyncio.Event
        self._token = trio.lowlevel.current_trio_token()
        self.errands: trio.Nursery
        """What runs on trio's side for the other one."""
        self._holding: TaskHandle | None = None
        self._is_held = False
        self._is_ready = trio.Event()
        self._is_unused = trio.Event()
        self._is_gone = trio.Event()
        """asyncio runs no more; the thread itself may, for some moments."""
        self._has_ended = trio.Event()
        self._jobs: set[_Job] = set()

    # -- the thread's life

    async def start(self) -> None:
        """One user more; with the first one the thread starts. Returns when asyncio runs."""
        if not self.users:
            self._holding = self.outer.spawn(self._hold)
        self.users += 1
        try:
            await self._is_ready.wait()
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self.give_back()
            raise

    async def _hold(self) -> None:
        self._is_held = True
        thread = threading.Thread(target=self._run, name="eventflux-grpc")
        thread.start()
        try:
            async with trio.open_nursery() as self.errands:
                try:
                    await self._is_unused.wait()
                finally:
                    with anyio.CancelScope(shield=True):
                        await self._is_ready.wait()
                        self.post(self._request_stop)
                        await self._is_gone.wait()
        finally:
            thread.join()
            self._has_ended.set()
            for job in list(self._jobs):
                job.deliver(outcome.Error(_closed()))

    async def give_back(self) -> None:
        """One user less; with the last one the thread ends."""
        self.users -= 1
        if self.users:
            return
        _threads.pop(self.outer, None)
        if self._is_held:
            self._is_unused.set()
            await self._has_ended.wait()
        elif self._holding is not None:  # the scope ends, or nobody wants the thread any more: it never starts
            self._holding.cancel()

    def _request_stop(self) -> None:
        self._stop.set()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._token.run_sync_soon(self._is_gone.set)
            self._token.run_sync_soon(self._is_ready.set)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        self._stop = asyncio.Event()
        async with open_reactor() as self.inner:
            self._token.run_sync_soon(self._is_ready.set)
            await self._stop.wait()
            for job in list(self._jobs):
                job.cancel()

    # -- from trio to asyncio

    async def run(self, function: Callable[..., Coroutine[Any, Any, T]], *args: Any) -> T:
        """Runs a coroutine function over there and waits for it; a cancellation here cancels it there.

        Raises:
            Unavailable: the thread has ended.
        """
        if self._is_gone.is_set():
            await checkpoint()
            raise _closed()
        job = _Job(self, function, args)
        self._jobs.add(job)
        self.post(job.start)
        return cast("T", await trio.lowlevel.wait_task_rescheduled(job.abort))

    def post(self, callback: Callable[[], object]) -> None:
        """Runs a callback over there, after those posted before; it is dropped if the thread has ended."""
        if self._is_gone.is_set():
            return
        with suppress(RuntimeError):  # the loop was closed, and the news is on its way
            # A context of this side would tell anyio that it runs on trio.
            self._loop.call_soon_threadsafe(callback, context=self._context)

    def inner_time(self, when: float) -> float:
        """A time of trio's clock on asyncio's; on trio's side only, as is its reverse."""
        return when - self.outer.now() + self._loop.time()

    def outer_time(self, when: float) -> float:
        """A time of asyncio's clock on trio's."""
        return when - self._loop.time() + self.outer.now()

    # -- from asyncio to trio

    async def call_back(self, function: Callable[[], Awaitable[None]]) -> None:
        """Runs a coroutine function as a task of the trio reactor and waits for it; called on asyncio's side.

        A cancellation there cancels it here, and is raised when it has ended.
        """
        done: asyncio.Future[None] = self._loop.create_future()
        errand = _Errand(self.errands, function, lambda: self.post(lambda: done.set_result(None)))
        self._token.run_sync_soon(errand.start)
        try:
            await asyncio.wait({done})
        except asyncio.CancelledError:
            self._token.run_sync_soon(errand.cancel)
            while not done.done():
                try:
                    await asyncio.wait({done})
                except asyncio.CancelledError:
                    continue  # asked again; the errand ends as soon as it can
            raise

    def wake(self, job: _Job, result: outcome.Outcome[Any]) -> None:
        """Has a job's result delivered; called on asyncio's side."""
        self._token.run_sync_soon(job.deliver, result)

    def spawn_job(self, job: _Job) -> asyncio.Task[Any]:
        """Starts a job's coroutine; called on asyncio's side."""
        return self._loop.create_task(job.function(*job.args))

    def forget(self, job: _Job) -> bool:
        """Whether the job was still waited for."""
        if job not in self._jobs:
            return False
        self._jobs.discard(job)
        return True


class _Job:
    """A coroutine on asyncio's side that a task on trio's side waits for."""

    __slots__ = ("_raise_cancel", "_task", "_thread", "_waiting", "args", "function")

    def __init__(self, thread: AsyncioThread, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.function = function
        self.args = args
        self._thread = thread
        self._waiting = trio.lowlevel.current_task()
        self._task: asyncio.Task[Any] | None = None
        self._raise_cancel: trio.lowlevel.RaiseCancelT | None = None

    # on trio's side

    def abort(self, raise_cancel: trio.lowlevel.RaiseCancelT) -> trio.lowlevel.Abort:
        """Trio cancels the waiting task: it goes on waiting until the job has ended."""
        self._raise_cancel = raise_cancel
        self._thread.post(self.cancel)
        return trio.lowlevel.Abort.FAILED

    def deliver(self, result: outcome.Outcome[Any]) -> None:
        """Wakes the waiting task."""
        if not self._thread.forget(self):
            return
        if isinstance(result, outcome.Error):
            if self._raise_cancel is not None:
                # A result is handed over even so, because it exists only once; an error gives way.
                result = outcome.capture(self._raise_cancel)
            elif isinstance(result.error, asyncio.CancelledError):
                result = outcome.Error(_closed())
        trio.lowlevel.reschedule(self._waiting, result)

    # on asyncio's side

    def start(self) -> None:
        """Starts the coroutine."""
        self._task = self._thread.spawn_job(self)
        self._task.add_done_callback(self._on_done)

    def cancel(self) -> None:
        """Cancels the coroutine."""
        if self._task is not None:
            self._task.cancel()

    def _on_done(self, task: asyncio.Task[Any]) -> None:
        self._task = None
        if task.cancelled():
            result: outcome.Outcome[Any] = outcome.Error(asyncio.CancelledError())
        else:
            error = task.exception()
            result = outcome.Value(task.result()) if error is None else outcome.Error(error)
        self._thread.wake(self, result)


class _Errand:
    """A task on trio's side that a coroutine on asyncio's side waits for. All of it runs on trio's side."""

    __slots__ = ("_function", "_nursery", "_on_end", "_scope")

    def __init__(
        self, nursery: trio.Nursery, function: Callable[[], Awaitable[None]], on_end: Callable[[], None]
    ) -> None:
        self._nursery = nursery
        self._function = function
        self._on_end = on_end
        self._scope = trio.CancelScope()

    def start(self) -> None:
        """Starts the task."""
        try:
            self._nursery.start_soon(self._run)
        except RuntimeError:
            self._on_end()  # the reactor's scope was left before

    async def _run(self) -> None:
        # A task of its own and no job: one that is cancelled before it begins has to end all the same.
        try:
            with self._scope:
                await self._function()
        except Exception:  # noqa: BLE001 - logged; it would end the scope, and the other side ends the call without a status
            _log.exception("a call failed outside of its handler")
        finally:
            self._on_end()

    def cancel(self) -> None:
        """Cancels the task."""
        self._scope.cancel()


async def borrow(reactor: Reactor) -> AsyncioThread:
    """The thread of a reactor, for one more user, who gives it back."""
    thread = _threads.get(reactor)
    if thread is None:
        thread = _threads[reactor] = AsyncioThread(reactor)
    await thread.start()
    return thread


def _closed() -> Unavailable:
    return Unavailable("the connection was closed by this client")


_threads: Final[weakref.WeakKeyDictionary[Reactor, AsyncioThread]] = weakref.WeakKeyDictionary()
