"""Which streams a client has begun, and what it says too early.

Datagrams overtake each other, so a later stream may be seen before an earlier one.
"""

from __future__ import annotations

from typing import Final

from qh3.quic.events import QuicEvent, StopSendingReceived, StreamDataReceived, StreamReset

__all__ = ["MAX_EARLY_BYTES", "ClientStreams", "EarlyEvents"]

MAX_EARLY_BYTES: Final = 65536
"""What a client may say before its handshake is over; each event counts for some bytes more than it brings."""
_EVENT_BYTES: Final = 256

_KINDS = 4
"""Numbers of streams of one kind are so far apart; a client's for both directions are 0, 4, ... (RFC 9000, 2.1)."""


class ClientStreams:
    """Tells each stream once.

    Invariant: every number below `_next` is of a stream that was told, or stands in `_overtaken`. The library allows no
    more than some hundred streams at a time, so there are no more of those.
    """

    __slots__ = ("_next", "_overtaken")

    def __init__(self) -> None:
        self._next = 0
        self._overtaken: set[int] = set()

    def __len__(self) -> int:
        """How many were overtaken, and have not come yet."""
        return len(self._overtaken)

    def begins(self, stream_id: int) -> bool:
        """Whether a stream for both directions begins now, of a client's."""
        if stream_id % _KINDS:
            return False
        if stream_id >= self._next:
            self._overtaken.update(range(self._next, stream_id, _KINDS))
            self._next = stream_id + _KINDS
            return True
        if stream_id in self._overtaken:
            self._overtaken.discard(stream_id)
            return True
        return False


class EarlyEvents:
    """What a client that comes back says before its handshake is over (RFC 9001, 4.6.1), until it is.

    Somebody else may have recorded and sent that, but he cannot end the handshake.
    """

    __slots__ = ("_bytes", "_events")

    def __init__(self) -> None:
        self._events: list[QuicEvent] = []
        self._bytes = 0

    @property
    def is_too_much(self) -> bool:
        """Whether it is more than `MAX_EARLY_BYTES`."""
        return self._bytes > MAX_EARLY_BYTES

    def holds(self, event: QuicEvent) -> bool:
        """Keeps an event that is about a stream; False: it is about something else."""
        if not isinstance(event, StreamDataReceived | StreamReset | StopSendingReceived):
            return False
        self._events.append(event)
        self._bytes += _EVENT_BYTES + (len(event.data) if isinstance(event, StreamDataReceived) else 0)
        return True

    def taken(self) -> list[QuicEvent]:
        """All of it, in its order; nothing is kept."""
        events, self._events = self._events, []
        return events
