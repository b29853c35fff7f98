"""Reading a stream of messages ahead of the one who consumes them, so that a wait for the next can be given up.

grpcio ends a call whose ``read`` is cancelled, and loses the message that the read would have brought; here only the
reader's own task calls ``read``.

Invariants: at most `READ_AHEAD` messages wait, beside what HTTP/2's window holds, and none is added to those that have
`READ_AHEAD_BYTES` in sum, as grpcio has decompressed them; at most one task consumes; the end is
delivered after every message that came before it, and again at each later call.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import anyio

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor, Waiter

__all__ = ["READ_AHEAD", "ReadAhead"]

READ_AHEAD: Final = 4
"""Messages read before they are asked for: enough to keep grpcio's thread and ours from waiting for each other."""

READ_AHEAD_BYTES: Final = 1024 * 1024
"""Bytes of waiting messages beyond which no more is read: a window of the native protocol."""


class ReadAhead:
    """A queue between the task that reads from grpcio and the one that consumes."""

    __slots__ = ("_bytes", "_consumer", "_end", "_is_ended", "_items", "_producer", "_reactor")

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self._items: deque[bytes] = deque()
        self._bytes = 0
        self._consumer: Waiter[None] | None = None
        self._producer: Waiter[None] | None = None
        self._is_ended = False
        self._end: Exception | None = None

    # -- the reading task's side

    @property
    def has_room(self) -> bool:
        """Whether another message should be read."""
        return len(self._items) < READ_AHEAD and self._bytes < READ_AHEAD_BYTES

    async def wait_for_room(self) -> None:
        """Returns when a message was consumed, or at `nudge`."""
        self._producer = self._reactor.waiter()
        try:
            await self._producer
        finally:
            self._producer = None

    def nudge(self) -> None:
        """Ends a wait for room, whether there is any or not."""
        if self._producer is not None and not self._producer.done():
            self._producer.set_result(None)

    def put(self, message: bytes) -> None:
        """A message was read."""
        self._items.append(message)
        self._bytes += len(message)
        self._wake_consumer()

    def end(self, error: Exception | None) -> None:
        """Nothing follows; the first end counts."""
        if not self._is_ended:
            self._is_ended = True
            self._end = error
            self._wake_consumer()

    def _wake_consumer(self) -> None:
        if self._consumer is not None and not self._consumer.done():
            self._consumer.set_result(None)

    # -- the consumer's side

    async def get(self) -> bytes:
        """The next message.

        Raises:
            anyio.EndOfStream: an orderly end.
            anyio.BusyResourceError: another task waits already.
        """
        while not self._items:
            if self._is_ended:
                if self._end is None:
                    raise anyio.EndOfStream
                raise self._end
            if self._consumer is not None:
                raise anyio.BusyResourceError("receiving from")
            consumer = self._consumer = self._reactor.waiter()
            try:
                await consumer
            finally:
                self._consumer = None
        message = self._items.popleft()
        self._bytes -= len(message)
        self.nudge()
        return message
