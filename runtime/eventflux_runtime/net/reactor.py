"""The few things protocol code needs from an event loop: a clock, timers, one-shot waiters, and supervised tasks.

A reactor is opened in one task and may be closed in any other of the same event loop: no cancel scope of it stays open
in the tasks of its users. Its own tasks belong to the event loop, which cancels them where its run ends without
`Reactor.aclose`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from eventflux_runtime.net.limited_log import LimitedLog

if TYPE_CHECKING:
    from eventflux_runtime.net.wheel import DeadlineWheel
    from eventflux_runtime.rpc.byte_counter import ByteCounter

T_contra = TypeVar("T_contra", contravariant=True)

__all__ = ["Failures", "Reactor", "TaskHandle", "TimerHandle", "Waiter"]

_MAX_KEPT: Final = 8
_log: Final = LimitedLog(logging.getLogger("eventflux_runtime"), monotonic)


class Waiter(Protocol[T_contra]):
    """A one-shot result that one task awaits. Setting it twice is an error of the caller; check `done`."""

    def done(self) -> bool:
        """Whether a result, an error or a cancellation of the waiting task has settled it."""

    def set_result(self, result: T_contra, /) -> None:
        """Wakes the waiting task with a result."""

    def set_exception(self, exception: BaseException, /) -> None:
        """Wakes the waiting task with an error."""

    def __await__(self) -> Any: ...


class TimerHandle(Protocol):
    """A timer that has not fired."""

    def cancel(self) -> None:
        """Keeps it from firing; one that has fired is left alone."""


class TaskHandle(Protocol):
    """A running task."""

    def cancel(self) -> object:
        """Asks the task to end; it ends at its next wait. A task that has ended is left alone."""


class Reactor(Protocol):
    """An event loop and the tasks started on it. Use from one thread only, but where stated."""

    @property
    def is_asyncio(self) -> bool:
        """Whether the asyncio protocol API may be used."""

    @property
    def home(self) -> object:
        """What `current` returns on the event loop of this reactor."""

    @property
    def current(self) -> Callable[[], object]:
        """Tells the event loop that runs here. Raises RuntimeError where none of this kind does."""

    @property
    def is_over(self) -> bool:
        """Whether the run of the event loop has ended, and with it every task of this reactor."""

    def now(self) -> float:
        """Seconds on the loop's clock, the one `anyio.current_time` reads."""

    def waiter(self) -> Waiter[Any]:
        """A new waiter."""

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Runs a callback in the loop's next turn. It must not raise."""

    def post(self, callback: Callable[[], None]) -> None:
        """`call_soon` from any thread, in the order of the calls. Nothing, if the run of the loop has ended."""

    def call_at(self, when: float, callback: Callable[[], None]) -> TimerHandle:
        """Runs a callback at a time of the loop's clock. It must not raise."""

    def spawn(self, function: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> TaskHandle:
        """Starts a task in a copy of the context in which the reactor was started.

        The function is called in the task, when that begins, not here. An error that it lets out is logged, and raised
        by `aclose`.

        Raises:
            RuntimeError: the reactor was closed.
        """

    @property
    def wheel(self) -> DeadlineWheel:
        """The deadlines of everything in this scope, behind one timer of the loop."""

    @property
    def decompressed(self) -> ByteCounter:
        """What calls in this scope hold that came compressed."""

    def is_at_work_here(self) -> bool:
        """Whether the task that asks was started by `spawn`; it cannot wait for `aclose`, which waits for it."""

    def run_detached(self, function: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Runs a coroutine function as a task that outlives this reactor; from any thread. Nothing, if the loop ended.

        For the one case in which nobody is left to wait: what was forgotten is closed when it is collected.
        """

    async def aclose(self) -> None:
        """Cancels every task and returns when all have ended. A second time does nothing.

        A cancellation does not keep it from that.

        Raises:
            Exception: what a task let out, in an ExceptionGroup where there were several.
        """


class Failures:
    """The errors that tasks of a reactor let out: logged at once, and the first few kept for its end."""

    def __init__(self) -> None:
        self._kept: list[Exception] = []

    def add(self, error: Exception) -> None:
        """Takes note of one."""
        _log.error("a background task failed", error=error)
        if len(self._kept) < _MAX_KEPT:
            self._kept.append(error)

    def raise_all(self) -> None:
        """Raises what was kept, once."""
        kept, self._kept = self._kept, []
        if len(kept) == 1:
            raise kept[0]
        if kept:
            raise ExceptionGroup("several tasks failed", kept)
