"""The receiving half of flow control: how much a peer may send ahead of the application, and when it may send more.

Every window is kept as running totals, so that nothing is ever given back twice::

    allowed = consumed + size + loan        CREDIT is sent for allowed - granted, once that is worth a frame

The loan is what makes a message longer than a window get through: of the messages that have arrived in part, the first
one that the application is waiting for lends its own bytes to its stream and to the connection. There is one such
message at a time, so a connection holds at most its window and one message of the greatest length.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import Final, final

from eventflux_runtime.loading.compiled import mypyc_attr
from eventflux_runtime.protocol.core.error import RemoteProtocolError
from eventflux_runtime.protocol.core.output import Output
from eventflux_runtime.rpc.status import StatusCode

__all__ = ["Inflow", "ReceiveFlow"]

MAX_WINDOW: Final = 2**31 - 1
"""The largest that a window, or what is added to it at a time, can be."""
STREAM_STEP: Final = 2
"""A stream's CREDIT is worth a frame at this part of the window."""
CONNECTION_STEP: Final = 8
"""The connection's, too; below `RESERVE_DIVISOR`, so that a sender that is left with its reserve always goes on."""


@mypyc_attr(acyclic=True)
@final
class Inflow:
    """What arrives on one stream, in bytes of credit.

    Invariants: ``consumed + assembled <= received <= granted``; the difference of the first two is what the
    application has not taken. `assembly` is None exactly between messages; then `assembled` is 0.
    """

    __slots__ = (
        "assembled",
        "assembly",
        "compression_id",
        "consumed",
        "granted",
        "is_ended",
        "order",
        "received",
        "size",
        "stream_id",
    )

    def __init__(self, stream_id: int, size: int) -> None:
        self.stream_id = stream_id
        self.size = size
        self.granted = size
        self.received = 0
        self.consumed = 0
        self.assembled = 0
        """Credit taken by the message that is arriving in parts."""
        self.assembly: bytearray | None = None
        self.compression_id = 0
        self.order = 0
        """Which of all messages in parts it is, counted from when they began."""
        self.is_ended = False
        """The peer sends no more messages, so more credit is of no use to it."""

    def has_unread(self, arriving: int) -> bool:
        """Whether the application has whole messages to take, besides `arriving` bytes that are not counted yet."""
        return self.received - self.consumed - arriving > self.assembled


@final
class ReceiveFlow:
    """The connection's window and all its streams'.

    Invariants: the totals are those of all streams together, ended ones too; `ready` lists, in the order in which they
    began, the messages that have arrived in part and have nothing unread ahead of them; `express` is the stream of its
    first, and None where it is empty.
    """

    __slots__ = ("begun", "consumed", "express", "granted", "output", "ready", "received", "size", "stream_size")

    def __init__(self, output: Output, size: int, stream_size: int) -> None:
        self.output = output
        self.size = size
        self.stream_size = stream_size
        self.granted = size
        self.received = 0
        self.consumed = 0
        self.begun = 0
        """How many messages have begun to arrive in parts."""
        self.ready: list[Inflow] = []
        self.express: Inflow | None = None

    def arrived(self, inflow: Inflow, cost: int) -> None:
        """Counts a MESSAGE frame.

        Raises:
            RemoteProtocolError: the peer sent more than it may.
        """
        inflow.received += cost
        if inflow.received > inflow.granted:
            surplus = inflow.received - inflow.granted
            raise RemoteProtocolError(
                f"stream {inflow.stream_id} overran its window of {inflow.size} bytes by {surplus}",
                StatusCode.RESOURCE_EXHAUSTED,
            )
        self.received += cost
        if self.received > self.granted:
            raise self._overrun()

    def ignored(self, cost: int) -> None:
        """Counts a MESSAGE frame of a stream that has ended.

        Raises:
            RemoteProtocolError: the peer sent more than it may.
        """
        self.received += cost
        if self.received > self.granted:
            raise self._overrun()
        self.consumed += cost
        self._settle()

    def continues(self, inflow: Inflow, cost: int) -> None:
        """Counts `cost`, which has arrived, as part of a message that is not whole yet."""
        if not inflow.assembled:
            self.begun += 1
            inflow.order = self.begun
            if not inflow.has_unread(cost):
                self._enter(inflow)
        inflow.assembled += cost
        if self.express is inflow:
            self._settle_stream(inflow)
            self._settle()

    def completed(self, inflow: Inflow, surplus: int) -> None:
        """The message that was arriving is whole; `surplus` of its credit is not the application's to give back."""
        inflow.consumed += surplus
        self.consumed += surplus
        if inflow.assembled:
            inflow.assembled = 0
            self._leave(inflow)

    def taken(self, inflow: Inflow, cost: int) -> bool:
        """The application took a message. False if there was none of that length for it to take."""
        if cost > inflow.received - inflow.consumed - inflow.assembled:
            return False
        inflow.consumed += cost
        self.consumed += cost
        if inflow.assembled and not inflow.has_unread(0):
            self._enter(inflow)
        if not inflow.is_ended:
            self._settle_stream(inflow)
        self._settle()
        return True

    def dropped(self, inflow: Inflow) -> None:
        """The stream has ended and the application takes nothing more of it."""
        self.consumed += inflow.received - inflow.consumed
        inflow.consumed = inflow.received
        inflow.assembly = None
        inflow.is_ended = True
        self.completed(inflow, 0)
        self._settle()

    def abandoned(self, inflow: Inflow) -> None:
        """The peer ended the stream within a message; what is whole is still the application's."""
        inflow.assembly = None
        self.completed(inflow, inflow.assembled)
        self._settle()

    def forget(self) -> None:
        """The connection has ended: messages in parts are for nobody, whoever still refers to their streams."""
        for inflow in self.ready:
            inflow.assembly = None
        self.ready.clear()
        self.express = None

    def _enter(self, inflow: Inflow) -> None:
        """The message that is arriving on a stream is the next that its application waits for."""
        insort(self.ready, inflow, key=_order)
        self._choose()

    def _leave(self, inflow: Inflow) -> None:
        """It is not any more."""
        position = bisect_left(self.ready, inflow.order, key=_order)
        if position < len(self.ready) and self.ready[position] is inflow:
            del self.ready[position]
            self._choose()

    def _choose(self) -> None:
        express = self.ready[0] if self.ready else None
        if express is not self.express:
            self.express = express
            if express is not None:
                self._settle_stream(express)
                self._settle()

    def _settle_stream(self, inflow: Inflow) -> None:
        loan = inflow.assembled if self.express is inflow else 0
        owed = min(inflow.consumed + inflow.size + loan - inflow.granted, MAX_WINDOW)
        if owed * STREAM_STEP >= inflow.size:
            inflow.granted += owed
            self.output.credit(inflow.stream_id, owed)

    def _settle(self) -> None:
        express = self.express
        loan = express.assembled if express is not None else 0
        owed = min(self.consumed + self.size + loan - self.granted, MAX_WINDOW)
        if owed * CONNECTION_STEP >= self.size:
            self.granted += owed
            self.output.credit(0, owed)

    def _overrun(self) -> RemoteProtocolError:
        return RemoteProtocolError(
            f"the peer overran the connection's window of {self.size} bytes by {self.received - self.granted}",
            StatusCode.RESOURCE_EXHAUSTED,
        )


def _order(inflow: Inflow) -> int:
    return inflow.order
