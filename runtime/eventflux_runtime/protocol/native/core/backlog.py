"""The sending half of flow control: what the peer allows, and the messages that wait for more.

The order is part of the protocol: while a message is partly sent, the first such message alone may take the last part
of the connection's credit. So it gets through whatever the others hold, and then the next one is first.
"""

from __future__ import annotations

from typing import Final, final

from eventflux_runtime.protocol.core.error import RemoteProtocolError
from eventflux_runtime.protocol.native.core.frame import (
    CREDIT_CEILING,
    FLAG_END,
    FLAG_MORE,
    FRAME_COST,
    MESSAGE,
    RESERVE_DIVISOR,
)
from eventflux_runtime.protocol.native.core.output import FrameOutput
from eventflux_runtime.protocol.native.core.stream import Outgoing, Stream

__all__ = ["Backlog"]

LEAST_PART_BYTES: Final = 2
"""A part has at least one byte of the message, even behind the id of its compression."""


@final
class Backlog:
    """The messages of one connection that are not wholly sent.

    Invariants: `waiting` holds the streams with an `outgoing` message; `begun` those of them whose message is partly
    sent, in the order in which they were begun; `starved` those that have credit of their own and wait for the
    connection's, in the order in which they came to. `credit`, and each stream's, is what the peer allows in MESSAGE
    frames and was not used; neither falls below 0.
    """

    __slots__ = ("begun", "credit", "frame_bytes", "output", "reserve", "starved", "waiting")

    def __init__(self, output: FrameOutput) -> None:
        self.output = output
        self.waiting: dict[int, Stream] = {}
        self.begun: dict[int, Stream] = {}
        self.starved: dict[int, Stream] = {}
        self.credit = 0
        self.reserve = 0
        self.frame_bytes = 0

    def agree(self, window: int, frame_bytes: int) -> None:
        """Takes over the connection's first credit and the length of frames."""
        self.credit = window
        self.reserve = window // RESERVE_DIVISOR
        self.frame_bytes = frame_bytes

    def grant(self, increment: int) -> None:
        """The peer gave credit to the connection.

        Raises:
            RemoteProtocolError: more than can be.
        """
        self.credit += increment
        if self.credit > CREDIT_CEILING:
            raise RemoteProtocolError(
                f"credit of the connection rose to {self.credit}, over the limit of {CREDIT_CEILING}"
            )

    def grant_stream(self, stream: Stream, increment: int) -> None:
        """The peer gave credit to a stream.

        Raises:
            RemoteProtocolError: more than can be.
        """
        stream.send_credit += increment
        if stream.send_credit > CREDIT_CEILING:
            raise RemoteProtocolError(
                f"credit of stream {stream.stream_id} rose to {stream.send_credit}, over the limit of {CREDIT_CEILING}"
            )

    def take(self, stream: Stream, cost: int) -> bool:
        """Takes the credit of one whole message, if there is enough."""
        if cost > stream.send_credit or cost > self._spare(stream):
            return False
        stream.send_credit -= cost
        self.credit -= cost
        return True

    def advance(self, stream: Stream, outgoing: Outgoing) -> bool:
        """Writes as much of a message as there is credit for; whether that is all of it."""
        stream_id = stream.stream_id
        if stream.outgoing is None:
            stream.outgoing = outgoing
            self.waiting[stream_id] = stream
        while True:
            left = outgoing.end - outgoing.position
            room = min(stream.send_credit, self._spare(stream)) - FRAME_COST
            size = min(left, self.frame_bytes)
            if room < size:
                least = min(size, LEAST_PART_BYTES)
                if room < least:
                    if stream.send_credit - FRAME_COST >= least:
                        self.starved[stream_id] = stream
                    else:
                        self.starved.pop(stream_id, None)
                    return False
                size = room
            is_last = size == left
            flags = 0 if outgoing.is_begun else outgoing.first_flags
            if not is_last:
                flags |= FLAG_MORE
            elif outgoing.end_stream:
                flags |= FLAG_END
            self.output.header(size, MESSAGE | flags << 8, stream_id)
            self.output.writer.write(outgoing.data[outgoing.position : outgoing.position + size])
            stream.send_credit -= size + FRAME_COST
            self.credit -= size + FRAME_COST
            if is_last:
                self.forget(stream)
                return True
            outgoing.position += size
            outgoing.is_begun = True
            self.begun[stream_id] = stream

    def forget(self, stream: Stream) -> None:
        """Gives up what is left of the stream's message."""
        stream.outgoing = None
        self.waiting.pop(stream.stream_id, None)
        self.begun.pop(stream.stream_id, None)
        self.starved.pop(stream.stream_id, None)

    def clear(self) -> None:
        """Gives up everything."""
        self.waiting.clear()
        self.begun.clear()
        self.starved.clear()

    def first_begun(self) -> Stream | None:
        """The stream that may take the last of the connection's credit, if there is one."""
        for stream in self.begun.values():
            return stream
        return None

    def first_starved(self) -> Stream | None:
        """The stream that is to get the connection's next credit, if one waits for it."""
        for stream in self.starved.values():
            return stream
        return None

    def _spare(self, stream: Stream) -> int:
        """What the stream may take of the connection's credit."""
        first = self.first_begun()
        return self.credit if first is None or first is stream else self.credit - self.reserve
