"""The few things protocol code needs from an event loop: a clock, timers, one-shot waiters, and supervised tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from eventflux_runtime.net.wheel import DeadlineWheel

T_contra = TypeVar("T_contra", contravariant=True)

__all__ = ["Reactor", "TaskHandle", "TimerHandle", "Waiter", "open_reactor"]


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
    """An event loop and the scope of the tasks started on it. Use from one thread only."""

    @property
    def is_asyncio(self) -> bool:
        """Whether the asyncio protocol API may be used."""

    def now(self) -> float:
        """Seconds on the loop's clock, the one `anyio.current_time` reads."""

    def waiter(self) -> Waiter[Any]:
        """A new waiter."""

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Runs a callback in the loop's next turn. It must not raise."""

    def call_at(self, when: float, callback: Callable[[], None]) -> TimerHandle:
        """Runs a callback at a time of the loop's clock. It must not raise."""

    def spawn(self, function: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> TaskHandle:
        """Starts a task in this scope, in a copy of the current context. An error it lets out ends the whole scope.

        The function is called in the task, when that begins, not here.
        """

    @property
    def wheel(self) -> DeadlineWheel:
        """The deadlines of everything in this scope, behind one timer of the loop."""


def open_reactor() -> AbstractAsyncContextManager[Reactor]:
    """A reactor on the running event loop. Leaving the context cancels every task of it and waits for them.

    asyncio and uvloop get the one that works on the loop's own futures, tasks and protocols; every other backend the
    one on anyio.
    """
    if _is_asyncio():
        from eventflux_runtime.net.asyncio_reactor import open_asyncio_reactor  # noqa: PLC0415 - the other is not loaded

        return open_asyncio_reactor()
    from eventflux_runtime.net.anyio_reactor import open_anyio_reactor  # noqa: PLC0415 - the other is not loaded

    return open_anyio_reactor()


def _is_asyncio() -> bool:
    # A running loop is not enough: trio in guest mode has one too, but no current task on it.
    try:
        return asyncio.current_task() is not None
    except RuntimeError:
        return False
