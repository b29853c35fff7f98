"""Reading a stream of messages ahead of the one who consumes them, so that a wait for the next can be given up.

grpcio ends a call whose ``read`` is cancelled, and loses the message that the read would have brought; here only the
reader's own task calls ``read``.

Invariants: at most `READ_AHEAD` messages wait, beside what HTTP/2's window holds, and none is added to those that have
`READ_AHEAD_BYTES` in sum, as grpcio has decompressed them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventflux_runtime.net.waiting import wake
from eventflux_runtime.protocol.driver.inbox import Inbox

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor, Waiter

__all__ = ["READ_AHEAD", "ReadAhead"]

READ_AHEAD: Final = 4
"""Messages read before they are asked for: enough to keep grpcio's thread and ours from waiting for each other."""

READ_AHEAD_BYTES: Final = 1024 * 1024
"""Bytes of waiting messages beyond which no more is read: a window of the native protocol."""


class ReadAhead:
    """A queue between the task that reads from grpcio and the one that consumes."""

    __slots__ = ("_bytes", "_inbox", "_producer", "_reactor")

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self._inbox = Inbox(reactor)
        self._bytes = 0
        self._producer: Waiter[None] | None = None

    # -- the reading task's side

    @property
    def has_room(self) -> bool:
        """Whether another message should be read."""
        return len(self._inbox) < READ_AHEAD and self._bytes < READ_AHEAD_BYTES

    async def wait_for_room(self) -> None:
        """Returns when a message was consumed, or at `nudge`."""
        self._producer = self._reactor.waiter()
        try:
            await self._producer
        finally:
            self._producer = None

    def nudge(self) -> None:
        """Ends a wait for room, whether there is any or not."""
        wake(self._producer)

    def put(self, message: bytes) -> None:
        """A message was read."""
        self._bytes += len(message)
        self._inbox.put(message, len(message))

    def end(self, error: Exception | None) -> None:
        """Nothing follows; the first end counts."""
        self._inbox.end(error)

    # -- the consumer's side

    async def get(self) -> bytes:
        """The next message; raises as `Inbox.get`."""
        message, size = await self._inbox.get()
        self._bytes -= size
        self.nudge()
        data: bytes = message
        return data
