"""Tasks that run one job after another, so that a call costs no task of its own and still is one for all that it sees.

A runner is a task of the event loop inside a cancel scope. It takes jobs (coroutines) from a shared queue and
drives each step by step, in a context of the job's own. A job that never waits is done within its first step, and the
runner takes the next. As soon as a job waits, the runner is that job's alone: it ends with it, and another one sees to
the queue. So does a runner whose job left something with its task: a reference, a name, a cancellation.

Invariants: a job runs on one task from its first step to its last, so cancel scopes, timeouts and task groups in it
work; while the queue is not empty one runner looks at it, and whatever becomes of that runner, `left` is told; no job
finds on its task what an earlier one left there.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, copy_context
from typing import Any, Protocol, TypeAlias

from eventflux_runtime.net.waiting import Wakeable, wake

__all__ = ["Function", "Job", "Runner", "RunnerPool", "RunnerTask", "Wakeup"]

Function: TypeAlias = Callable[..., Coroutine[Any, Any, None]]


class RunnerTask(Protocol):
    """The task that a runner runs on, as its event loop has it."""

    def look(self) -> None:
        """Notes what the task is like ahead of a job."""

    def is_changed(self) -> bool:
        """Whether the task is not as it was when `look` was called: the job left something with it."""

    def cancel(self) -> None:
        """Cancels what runs on the task."""

    def is_current(self) -> bool:
        """Whether the task is the one that asks."""


class Wakeup(Wakeable, Protocol):
    """What a runner without a job waits for."""

    def __await__(self) -> Generator[Any, Any, None]: ...


class Job:
    """A coroutine function with its arguments, queued or running: a `TaskHandle`."""

    __slots__ = ("args", "function", "is_cancelled", "runner")

    def __init__(self, function: Function, args: tuple[Any, ...]) -> None:
        self.function = function
        self.args = args
        self.runner: Runner | None = None
        self.is_cancelled = False

    def cancel(self) -> None:
        """See `TaskHandle.cancel`. A job that has not begun never will."""
        self.is_cancelled = True
        if self.runner is not None:
            self.runner.cancel()


class RunnerPool:
    """The queue and the runners of one reactor."""

    def __init__(
        self,
        start_task: Callable[[Runner], RunnerTask],
        wakeup: Callable[[], Wakeup],
        on_failure: Callable[[Exception], None],
    ) -> None:
        """A pool without a runner.

        Args:
            start_task: starts a task that awaits the runner and, however it ends, tells `left` of it.
            wakeup: makes what an idle runner waits for.
            on_failure: is told of an error that a job let out. Must not raise.
        """
        self.start_task = start_task
        self.wakeup = wakeup
        self.on_failure = on_failure
        self.queue: deque[Job] = deque()
        self.runners: set[Runner] = set()
        self.base: Context = copy_context()
        self.is_closed = False
        self._looking: Runner | None = None
        """The one that sees to the queue: it was told to, and has not begun to wait since."""
        self._parked: Runner | None = None
        """One without a job."""
        self._all_left: Wakeup | None = None

    def submit(self, function: Function, args: tuple[Any, ...]) -> Job:
        """Queues a job; it begins in the loop's next turn.

        Raises:
            RuntimeError: the pool was closed.
        """
        if self.is_closed:
            raise RuntimeError("the scope of this task has ended")
        job = Job(function, args)
        self.queue.append(job)
        if self._looking is None:
            self._wake()
        return job

    def _wake(self) -> None:
        parked = self._parked
        if parked is not None and parked.wake():
            self._parked = None
            self._looking = parked
        else:
            self._looking = Runner(self)

    def next_job(self) -> Job | None:
        """The first job that was not cancelled."""
        while self.queue:
            job = self.queue.popleft()
            if not job.is_cancelled:
                return job
        return None

    def park(self, runner: Runner) -> bool:
        """The runner found no job; whether it is to wait for one."""
        self._looking = None
        if self.is_closed or self._parked is not None:
            return False
        self._parked = runner
        return True

    def hand_over(self, runner: Runner) -> None:
        """The runner takes no further job: another one sees to the queue."""
        if self._looking is runner:
            self._looking = None
            if self.queue:
                self._wake()

    def left(self, runner: Runner) -> None:
        """The runner's task has ended, for whatever reason."""
        self.runners.discard(runner)
        if self._parked is runner:
            self._parked = None
        self.hand_over(runner)
        if not self.runners:
            wake(self._all_left)

    def is_at_work_here(self) -> bool:
        """Whether the task that asks is one of the runners."""
        return any(runner.task.is_current() for runner in self.runners)

    def cancel(self) -> None:
        """Takes no more jobs, drops those that have not begun and cancels the others."""
        self.is_closed = True
        self.queue.clear()
        for runner in list(self.runners):
            runner.cancel()

    async def aclose(self) -> None:
        """`cancel`, and returns when all have ended."""
        self.cancel()
        while self.runners:
            self._all_left = self.wakeup()
            await self._all_left


class Runner:
    """Drives jobs; its own awaitable, so that no coroutine stands between the task and the job's steps."""

    def __init__(self, pool: RunnerPool) -> None:
        self._pool = pool
        self._wakeup: Wakeup | None = None
        self._is_leaving = False
        pool.runners.add(self)
        self.task: RunnerTask = pool.start_task(self)

    def cancel(self) -> None:
        """Cancels the job that runs, or the wait for one; the runner ends after it."""
        self._is_leaving = True
        self.task.cancel()

    def wake(self) -> bool:
        """There is a job; False: this runner is on its way out."""
        wakeup = self._wakeup
        if self._is_leaving or wakeup is None or wakeup.done():
            return False
        wakeup.set_result(None)
        return True

    def __await__(self) -> Generator[Any, Any, None]:
        pool = self._pool
        while not self._is_leaving:
            job = pool.next_job()
            if job is not None:
                yield from self._drive(job)
            elif pool.park(self):
                self._wakeup = pool.wakeup()
                yield from self._wakeup.__await__()
            else:
                return
        pool.hand_over(self)

    def _drive(self, job: Job) -> Generator[Any, Any, None]:
        """Runs a job to its end."""
        pool = self._pool
        task = self.task
        task.look()
        job.runner = self
        try:
            context = pool.base.copy()
            coroutine = job.function(*job.args)
            job.args = ()  # a call among them that keeps this job would keep itself
            waits_for = context.run(coroutine.send, None)
            self._is_leaving = True
            pool.hand_over(self)
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
            pass
        except Exception as failure:  # noqa: BLE001 - reported; it is the job's alone
            pool.on_failure(failure)
        except asyncio.CancelledError:
            # One that the job was sent ends the runner with it; one that it made up, or met elsewhere, ends the job.
            if self._is_leaving:
                raise
        finally:
            job.runner = None
        if not self._is_leaving and task.is_changed():
            self._is_leaving = True
