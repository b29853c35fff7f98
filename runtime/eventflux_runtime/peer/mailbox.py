"""A bounded queue between tasks that loses nothing to a cancelled wait.

Invariants: at most `limit` items wait, and of bytes at most the limit and one item's; an item is taken in the same step
in which a consumer has the say, so that a cancellation finds it either in the queue or delivered; the end comes after
every item, and again at each later call.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

import anyio

__all__ = ["Mailbox"]

T = TypeVar("T")


class Mailbox(Generic[T]):
    """A queue for any number of producers and consumers."""

    def __init__(self, limit: int, max_bytes: int = sys.maxsize, size_of: Callable[[T], int] = lambda _: 0) -> None:
        """A queue that takes items while it has fewer than `limit`, and fewer than `max_bytes` as `size_of` counts."""
        self._limit = limit
        self._max_bytes = max_bytes
        self._size_of = size_of
        self._bytes = 0
        self._items: deque[T] = deque()
        self._end: Exception | None = None
        self._changed = anyio.Event()

    def __len__(self) -> int:
        return len(self._items)

    @property
    def is_full(self) -> bool:
        """Whether nothing more fits."""
        return len(self._items) >= self._limit or self._bytes >= self._max_bytes

    @property
    def is_ended(self) -> bool:
        """Whether nothing can be put in any more."""
        return self._end is not None

    async def put(self, item: T) -> None:
        """Adds an item, waiting while the queue is full.

        Raises:
            Exception: what `end` was given.
        """
        while self.is_full and self._end is None:
            await self._changed.wait()
        if self._end is not None:
            raise self._end.with_traceback(None)
        self._items.append(item)
        self._bytes += self._size_of(item)
        self._wake()

    async def get(self) -> T:
        """Takes the oldest item, waiting for one.

        Raises:
            Exception: what `end` was given, once the queue is empty.
        """
        while not self._items:
            if self._end is not None:
                raise self._end.with_traceback(None)
            await self._changed.wait()
        item = self._items.popleft()
        self._bytes -= self._size_of(item)
        self._wake()
        return item

    def withdraw(self, item: T) -> bool:
        """Takes an item back; False: a consumer has it already."""
        try:
            self._items.remove(item)
        except ValueError:
            return False
        self._bytes -= self._size_of(item)
        self._wake()
        return True

    def end(self, error: Exception) -> None:
        """Nothing more may be put in; what is there can still be taken. The first end counts."""
        if self._end is None:
            self._end = error
            self._wake()

    def clear(self) -> list[T]:
        """Takes everything out."""
        items = list(self._items)
        self._items.clear()
        self._bytes = 0
        self._wake()
        return items

    def _wake(self) -> None:
        # Everybody looks again; there are never many, and who finds nothing waits on.
        changed, self._changed = self._changed, anyio.Event()
        changed.set()
