"""A thread with an event loop, into which other threads call and wait for what becomes of it.

Signals never interrupt the loop's thread: what a signal raises, it raises in the thread that waits, which then has its
call cancelled.

Invariants: what happens to a job, but for its making, happens in the loop's thread; a job ends once; a thread that
waits for one is woken when it has ended, or when the loop has, but for the time when the interpreter ends: then nobody
is.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final, Generic, TypeVar

from eventflux_runtime.blocking.event_loop import new_event_loop, refuse_event_loop
from eventflux_runtime.blocking.scope import inherited_scope
from eventflux_runtime.blocking.trace import for_caller
from eventflux_runtime.rpc.deadline import CallScope, current_scope
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.rpc_error import Cancelled, Unavailable

__all__ = ["Portal"]

_CLOSE_S: Final = 10.0
"""Seconds that `stop` waits for what an interceptor may hold up; closing connections takes a second at most."""

T = TypeVar("T")


class Portal:
    """Made with its thread running; it ends with `stop`, or with the process."""

    def __init__(self, what: str, close: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Starts the thread.

        Args:
            what: is open on the loop, as errors and the thread's name say.
            close: closes it; called once, on the loop, when that is told to stop.
        """
        self.is_inherited = False
        """Whether this is the copy of a parent process's, which has no thread here."""
        self.is_exiting = False
        """Whether the interpreter ends: who waits is left waiting, because nobody is there for what it would raise."""
        self.failure: Exception | None = None
        """What closing raised."""
        self.jobs: set[_Job[Any]] = set()
        """Those that have not ended."""
        self._what = what
        self._close = close
        self._stopping = asyncio.Event()
        self._loop = new_event_loop()
        # A daemon, so that a program which leaves it running can end.
        self._thread = threading.Thread(target=self._serve, name=f"eventflux {what}", daemon=True)
        try:
            self._thread.start()
        except BaseException:
            self._loop.close()
            raise

    def run(self, function: Callable[..., Coroutine[Any, Any, T]], *args: Any, **kwargs: Any) -> T:
        """Runs a coroutine function on the loop, in a copy of the caller's context, and waits for its end.

        What interrupts the wait cancels the coroutine.

        Raises:
            ConfigError: the caller's thread runs an event loop, or this one has ended.
            BaseException: what the coroutine raised.
        """
        refuse_event_loop()
        job = _Job(self, function, args, kwargs, inherited_scope())
        try:
            if not self._tell(job.start) and not self._is_left_waiting():
                raise self._over_error()
            job.done.acquire()
        except BaseException:
            self.jobs.discard(job)
            self.post(job.abandon)
            raise
        error = job.error
        if error is None:
            return job.result  # type: ignore[return-value]  # set, where there is no error
        job.error = None
        try:
            raise for_caller(error)
        finally:
            del error  # which has this frame, in its traceback

    def post(self, callback: Callable[[], object]) -> None:
        """Runs a callback on the loop, if that goes on; from any thread, a finalizer's too. It must not raise."""
        self._tell(callback)

    def _tell(self, callback: Callable[[], object]) -> bool:
        if self.is_inherited:
            return False
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:  # it is closed
            return False
        return True

    def _is_left_waiting(self) -> bool:
        """Whether the caller is to be left where it waits: a daemon thread that goes on while the interpreter ends."""
        return self.is_exiting and threading.current_thread().daemon

    def _over_error(self) -> ConfigError:
        if self.is_inherited:
            return ConfigError(f"{self._what} was open in the parent process: what began there cannot go on here")
        return ConfigError(f"{self._what} was closed: open it again")

    def is_here(self) -> bool:
        """Whether the caller is on the loop's own thread."""
        return threading.current_thread() is self._thread

    def stop_soon(self) -> None:
        """Has everything closed, and the thread end; does not wait for that."""
        self.post(self._stopping.set)

    def join(self, patience_s: float = _CLOSE_S) -> None:
        """Waits for the end of the thread, but not longer than so many seconds."""
        self._thread.join(patience_s)

    # -- on the loop's thread

    def _serve(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._live())
        finally:
            for job in list(self.jobs):  # those that the loop never began
                job.end(self.closed_error())

    async def _live(self) -> None:
        await self._stopping.wait()
        try:
            await self._close()
        except Exception as error:  # noqa: BLE001 - for whoever waits for the end
            self.failure = error

    def closed_error(self) -> Unavailable:
        """How a call ends that the loop's end cuts off."""
        return Unavailable(f"{self._what} was closed before the call ended")

    @property
    def is_stopping(self) -> bool:
        """Whether `stop_soon` was called."""
        return self._stopping.is_set()


class _Job(Generic[T]):
    """A coroutine that one thread has run on the loop of a portal, and waits for."""

    __slots__ = (
        "_args",
        "_function",
        "_is_abandoned",
        "_kwargs",
        "_portal",
        "_scope",
        "_task",
        "done",
        "error",
        "result",
    )

    def __init__(
        self,
        portal: Portal,
        function: Callable[..., Coroutine[Any, Any, T]],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        scope: CallScope | None,
    ) -> None:
        self.done = threading.Lock()  # the cheapest thing that a thread can wait for, and that a signal interrupts
        self.done.acquire()
        self.result: T | None = None
        self.error: BaseException | None = None
        self._portal = portal
        self._function = function
        self._args = args
        self._kwargs = kwargs
        self._scope = scope
        self._task: asyncio.Task[None] | None = None
        self._is_abandoned = False
        portal.jobs.add(self)

    def start(self) -> None:
        """Begins; called by the loop, in a copy of the waiting thread's context."""
        if self in self._portal.jobs:
            if self._scope is not None:
                current_scope.set(self._scope)
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        error: BaseException | None = None
        try:
            self.result = await self._function(*self._args, **self._kwargs)
        except asyncio.CancelledError:
            portal = self._portal
            error = portal.closed_error() if portal.is_stopping else Cancelled("the call was cancelled by this program")
        except BaseException as failure:  # noqa: BLE001 - the waiting thread's, whatever it is
            error = failure
        self.end(error)
        del error  # which has this frame, in its traceback

    def end(self, error: BaseException | None) -> None:
        """Wakes the thread that waits."""
        self._portal.jobs.discard(self)
        # Before the other thread goes on: what it drops is to be dropped there.
        self._task = None
        self._function, self._args, self._kwargs = _nothing, (), {}
        if self._is_abandoned:
            return
        self.error = error
        if not self._portal.is_exiting:
            self.done.release()

    def abandon(self) -> None:
        """Nobody waits any more: the coroutine is cancelled, and what became of it is dropped."""
        self._is_abandoned = True
        self.result = self.error = None
        if self._task is not None:
            self._task.cancel()


async def _nothing() -> Any:
    """What a job that has ended would run."""
