"""Tasks that run one job after another, so that a call costs no task of its own and still is one for all that it sees.

A runner is an asyncio task inside an anyio cancel scope. It takes jobs (coroutines) from a shared queue and drives each
step by step, in a context of the job's own. A job that never waits is done within that step, and the runner takes the
next; as soon as a job waits, another runner is woken for the rest of the queue.

Invariants: a job runs on one task from first step to last, so cancel scopes, timeouts and task groups in it work;
cancelling a job cancels the scope of the runner that runs it, and that runner takes no other job afterwards.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, copy_context
from typing import Any, Final, TypeAlias

from anyio import CancelScope

__all__ = ["Function", "Job", "RunnerPool"]

Function: TypeAlias = Callable[..., Coroutine[Any, Any, None]]

_MAX_IDLE: Final = 32
"""Runners kept for later; the others end with their job."""


class Job:
    """A coroutine function with its arguments, queued or running: a `TaskHandle`."""

    __slots__ = ("args", "function", "is_cancelled", "runner")

    def __init__(self, function: Function, args: tuple[Any, ...]) -> None:
        self.function = function
        self.args = args
        self.runner: _Runner | None = None
        self.is_cancelled = False

    def cancel(self) -> None:
        """See `TaskHandle.cancel`. A job that has not begun never will."""
        self.is_cancelled = True
        if self.runner is not None:
            self.runner.cancel()


class RunnerPool:
    """The queue and the runners of one reactor."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_failure: Callable[[Exception], None]) -> None:
        self.loop = loop
        self.queue: deque[Job] = deque()
        self.idle: list[_Runner] = []
        self.runners: set[_Runner] = set()
        self.on_failure = on_failure
        self.base: Context = copy_context()
        self._is_awake = False
        self._is_closing = False

    def submit(self, function: Function, args: tuple[Any, ...]) -> Job:
        """Queues a job; it begins in the loop's next turn."""
        job = Job(function, args)
        self.queue.append(job)
        if not self._is_awake:
            self.wake()
        return job

    def wake(self) -> None:
        """Makes one runner look at the queue."""
        self._is_awake = True
        if self.idle:
            self.idle.pop().wake()
        else:
            self.runners.add(_Runner(self))

    def next_job(self) -> Job | None:
        """The first job that was not cancelled; None: the queue is empty, and the next job has to wake a runner."""
        while self.queue:
            job = self.queue.popleft()
            if not job.is_cancelled:
                return job
        self._is_awake = False
        return None

    def hand_over(self) -> None:
        """The runner that was awake is about to wait in a job: another one sees to the queue."""
        if self.queue:
            self.wake()
        else:
            self._is_awake = False

    def may_idle(self) -> bool:
        """Whether another idle runner is worth keeping."""
        return len(self.idle) < _MAX_IDLE and not self._is_closing

    async def aclose(self) -> None:
        """Cancels every job and returns when all have ended."""
        self._is_closing = True
        self.queue.clear()
        while self.runners:
            for runner in self.runners:
                runner.cancel()
            await asyncio.wait([runner.task for runner in self.runners])


class _Runner:
    """One task; its own awaitable, so that no coroutine stands between the task and the job's steps."""

    def __init__(self, pool: RunnerPool) -> None:
        self._pool = pool
        self._scope: CancelScope | None = None
        self._wakeup: asyncio.Future[None] | None = None
        self._is_retired = False
        self.task = pool.loop.create_task(self._run(), context=pool.base)
        self.task.add_done_callback(self._on_done)

    def cancel(self) -> None:
        """Cancels the job that runs, or the wait for one; the runner ends after it."""
        self._is_retired = True
        if self._scope is not None:
            self._scope.cancel()

    def wake(self) -> None:
        """There is a job."""
        if self._wakeup is not None and not self._wakeup.done():
            self._wakeup.set_result(None)

    async def _run(self) -> None:
        # Made here, because a runner may be started from a callback of the loop, where anyio finds no event loop.
        with CancelScope() as self._scope:
            await self

    def __await__(self) -> Generator[Any, Any, None]:
        pool = self._pool
        while not self._is_retired:
            job = pool.next_job()
            if job is not None:
                yield from self._drive(job)
            elif pool.may_idle():
                self._wakeup = pool.loop.create_future()
                pool.idle.append(self)
                yield from self._wakeup
            else:
                return

    def _drive(self, job: Job) -> Generator[Any, Any, None]:
        """Runs a job to its end. The first wait hands the queue over."""
        pool = self._pool
        context = pool.base.copy()
        coroutine = job.function(*job.args)
        job.args = ()  # a call among them that keeps this job would keep itself
        job.runner = self
        try:
            try:
                waits_for = context.run(coroutine.send, None)
            except StopIteration:
                return
            pool.hand_over()
            while True:
                try:
                    result = yield waits_for
                except GeneratorExit:
                    coroutine.close()
                    raise
                except BaseException as error:  # noqa: BLE001 - passed on to the job, whatever it is
                    waits_for = context.run(coroutine.throw, error)
                else:
                    waits_for = context.run(coroutine.send, result)
        except StopIteration:
            return
        except Exception as error:  # noqa: BLE001 - reported: it ends the reactor's scope
            pool.on_failure(error)
        finally:
            job.runner = None

    def _on_done(self, task: asyncio.Task[None]) -> None:
        pool = self._pool
        pool.runners.discard(self)
        if self in pool.idle:
            pool.idle.remove(self)
        if not task.cancelled():
            error = task.exception()
            if isinstance(error, Exception):
                pool.on_failure(error)
        if pool.queue and not pool.idle:
            pool.wake()
