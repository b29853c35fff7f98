"""The receiving half of a call: messages that have arrived and wait for the application, and how they end.

Invariants: at most one task waits; the end (an error, or None for an orderly one) is delivered after every message
that came before it, and again at each later call.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import anyio

from eventflux_runtime.net.waiting import wake
from eventflux_runtime.protocol.driver.decoding import PackedMessage, decoded_of
from eventflux_runtime.protocol.driver.reserve import Reserve
from eventflux_runtime.rpc.errors import CodecError

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor, Waiter
    from eventflux_runtime.protocol.core.event import MessageReceived

__all__ = ["AHEAD_BYTES", "Inbox"]

AHEAD_BYTES: Final = 256 * 1024
"""What the messages of a connection may cost that are decoded ahead of the application, divided among its calls. More
than a turn of the loop brings, so that a reader who keeps up finds them all decoded; and little, however large messages
become as objects."""
_MESSAGE_COST: Final = 256
"""What a message costs beside its bytes, as an object."""


class Inbox:
    """Messages, each with its bytes; with their complement (``~size``) where they count in no window.

    What arrives ahead of the application is decoded as far as there is room; the rest is kept as it arrived, because
    the sender's window counts it so. Invariant: `_ahead` is the cost of what is decoded.
    """

    __slots__ = ("_ahead", "_end", "_is_ended", "_items", "_reactor", "_waiter")

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self._items: deque[tuple[Any, int]] = deque()
        self._ahead = 0
        self._waiter: Waiter[None] | None = None
        self._is_ended = False
        self._end: Exception | None = None

    @property
    def is_ended(self) -> bool:
        """Whether `end` was called; messages may still wait."""
        return self._is_ended

    @property
    def is_empty(self) -> bool:
        """Whether no message waits."""
        return not self._items

    @property
    def ready_bytes(self) -> int:
        """The bytes of the next message, if it is here and needs no more than to be decoded; -1 otherwise."""
        if not self._items:
            return -1
        message, size = self._items[0]
        if isinstance(message, Reserve):
            return message.plain_bytes
        if isinstance(message, (PackedMessage, CodecError)):
            return -1
        return size if size >= 0 else ~size

    def put(self, message: Any, size: int) -> None:
        """A message of so many bytes, or what stands in its place, that counts in no window."""
        self._items.append((message, ~size))
        wake(self._waiter)

    def arrived(
        self, event: MessageReceived, decode: Callable[[bytes, int, int], Any], max_bytes: int, room: int
    ) -> None:
        """A message arrived.

        Args:
            event: has it.
            decode: makes a message of ``data[start:end]``.
            max_bytes: the limit of one message, decompressed.
            room: what this call's share of `AHEAD_BYTES` is. The first message needs none.
        """
        items = self._items
        size = event.end - event.start
        if items:
            last = items[-1][0]
            if isinstance(last, Reserve):
                last.put(event)
                return
            if self._ahead + size + _MESSAGE_COST > room:
                reserve = Reserve(decode, max_bytes)
                reserve.put(event)
                items.append((reserve, -1))
                return
        self._ahead += size + _MESSAGE_COST
        items.append((decoded_of(decode, event, max_bytes), size))
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
        self._ahead = 0
        return had_items

    async def get(self) -> tuple[Any, int]:
        """The next message and its bytes, or their complement.

        Raises:
            anyio.EndOfStream: an orderly end.
            anyio.BusyResourceError: another task waits already.
        """
        while not self._items:
            if self._is_ended:
                if self._end is None:
                    raise anyio.EndOfStream
                raise self._end.with_traceback(None)  # which would grow with each time
            if self._waiter is not None:
                raise anyio.BusyResourceError("receiving from")
            waiter = self._waiter = self._reactor.waiter()
            try:
                await waiter
            finally:
                self._waiter = None
        message, size = self._items.popleft()
        if isinstance(message, Reserve):
            reserve = message
            message, size = reserve.take()
            if not reserve.is_empty:
                self._items.appendleft((reserve, -1))
        elif size >= 0:
            self._ahead -= size + _MESSAGE_COST
        return message, size
