"""The types of EventFlux's messages by the names that they have on the command line."""

from __future__ import annotations

from typing import Final

from eventflux_transport import MessageType

__all__ = ["MESSAGE_TYPES"]

MESSAGE_TYPES: Final = {kind.name.lower(): kind for kind in MessageType}
