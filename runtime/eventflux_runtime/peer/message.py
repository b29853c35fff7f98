"""What the gRPC transports fill in of EventFlux's messages, as EventFlux does, and what a message costs."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Final, Protocol, TypeVar

__all__ = ["PeerMessage", "size_of", "stamp"]

SOURCE_HEADER: Final = "source_node"
"""The header that EventFlux's nodes read a message's source from."""
TARGET_HEADER: Final = "target_node"
"""The header that EventFlux's nodes read a message's target from."""
PRIORITY_HEADER: Final = "priority"
"""The header that EventFlux's `GrpcTransport` reads a message's priority from."""
DEFAULT_PRIORITY: Final = 5
"""What EventFlux gives a message that names no priority; 0 is the highest, 9 the lowest."""
MESSAGE_COST_BYTES: Final = 1024
"""What a message that waits counts beside its bytes, so that empty ones count too."""
_INTEGER: Final = re.compile(r"([+-]?)0*([0-9]{1,10})", re.ASCII)
"""What Rust reads as an integer of 32 bits: its sign, and its digits."""


class PeerMessage(Protocol):
    """What the transports look at in a message, and fill in."""

    timestamp: int
    """Its time in milliseconds since the Unix epoch; 0: not set."""
    source_node: str
    """Where it comes from; empty: not set."""
    target_node: str
    """Where it goes; empty: not set."""
    priority: int
    """0: not set."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Its headers."""

    @property
    def payload(self) -> bytes:
        """Its content."""


M = TypeVar("M", bound=PeerMessage)


def stamp(message: M, now_ms: int, reads_priority: bool) -> M:
    """A copy of a message in which nothing is unset that EventFlux's transports set.

    Args:
        message: what is to be sent; it stays as it is.
        now_ms: the time for one that has none, in milliseconds since the Unix epoch.
        reads_priority: whether a header may name the priority, as for `GrpcTransport` and not `SimpleGrpcTransport`.
    """
    made = copy.copy(message)
    headers = made.headers
    made.timestamp = made.timestamp or now_ms
    made.source_node = made.source_node or headers.get(SOURCE_HEADER, "")
    made.target_node = made.target_node or headers.get(TARGET_HEADER, "")
    if not made.priority:
        made.priority = _priority(headers.get(PRIORITY_HEADER, "") if reads_priority else "")
    return made


def _priority(text: str) -> int:
    found = _INTEGER.fullmatch(text)
    if found is None:
        return DEFAULT_PRIORITY
    value = int(found[1] + found[2])
    return value if -(2**31) <= value < 2**31 else DEFAULT_PRIORITY


def size_of(message: PeerMessage) -> int:
    """What a message that waits costs, in bytes."""
    headers = sum(len(name) + len(value) for name, value in message.headers.items())
    return MESSAGE_COST_BYTES + len(message.payload) + headers
