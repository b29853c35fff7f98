"""The process that watches over workers: starts them, replaces those that die, renews and stops them all.

Invariants: at most one worker of a place is its `process`, the others of it are about to serve or to end; when `run`
returns, in whichever way, no worker is left.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import AsyncIterator, Callable
from typing import Final

import anyio
from anyio.abc import TaskGroup

from eventflux_runtime.net.stop_signal import STOP_SIGNALS, handlers_kept
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.workers.order import Order
from eventflux_runtime.workers.process import WorkerProcess
from eventflux_runtime.workers.reservation import Reservation
from eventflux_runtime.workers.restart import Restarts

__all__ = ["LATE_S", "Supervisor", "Workers"]

LATE_S: Final = 5.0
"""Seconds that a worker may take beyond what it was given; then it is killed."""
_log: Final = logging.getLogger("eventflux_runtime.workers")


class _Place:
    """Where one worker after the other serves."""

    def __init__(self) -> None:
        self.process: WorkerProcess | None = None
        self.restarts = Restarts()
        self.changing = anyio.Lock()


class Workers:
    """The worker processes of `serve_forever`, which makes it and hands it to `on_started`."""

    def __init__(self, endpoints: tuple[str, ...], serving: Callable[[], tuple[int, ...]]) -> None:
        self._endpoints = endpoints
        self._serving = serving

    def __repr__(self) -> str:
        return f"<Workers {', '.join(map(str, self.pids))} serving {', '.join(self.endpoints)}>"

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The URLs really bound, in the order they were given; every worker serves all of them."""
        return self._endpoints

    @property
    def pids(self) -> tuple[int, ...]:
        """The numbers of the processes that serve now."""
        return self._serving()


class Supervisor:
    """Runs so many workers of one job."""

    def __init__(
        self,
        packed: bytes,
        count: int,
        held: Reservation,
        grace_s: float,
        on_started: Callable[[Workers], None] | None,
    ) -> None:
        """A supervisor that has started none yet.

        Args:
            packed: the job.
            count: how many workers serve it at a time.
            held: the addresses on which they serve. Owned by the caller.
            grace_s: seconds that a worker has to drain.
            on_started: called once all of them serve.
        """
        self._packed = packed
        self._places = [_Place() for _ in range(count)]
        self._held = held
        self._grace_s = grace_s
        self._on_started = on_started
        self._alive: set[WorkerProcess] = set()
        self._is_stopping = False
        self._can_renew = False
        self._all_ended = anyio.Event()
        self._tasks: TaskGroup

    async def run(self) -> None:
        """Until a signal tells it to stop and all workers have ended.

        Raises:
            ConfigError: one of the first workers cannot serve.
        """
        numbers = [*STOP_SIGNALS]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup has it
            numbers.append(signal.SIGHUP)
        failure: Exception | None = None
        with handlers_kept(*numbers), anyio.open_signal_receiver(*numbers) as signals:
            async with anyio.create_task_group() as self._tasks:
                self._tasks.start_soon(self._heed, signals)
                try:
                    await self._start_all()
                    await self._all_ended.wait()
                except Exception as error:  # noqa: BLE001 - raised below, by itself and not as one of a group
                    failure = error
                finally:
                    with anyio.CancelScope(shield=True):
                        await self._end_all()
                    self._tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure

    # -- starting

    async def _start_all(self) -> None:
        processes = [self._spawn(place) for place in self._places]
        endpoints: tuple[str, ...] = ()
        for place, process in zip(self._places, processes, strict=True):
            try:
                endpoints = await process.wait_serving()
            except ConfigError:
                if self._is_stopping:
                    return
                raise
            place.process = process
        self._can_renew = True
        workers = Workers(endpoints, self._serving_pids)
        _log.info("%r", workers)
        if self._on_started is not None and not self._is_stopping:
            self._on_started(workers)

    def _serving_pids(self) -> tuple[int, ...]:
        running = (place.process for place in self._places)
        return tuple(process.pid for process in running if process is not None and process.is_serving)

    def _spawn(self, place: _Place) -> WorkerProcess:
        """A new worker, which is watched from now on and serves as soon as it can."""
        process = WorkerProcess(self._packed, self._held.inherited)
        self._alive.add(process)
        self._tasks.start_soon(self._watch, place, process)
        return process

    # -- replacing

    async def _watch(self, place: _Place, process: WorkerProcess) -> None:
        with anyio.CancelScope(shield=True):  # whatever is cancelled: somebody has to see the end
            await process.wait_ended()
        self._alive.discard(process)
        if self._is_stopping:
            self._check_ended()
        elif place.process is process:
            _log.warning("%s: another takes its place", process)
            await self._replace(place, process)

    async def _replace(self, place: _Place, died: WorkerProcess) -> None:
        """Starts workers until one serves, ever more slowly."""
        served_s = 0.0 if died.served_at is None else anyio.current_time() - died.served_at
        async with place.changing:
            while place.process is died and not self._is_stopping:
                await anyio.sleep(place.restarts.pause_s(served_s))
                served_s = 0.0
                await self._renewed(place)

    async def _renewed(self, place: _Place) -> bool:
        """Starts a worker in this place; whether it serves there now."""
        if self._is_stopping:
            return False
        try:
            process = self._spawn(place)
            await process.wait_serving()
        except ConfigError as error:
            if not self._is_stopping:
                _log.error("a worker could not start: %s", error)
            return False
        place.process = process
        return True

    async def _renew_all(self) -> None:
        """Puts a new worker into each place, one after the other; the old one drains once the new one serves."""
        if not self._can_renew:  # it does so already, or has not even started them all
            return
        self._can_renew = False
        _log.info("renewing the workers one by one")
        for place in self._places:
            async with place.changing:
                old = place.process
                if not await self._renewed(place):
                    break
            if old is not None and not old.ended.is_set():
                old.order(Order.DRAIN)
                await self._wait_or_kill([old], self._grace_s + LATE_S)
        self._can_renew = True

    # -- stopping

    async def _heed(self, signals: AsyncIterator[signal.Signals]) -> None:
        async for number in signals:
            if number == signal.SIGHUP:
                if not self._is_stopping:
                    self._tasks.start_soon(self._renew_all)
            elif not self._is_stopping:
                self._stop(Order.DRAIN, self._grace_s + LATE_S)
            else:
                self._stop(Order.STOP, LATE_S)

    def _stop(self, order: Order, within_s: float) -> None:
        self._is_stopping = True
        self._held.close()
        for process in self._alive:
            process.order(order)
        self._tasks.start_soon(self._wait_or_kill, list(self._alive), within_s)
        self._check_ended()

    def _check_ended(self) -> None:
        if not self._alive:
            self._all_ended.set()

    async def _end_all(self) -> None:
        """Ends at once whatever is left."""
        self._is_stopping = True
        for process in self._alive:
            process.order(Order.STOP)
        await self._wait_or_kill(list(self._alive), LATE_S)

    async def _wait_or_kill(self, processes: list[WorkerProcess], within_s: float) -> None:
        with anyio.move_on_after(within_s):
            for process in processes:
                await process.ended.wait()
        for process in processes:
            if not process.ended.is_set():
                _log.error("%s did not end within %g s: it is killed", process, within_s)
                process.kill()
                await process.ended.wait()
