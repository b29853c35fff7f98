"""The record of one call in flight: its state, and what is under way in each direction."""

from __future__ import annotations

from typing import final

from eventflux_runtime.loading.compiled import i64, mypyc_attr
from eventflux_runtime.protocol.core.flow import Inflow
from eventflux_runtime.protocol.grpc.http2.head import NO_ENCODINGS
from eventflux_runtime.rpc.status import Status

__all__ = ["Outgoing", "Stream"]


@mypyc_attr(acyclic=True)
@final
class Outgoing:
    """A message, behind its prefix, that has not been sent wholly.

    Invariant: ``data[position:]`` is what is left of it.
    """

    __slots__ = ("data", "end_stream", "position", "status")

    def __init__(self, data: bytes, end_stream: bool, status: Status | None) -> None:
        self.data = data
        self.position: i64 = 0
        self.end_stream = end_stream
        """Client: half-close with the last frame."""
        self.status = status
        """Server: the status to send behind the message."""


@mypyc_attr(acyclic=True)
@final
class Stream:
    """One call in flight.

    Invariants: `has_ended` once this side has promised END_STREAM, which a waiting message may still keep back;
    `is_remote_ended` once the peer's has arrived. `wanted` is 0 unless a message with a whole prefix is arriving in
    parts. The parts for flow control are made when DATA first needs them, because a small unary call has none.
    """

    __slots__ = (
        "accepted",
        "announced",
        "balance",
        "encoding",
        "has_ended",
        "has_head",
        "inflow",
        "is_remote_ended",
        "outgoing",
        "sent_encoding_id",
        "stream_id",
        "taken_encoding_id",
        "wanted",
    )

    def __init__(self, stream_id: int, has_ended: bool, is_remote_ended: bool) -> None:
        self.stream_id = stream_id
        self.has_ended = has_ended
        self.is_remote_ended = is_remote_ended
        self.has_head = False
        """Server: the response's head is in the output. Client: it has arrived."""
        self.balance: i64 = 0
        """The peer's WINDOW_UPDATEs less the DATA that was sent; with its initial window, what this side may send."""
        self.outgoing: Outgoing | None = None
        self.inflow: Inflow | None = None
        self.wanted: i64 = 0
        """Length, prefix included, of the message that is arriving in parts."""
        self.sent_encoding_id = 0
        """How messages from this side are compressed, where they are; the peer is told in the head."""
        self.taken_encoding_id = 0
        """The same of messages from the peer; -1: in a way that nobody here knows."""
        self.encoding = "identity"
        """Its name as the peer has it."""
        self.announced: i64 = -1
        """What is still to come of the bytes of DATA that a content-length announced; -1 if none did."""
        self.accepted: frozenset[int] = NO_ENCODINGS
        """Server: the compressions that the client reads."""
