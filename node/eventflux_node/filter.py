"""Which events a subscriber wants: an `EventFilter`, checked once and then asked for every event."""

from __future__ import annotations

from dataclasses import dataclass

from eventflux_node.header import STREAM_HEADER
from eventflux_runtime import InvalidArgument
from eventflux_transport import EventFilter, Message, MessageType

__all__ = ["Filter"]


@dataclass(frozen=True, slots=True)
class Filter:
    """A checked filter. An empty set of streams or types means all of them."""

    streams: frozenset[str] = frozenset()
    types: frozenset[MessageType] = frozenset()
    start: int = 0
    """The first timestamp wanted, in milliseconds since the epoch."""
    end: int = 0
    """The last timestamp wanted, in milliseconds since the epoch; 0: no end."""

    @classmethod
    def of(cls, requested: EventFilter | None) -> Filter:
        """The filter of a request; None wants everything.

        Raises:
            InvalidArgument: the time span is negative or ends before it starts.
        """
        if requested is None:
            return cls()
        start, end = requested.start_timestamp, requested.end_timestamp
        if start < 0 or end < 0:
            raise InvalidArgument(f"timestamps are milliseconds since the epoch, 0 or more, not {min(start, end)}")
        if end and end < start:
            raise InvalidArgument(
                f"the filter ends at {end}, before it starts at {start}: swap them, or use 0 for no end"
            )
        return cls(frozenset(requested.stream_names), frozenset(requested.message_types), start, end)

    def matches(self, message: Message) -> bool:
        """Whether the subscriber wants this message."""
        if self.types and message.message_type not in self.types:
            return False
        if self.streams and message.headers.get(STREAM_HEADER) not in self.streams:
            return False
        return message.timestamp >= self.start and (not self.end or message.timestamp <= self.end)
