"""The sending half of flow control: what the peer allows, and the messages that wait for more (RFC 9113, 5.2 and 6.9).

Streams that wait for the connection's window take turns, a frame each, so that a long message holds up no other.
"""

from __future__ import annotations

from typing import final

from eventflux_runtime.loading.compiled import i64
from eventflux_runtime.protocol.grpc.http2.error import FLOW_CONTROL_ERROR, Http2Error
from eventflux_runtime.protocol.grpc.http2.frame import (
    DATA,
    DEFAULT_WINDOW,
    FLAG_END_STREAM,
    MAX_FRAME_BYTES,
    MAX_WINDOW,
)
from eventflux_runtime.protocol.grpc.http2.output import FrameOutput
from eventflux_runtime.protocol.grpc.http2.stream import Outgoing, Stream

__all__ = ["Backlog"]


@final
class Backlog:
    """The messages of one connection that are not wholly sent.

    Invariants: `waiting` holds the streams with an `outgoing` message; `starved` those of them that have a window of
    their own and wait for the connection's, in the order of their turns. `credit` is the connection's window and never
    below 0; a stream's is ``initial_window + stream.balance``, which a change of settings can make negative. No
    `balance` was ever above `greatest_balance`.
    """

    __slots__ = ("credit", "greatest_balance", "initial_window", "output", "sent", "starved", "waiting")

    def __init__(self, output: FrameOutput) -> None:
        self.output = output
        self.waiting: dict[int, Stream] = {}
        self.starved: dict[int, Stream] = {}
        self.credit: i64 = DEFAULT_WINDOW
        self.initial_window: i64 = DEFAULT_WINDOW
        self.greatest_balance: i64 = 0
        self.sent: i64 = 0
        """All bytes of DATA so far."""

    def grant(self, increment: int) -> None:
        """The peer gave credit to the connection.

        Raises:
            Http2Error: its window is larger than can be.
        """
        self.credit += increment
        if self.credit > MAX_WINDOW:
            raise Http2Error(
                f"the connection's window rose to {self.credit} bytes, over the limit of {MAX_WINDOW}",
                FLOW_CONTROL_ERROR,
            )

    def grant_stream(self, stream: Stream, increment: int) -> bool:
        """The peer gave credit to a stream; False: its window is larger than can be."""
        stream.balance += increment
        self.greatest_balance = max(self.greatest_balance, stream.balance)
        return self.initial_window + stream.balance <= MAX_WINDOW

    def resize(self, initial_window: int, streams: dict[int, Stream]) -> None:
        """The peer changed the window that streams begin with, and every stream's by as much (RFC 9113, 6.9.2).

        Raises:
            Http2Error: some window is larger than can be.
        """
        self.initial_window = initial_window
        if initial_window + self.greatest_balance > MAX_WINDOW:
            self.greatest_balance = max([0, *[stream.balance for stream in streams.values()]])
            if initial_window + self.greatest_balance > MAX_WINDOW:
                raise Http2Error(
                    f"an initial window of {initial_window} bytes brings a stream's over the limit of {MAX_WINDOW}",
                    FLOW_CONTROL_ERROR,
                )

    def take(self, stream: Stream, size: i64) -> bool:
        """Takes the credit of one DATA frame with a whole message, if there is enough."""
        if size > MAX_FRAME_BYTES or size > self.credit or size > self.initial_window + stream.balance:
            return False
        stream.balance -= size
        self.credit -= size
        self.sent += size
        return True

    def begin(self, stream: Stream, outgoing: Outgoing) -> bool:
        """Takes over a message and writes as much of it as there is credit for; whether that is all of it."""
        stream.outgoing = outgoing
        self.waiting[stream.stream_id] = stream
        return self.advance(stream, outgoing)

    def advance(self, stream: Stream, outgoing: Outgoing) -> bool:
        """Writes as much of a waiting message as there is credit for; whether that is all that was left."""
        while True:
            if self._write_part(stream, outgoing):
                return True
            if self.credit <= 0 or self.initial_window + stream.balance <= 0:
                self._wait(stream)
                return False

    def take_turn(self, stream: Stream, outgoing: Outgoing) -> bool:
        """Writes one frame of a starved stream, if there is credit; whether that is all that was left."""
        del self.starved[stream.stream_id]
        if self._write_part(stream, outgoing):
            return True
        self._wait(stream)
        return False

    def _wait(self, stream: Stream) -> None:
        """Makes a stream the last to have its turn, if it has a window of its own."""
        if self.initial_window + stream.balance > 0:
            self.starved[stream.stream_id] = stream
        else:
            self.starved.pop(stream.stream_id, None)

    def _write_part(self, stream: Stream, outgoing: Outgoing) -> bool:
        left: i64 = len(outgoing.data) - outgoing.position
        size = min(left, MAX_FRAME_BYTES, self.credit, self.initial_window + stream.balance)
        if size <= 0:
            return False
        is_last = size == left
        flags = FLAG_END_STREAM if is_last and outgoing.end_stream else 0
        self.output.header(size, DATA, flags, stream.stream_id)
        self.output.writer.write(outgoing.data[outgoing.position : outgoing.position + size])
        outgoing.position += size
        stream.balance -= size
        self.credit -= size
        self.sent += size
        if is_last:
            self.forget(stream)
        return is_last

    def forget(self, stream: Stream) -> None:
        """Gives up what is left of the stream's message."""
        stream.outgoing = None
        self.waiting.pop(stream.stream_id, None)
        self.starved.pop(stream.stream_id, None)

    def clear(self) -> None:
        """Gives up everything."""
        self.waiting.clear()
        self.starved.clear()

    def first_starved(self) -> Stream | None:
        """The stream whose turn it is to take the connection's credit, if one waits for it."""
        for stream in self.starved.values():
            return stream
        return None
