"""Items that are read by a thread of their own, so that an input which never ends keeps no program from ending."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Final, Generic, TypeVar

import anyio
from anyio import from_thread
from anyio.lowlevel import EventLoopToken, current_token

__all__ = ["read_ahead"]

T = TypeVar("T")

_AHEAD: Final = 256
"""Items that are read before the first of them is taken."""


async def read_ahead(items: Callable[[], Iterator[T]]) -> AsyncGenerator[T, None]:
    """The items of an iterator that may wait for a pipe or a terminal.

    They are given as they come. The thread is a daemon: where it still waits for input when the generator is closed, it
    is left behind, and the process can end. Close the generator (`contextlib.aclosing`), so that it stops at the next
    item.

    Args:
        items: makes the iterator, in the thread.

    Raises:
        Exception: what the iterator raises, behind the items before it.
    """
    reader = _Reader(items, current_token())
    thread = threading.Thread(target=reader.run, name="eventflux input", daemon=True)
    thread.start()
    try:
        while True:
            for item in await reader.take():
                yield item
            if reader.is_over:
                if reader.failure is not None:
                    raise reader.failure
                return
    finally:
        reader.leave()


class _Reader(Generic[T]):
    """What the thread and the event loop share.

    Invariants: `_condition` guards all of it. The loop is woken once for each time that it waits.
    """

    def __init__(self, items: Callable[[], Iterator[T]], token: EventLoopToken) -> None:
        self._items = items
        self._token = token
        self._condition = threading.Condition()
        self._ready: deque[T] = deque()
        self._waiting: anyio.Event | None = None
        self._is_left = False
        self._is_done = False
        self.failure: Exception | None = None

    @property
    def is_over(self) -> bool:
        """Whether the iterator has ended and all its items are taken."""
        with self._condition:
            return self._is_done and not self._ready

    def run(self) -> None:
        """The thread."""
        failure: Exception | None = None
        try:
            for item in self._items():
                if not self._put(item):
                    return
        except Exception as error:  # noqa: BLE001 - it is raised where the items are taken
            failure = error
        with self._condition:
            self.failure = failure
            self._is_done = True
        self._wake()

    def _put(self, item: T) -> bool:
        """Hands an item over, when there is room. False: nobody wants more."""
        with self._condition:
            while len(self._ready) >= _AHEAD and not self._is_left:
                self._condition.wait()
            if self._is_left:
                return False
            self._ready.append(item)
        self._wake()
        return True

    def _wake(self) -> None:
        with self._condition:
            event, self._waiting = self._waiting, None
        if event is None:
            return
        try:
            from_thread.run_sync(event.set, token=self._token)
        except RuntimeError:
            self.leave()  # the event loop has ended

    async def take(self) -> list[T]:
        """All that is there; waits for the first, or for the end."""
        event = anyio.Event()
        with self._condition:
            if not self._ready and not self._is_done:
                self._waiting = event
            else:
                event.set()
        await event.wait()
        with self._condition:
            taken = list(self._ready)
            self._ready.clear()
            self._condition.notify()
        return taken

    def leave(self) -> None:
        """Nobody takes any more."""
        with self._condition:
            self._is_left = True
            self._waiting = None
            self._ready.clear()
            self._condition.notify()
