"""The protocol's states as literal transition tables.

What a table does not list is forbidden: a `ProtocolError` when the peer does it, a `LocalProtocolError` when we do.
Both sides use the same stream table, each on its own view of the stream.
"""

from __future__ import annotations

from typing import Final

__all__ = ["CONNECTION_TABLE", "FORBIDDEN", "STREAM_EVENTS", "STREAM_TABLE", "stream_state_name"]

# States of a stream.
OPEN: Final = 0
"""The client may send; the server has sent nothing."""
ANSWERED: Final = 1
"""The client may send; the server has sent headers or a message."""
HALF_CLOSED: Final = 2
"""The client has ended; the server has sent nothing."""
HALF_CLOSED_ANSWERED: Final = 3
"""The client has ended; the server has sent headers or a message."""
CLOSED: Final = 4
"""Ended. Its frames that were under way are ignored."""

# What happens to a stream.
CLIENT_MESSAGE: Final = 0
CLIENT_END: Final = 1
SERVER_HEADERS: Final = 2
SERVER_MESSAGE: Final = 3
SERVER_STATUS: Final = 4
EITHER_RESET: Final = 5

STREAM_EVENTS: Final = 6

STREAM_TABLE: Final[dict[int, dict[int, int]]] = {
    OPEN: {
        CLIENT_MESSAGE: OPEN,
        CLIENT_END: HALF_CLOSED,
        SERVER_HEADERS: ANSWERED,
        SERVER_MESSAGE: ANSWERED,
        SERVER_STATUS: CLOSED,
        EITHER_RESET: CLOSED,
    },
    ANSWERED: {
        CLIENT_MESSAGE: ANSWERED,
        CLIENT_END: HALF_CLOSED_ANSWERED,
        SERVER_MESSAGE: ANSWERED,
        SERVER_STATUS: CLOSED,
        EITHER_RESET: CLOSED,
    },
    HALF_CLOSED: {
        SERVER_HEADERS: HALF_CLOSED_ANSWERED,
        SERVER_MESSAGE: HALF_CLOSED_ANSWERED,
        SERVER_STATUS: CLOSED,
        EITHER_RESET: CLOSED,
    },
    HALF_CLOSED_ANSWERED: {
        SERVER_MESSAGE: HALF_CLOSED_ANSWERED,
        SERVER_STATUS: CLOSED,
        EITHER_RESET: CLOSED,
    },
    CLOSED: {},
}

# States of a connection.
HANDSHAKE: Final = 0
"""The peer's HELLO has not arrived."""
READY: Final = 1
"""Calls may begin."""
DRAINING: Final = 2
"""One side said GOAWAY: no call begins, calls in flight go on."""
ENDED: Final = 3
"""Nothing is sent or received any more."""

# What happens to a connection.
HELLO_ARRIVED: Final = 0
GOAWAY_EITHER_WAY: Final = 1
LOST: Final = 2
"""A fault, the end of the byte stream, a timeout, or `Connection.close`."""

CONNECTION_TABLE: Final[dict[int, dict[int, int]]] = {
    HANDSHAKE: {HELLO_ARRIVED: READY, LOST: ENDED},
    READY: {GOAWAY_EITHER_WAY: DRAINING, LOST: ENDED},
    DRAINING: {GOAWAY_EITHER_WAY: DRAINING, LOST: ENDED},
    ENDED: {LOST: ENDED},
}

FORBIDDEN: Final = 0xFF


def _flat(table: dict[int, dict[int, int]], events: int) -> bytes:
    return bytes([table[state].get(event, FORBIDDEN) for state in sorted(table) for event in range(events)])


NEXT_STREAM_STATE: Final = _flat(STREAM_TABLE, STREAM_EVENTS)
"""`STREAM_TABLE` at ``state * STREAM_EVENTS + event``: one index on the path of every call."""

_STREAM_STATES: Final = ("open", "answered", "half-closed", "half-closed and answered", "closed")


def stream_state_name(state: int) -> str:
    """The name of a stream state for error messages."""
    return _STREAM_STATES[state]
