"""The receiving half of flow control: how much a peer may send ahead of the application, and when it may send more.

Every window is kept as running totals, so that nothing is ever given back twice::

    allowed = consumed + size + loan        CREDIT is sent for allowed - granted, once that is worth a frame

The loan is what makes a message longer than a window get through: of the messages that have arrived in part, the first
one that the application is waiting for lends its own bytes to its stream and to the connection. There is one such
message at a time, so a connection holds at most its window and one message of the greatest length.
"""

from __future__ import annotations

from typing import Final, final

from eventflux_runtime.status import StatusCode
from eventflux_runtime.wire.error import WireError
from eventflux_runtime.wire.frame import MAX_WINDOW
from eventflux_runtime.wire.output import Output

__all__ = ["Inflow", "ReceiveFlow"]

STREAM_STEP: Final = 2
"""A stream's CREDIT is worth a frame at this part of the window."""
CONNECTION_STEP: Final = 8
"""The connection's, too; below `RESERVE_DIVISOR`, so that a sender that is left with its reserve always goes on."""


@final
class Inflow:
    """What arrives on one stream, in bytes of credit.

    Invariants: ``consumed + assembled <= received <= granted``; the difference of the first two is what the
    application has not taken. `assembly` is None exactly between messages; then `assembled` is 0.
    """

    __slots__ = ("assembled", "assembly", "compression_id", "consumed", "granted", "is_ended", "received", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.granted = size
        self.received = 0
        self.consumed = 0
        self.assembled = 0
        """Credit taken by the message that is arriving in parts."""
        self.assembly: bytearray | None = None
        self.compression_id = 0
        self.is_ended = False
        """The peer sends no more messages, so more credit is of no use to it."""

    def has_unread(self) -> bool:
        """Whether the application still has whole messages to take."""
        return self.received - self.consumed > self.assembled


@final
class ReceiveFlow:
    """The connection's window and all its streams'.

    Invariants: the totals are those of all streams together, ended ones too; `express` is the first of `assembling`
    (in the order in which they began) that has nothing unread ahead of it.
    """

    __slots__ = ("assembling", "consumed", "express", "granted", "output", "received", "size", "stream_size")

    def __init__(self, output: Output, size: int, stream_size: int) -> None:
        self.output = output
        self.size = size
        self.stream_size = stream_size
        self.granted = size
        self.received = 0
        self.consumed = 0
        self.assembling: dict[int, Inflow] = {}
        self.express: Inflow | None = None

    def arrived(self, stream_id: int, inflow: Inflow, cost: int) -> None:
        """Counts a MESSAGE frame.

        Raises:
            WireError: the peer sent more than it may.
        """
        inflow.received += cost
        if inflow.received > inflow.granted:
            raise WireError(
                f"stream {stream_id} overran its window of {inflow.size} bytes by {inflow.received - inflow.granted}",
                StatusCode.RESOURCE_EXHAUSTED,
            )
        self.received += cost
        if self.received > self.granted:
            raise self._overrun()

    def ignored(self, cost: int) -> None:
        """Counts a MESSAGE frame of a stream that has ended.

        Raises:
            WireError: the peer sent more than it may.
        """
        self.received += cost
        if self.received > self.granted:
            raise self._overrun()
        self.consumed += cost
        self._settle()

    def continues(self, stream_id: int, inflow: Inflow, cost: int) -> None:
        """Counts `cost`, which has arrived, as part of a message that is not whole yet."""
        if not inflow.assembled:
            self.assembling[stream_id] = inflow
        inflow.assembled += cost
        if self.express is None:
            self._choose()
        if self.express is inflow:
            self._settle_stream(stream_id, inflow)
            self._settle()

    def completed(self, stream_id: int, inflow: Inflow, surplus: int) -> None:
        """The message that was arriving is whole; `surplus` of its credit is not the application's to give back."""
        inflow.assembled = 0
        self.assembling.pop(stream_id, None)
        inflow.consumed += surplus
        self.consumed += surplus
        if self.express is inflow:
            self._choose()

    def taken(self, stream_id: int, inflow: Inflow, cost: int) -> bool:
        """The application took a message. False if there was none of that length for it to take."""
        if cost > inflow.received - inflow.consumed - inflow.assembled:
            return False
        inflow.consumed += cost
        self.consumed += cost
        if inflow.assembled and not inflow.has_unread():
            self._choose()
        if not inflow.is_ended:
            self._settle_stream(stream_id, inflow)
        self._settle()
        return True

    def dropped(self, stream_id: int, inflow: Inflow) -> None:
        """The stream has ended and the application takes nothing more of it."""
        self.consumed += inflow.received - inflow.consumed
        inflow.consumed = inflow.received
        inflow.assembled = 0
        inflow.assembly = None
        inflow.is_ended = True
        self.assembling.pop(stream_id, None)
        if self.express is inflow:
            self._choose()
        self._settle()

    def abandoned(self, stream_id: int, inflow: Inflow) -> None:
        """The peer ended the stream within a message; what is whole is still the application's."""
        self.consumed += inflow.assembled
        inflow.consumed += inflow.assembled
        self.completed(stream_id, inflow, 0)
        inflow.assembly = None
        self._settle()

    def _choose(self) -> None:
        self.express = None
        for stream_id, inflow in self.assembling.items():
            if not inflow.has_unread():
                self.express = inflow
                self._settle_stream(stream_id, inflow)
                self._settle()
                return

    def _settle_stream(self, stream_id: int, inflow: Inflow) -> None:
        loan = inflow.assembled if self.express is inflow else 0
        owed = min(inflow.consumed + inflow.size + loan - inflow.granted, MAX_WINDOW)
        if owed * STREAM_STEP >= inflow.size:
            inflow.granted += owed
            self.output.credit(stream_id, owed)

    def _settle(self) -> None:
        express = self.express
        loan = express.assembled if express is not None else 0
        owed = min(self.consumed + self.size + loan - self.granted, MAX_WINDOW)
        if owed * CONNECTION_STEP >= self.size:
            self.granted += owed
            self.output.credit(0, owed)

    def _overrun(self) -> WireError:
        return WireError(
            f"the peer overran the connection's window of {self.size} bytes by {self.received - self.granted}",
            StatusCode.RESOURCE_EXHAUSTED,
        )
