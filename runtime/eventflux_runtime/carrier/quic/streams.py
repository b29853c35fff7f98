"""Which streams a client has begun: datagrams overtake each other, so a later one may be seen before an earlier one."""

from __future__ import annotations

__all__ = ["ClientStreams"]

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
