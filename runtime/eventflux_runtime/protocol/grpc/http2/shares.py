"""How the connection's window is divided among streams, so that messages in parts can never use all of it up.

A connection on which every stream holds the beginning of a message stands still for ever once its window is used up: no
message becomes whole, so none is taken, so nothing is given back. HTTP/2 lets a peer spread a window over its streams
as it likes, and many do so evenly. So a stream begins with a small window, as many as there may be fit, and one that
needs more gets more while there is some to spare::

    max_streams * first window + what was added to some of them <= what the connection's window is sure to hold

The window that the connection is sure to hold is the part of it that a peer has at the least while all that arrived
whole was taken: credit is sent in steps (`ReceiveFlow`).
"""

from __future__ import annotations

from typing import Final, final

from eventflux_runtime.loading.compiled import i64
from eventflux_runtime.protocol.core.flow import CONNECTION_STEP, Inflow
from eventflux_runtime.protocol.core.output import Output
from eventflux_runtime.protocol.grpc.http2.frame import DEFAULT_WINDOW, MAX_WINDOW

__all__ = ["FIRST_WINDOW", "Shares", "connection_window"]

FIRST_WINDOW: Final = DEFAULT_WINDOW
"""What a stream begins with: a peer may use as much before it knows our settings."""
LOW_WATER: Final = FIRST_WINDOW // 4
"""A stream that has less left sends more than its application takes between two credits."""
WIDE_STREAMS: Final = 8
"""So many streams at least can have the whole window of a stream at the same time."""


@final
class Shares:
    """What can be added to the windows of single streams.

    Invariants: `spare` is what is left of it, in bytes. A stream's `Inflow.size` is `FIRST_WINDOW`, or more by what was
    taken from it.
    """

    __slots__ = ("_output", "_step", "spare")

    def __init__(self, output: Output, window: int, stream_window: int, max_streams: int) -> None:
        self._output = output
        self._step: i64 = stream_window - FIRST_WINDOW
        self.spare: i64 = _sure(window) - max_streams * FIRST_WINDOW

    def offer(self, inflow: Inflow, wanted: i64) -> None:
        """Widens the window of a stream that has too little left, also for the message of `wanted` bytes that arrives.

        Args:
            inflow: of the stream, whose window was not exceeded.
            wanted: 0 between messages.
        """
        left: i64 = inflow.granted - inflow.received
        if (left >= LOW_WATER and left >= wanted) or inflow.size != FIRST_WINDOW or inflow.is_ended:
            return
        step = self._step
        if 0 < step <= self.spare:
            self.spare -= step
            inflow.size += step
            inflow.granted += step
            self._output.credit(inflow.stream_id, step)

    def release(self, inflow: Inflow) -> None:
        """The stream brings no more messages."""
        self.spare += inflow.size - FIRST_WINDOW
        inflow.size = FIRST_WINDOW


def connection_window(least: int, stream_window: int, max_streams: int) -> int:
    """The window that a connection needs for its streams, and `least` at the least."""
    streams = max_streams * FIRST_WINDOW + min(max_streams, WIDE_STREAMS) * (stream_window - FIRST_WINDOW)
    return min(MAX_WINDOW, max(least, streams * CONNECTION_STEP // (CONNECTION_STEP - 1) + CONNECTION_STEP))


def _sure(window: int) -> int:
    """The part of the connection's window that credit keeps up."""
    return window - window // CONNECTION_STEP - 1
