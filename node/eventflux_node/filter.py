"""Which events a subscriber wants: an `EventFilter`, checked once and then asked for every event."""

from __future__ import annotations

from dataclasses import dataclass

from eventflux_runtime import InvalidArgument, is_wanted
from eventflux_transport import EventFilter, Message

__all__ = ["Filter"]


@dataclass(frozen=True, slots=True)
class Filter:
    """A checked filter; None wants everything."""

    requested: EventFilter | None = None

    @classmethod
    def of(cls, requested: EventFilter | None) -> Filter:
        """The filter of a request.

        Raises:
            InvalidArgument: the time span is negative or ends before it starts.
        """
        if requested is not None:
            start, end = requested.start_timestamp, requested.end_timestamp
            if start < 0 or end < 0:
                raise InvalidArgument(f"timestamps are milliseconds since the epoch, 0 or more, not {min(start, end)}")
            if end and end < start:
                raise InvalidArgument(
                    f"the filter ends at {end}, before it starts at {start}: swap them, or use 0 for no end"
                )
        return cls(requested)

    def matches(self, message: Message) -> bool:
        """Whether the subscriber wants this message, as EventFlux's transports judge it."""
        return is_wanted(self.requested, message)
