"""Making a link: what may block runs in a thread of its own, and is given up when it takes too long."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor, Waiter

__all__ = ["Opening", "in_thread"]

T = TypeVar("T")

_TELLING: Final = (
    errno.ECONNREFUSED,
    errno.ETIMEDOUT,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.ENETDOWN,
    errno.EADDRNOTAVAIL,
    errno.EACCES,
    errno.EPERM,
)
_MOST_THREADS: Final = 16
"""Calls of libfabric that one event loop waits for at a time. One that hangs holds its thread until it returns."""
_limiter: Final[RunVar[CapacityLimiter]] = RunVar("eventflux rdma")


class _Call(Generic[T]):
    """A call in a thread, whose result goes to whoever waits or, where nobody does any more, is closed."""

    def __init__(self, make: Callable[[], T], discard: Callable[[T], None]) -> None:
        self._make = make
        self._discard = discard
        self._lock = threading.Lock()
        self._is_given_up = False
        self._made: list[T] = []

    def run(self) -> None:
        made = self._make()
        with self._lock:
            if not self._is_given_up:
                self._made.append(made)
                return
        self._discard(made)

    def take(self) -> T:
        return self._made.pop()

    def give_up(self) -> None:
        with self._lock:
            self._is_given_up = True
        while self._made:
            self._discard(self._made.pop())


async def in_thread(make: Callable[[], T], discard: Callable[[T], None]) -> T:
    """What a function returns that may block; its asker may be cancelled meanwhile.

    A provider that hangs keeps the thread, and no more: what comes of it in the end is discarded there.
    """
    limiter = _limiter.get(None)
    if limiter is None:
        limiter = CapacityLimiter(_MOST_THREADS)
        _limiter.set(limiter)
    call = _Call(make, discard)
    try:
        await to_thread.run_sync(call.run, abandon_on_cancel=True, limiter=limiter)
    except BaseException:
        call.give_up()
        raise
    return call.take()


def _why_not(error: OSError | None) -> OSError:
    """What a provider says of an attempt that failed, where that can be: some tell the last error of the process."""
    if error is not None and error.errno in _TELLING:
        return error
    said = f" ({error.strerror or error})" if error is not None else ""
    return ConnectionResetError(errno.ECONNRESET, f"the other side hung up before it was connected{said}")


class Opening:
    """Hears of a link until both sides may send: a `ConnectionEvents`."""

    def __init__(self, reactor: Reactor) -> None:
        self._connected: Waiter[Any] = reactor.waiter()

    def on_connected(self, data: bytes) -> None:
        """See `ConnectionEvents.on_connected`."""
        if not self._connected.done():
            self._connected.set_result(data)

    def on_shutdown(self, error: OSError | None) -> None:
        """See `ConnectionEvents.on_shutdown`."""
        if not self._connected.done():
            self._connected.set_exception(_why_not(error))

    async def connected(self) -> bytes:
        """What the other side has sent along with its consent.

        Raises:
            OSError: the connection does not come about.
        """
        data: bytes = await self._connected
        return data
