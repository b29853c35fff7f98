"""Which messages a subscriber of EventFlux's `StreamEvents` asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

__all__ = ["STREAM_HEADER", "PeerEvent", "PeerFilter", "is_wanted"]

STREAM_HEADER: Final = "stream"
"""The header that names the stream that a message belongs to."""


class PeerFilter(Protocol):
    """EventFlux's ``EventFilter``; what is empty, or 0, lets everything pass."""

    @property
    def stream_names(self) -> Sequence[str]:
        """The streams wanted."""

    @property
    def message_types(self) -> Sequence[int]:
        """The types wanted."""

    @property
    def start_timestamp(self) -> int:
        """The earliest time wanted, in milliseconds since the Unix epoch."""

    @property
    def end_timestamp(self) -> int:
        """The latest time wanted, in milliseconds since the Unix epoch."""


class PeerEvent(Protocol):
    """What a filter looks at in a message."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Its headers."""

    @property
    def message_type(self) -> int:
        """Its type."""

    @property
    def timestamp(self) -> int:
        """Its time in milliseconds since the Unix epoch; 0: it says none, and no time keeps it out."""


def is_wanted(wanted: PeerFilter | None, message: PeerEvent) -> bool:
    """Whether a message passes a filter; None lets everything pass, and no time keeps out a message that says none."""
    if wanted is None:
        return True
    if wanted.stream_names and message.headers.get(STREAM_HEADER) not in wanted.stream_names:
        return False
    if wanted.message_types and message.message_type not in wanted.message_types:
        return False
    if not message.timestamp:
        return True
    is_too_late = wanted.end_timestamp and message.timestamp > wanted.end_timestamp
    return message.timestamp >= wanted.start_timestamp and not is_too_late
