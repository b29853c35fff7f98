"""The headers and metadata that a node and its clients understand: their names, known to both sides."""

from __future__ import annotations

from typing import Final

__all__ = ["ACKNOWLEDGED_ID_HEADER", "STREAM_HEADER", "SUBSCRIBED_METADATA"]

STREAM_HEADER: Final = "stream"
"""The header that names the stream an event belongs to."""

ACKNOWLEDGED_ID_HEADER: Final = "acknowledged-id"
"""The header of an acknowledgment that holds the id of the message it answers."""

SUBSCRIBED_METADATA: Final = "eventflux-subscribed"
"""The initial metadata that a subscriber gets once every later event will reach it."""
