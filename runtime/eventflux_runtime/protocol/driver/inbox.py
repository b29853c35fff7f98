"""The receiving half of a call: messages that have arrived and wait for the application, and how they end.

Invariants: at most one task waits; the end (an error, or None for an orderly one) is delivered after every message
that came before it, and again at each later call.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import anyio

from eventflux_runtime.net.waiting import wake

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor, Waiter

__all__ = ["Inbox"]


class Inbox:
    """Messages, each with the bytes that it counts; -1 where it counts none."""

    __slots__ = ("_end", "_is_ended", "_items", "_reactor", "_waiter")

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self._items: deque[tuple[Any, int]] = deque()
        self._waiter: Waiter[None] | None = None
        self._is_ended = False
        self._end: Exception | None = None

    @property
    def is_ended(self) -> bool:
        """Whether `end` was called; messages may still wait."""
        return self._is_ended

    def __len__(self) -> int:
        """Messages that wait."""
        return len(self._items)

    def put(self, message: Any, size: int) -> None:
        """A message arrived."""
        self._items.append((message, size))
        wake(self._waiter)

    def end(self, error: Exception | None) -> None:
        """Nothing follows; the first end counts."""
        if not self._is_ended:
            self._is_ended = True
            self._end = error
            wake(self._waiter)

    def clear(self) -> bool:
        """Drops what waits; whether anything did."""
        had_items = bool(self._items)
        self._items.clear()
        return had_items

    async def get(self) -> tuple[Any, int]:
        """The next message and what it counts.

        Raises:
            anyio.EndOfStream: an orderly end.
            anyio.BusyResourceError: another task waits already.
        """
        while not self._items:
            if self._is_ended:
                if self._end is None:
                    raise anyio.EndOfStream
                raise self._end
            if self._waiter is not None:
                raise anyio.BusyResourceError("receiving from")
            waiter = self._waiter = self._reactor.waiter()
            try:
                await waiter
            finally:
                self._waiter = None
        return self._items.popleft()
