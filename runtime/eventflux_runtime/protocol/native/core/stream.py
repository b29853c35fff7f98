"""The record of one call in flight: its state, and what is under way in each direction."""

from __future__ import annotations

from typing import final

from eventflux_runtime.loading.compiled import mypyc_attr
from eventflux_runtime.protocol.core.flow import Inflow
from eventflux_runtime.rpc.status import Status

__all__ = ["Outgoing", "Stream"]


@mypyc_attr(acyclic=True)
@final
class Outgoing:
    """A message that has not been sent wholly.

    Invariant: ``data[position:end]`` is what is left; `is_begun` once a first part went out.
    """

    __slots__ = ("data", "end", "end_stream", "first_flags", "is_begun", "position", "status")

    def __init__(self, data: bytes, first_flags: int, end_stream: bool, status: Status | None) -> None:
        self.data = data
        self.position = 0
        self.end = len(data)
        self.first_flags = first_flags
        """Flags of the message's first frame."""
        self.end_stream = end_stream
        """Client: half-close with the last frame."""
        self.status = status
        """Server: the status to send behind the message."""
        self.is_begun = False


@mypyc_attr(acyclic=True)
@final
class Stream:
    """One call in flight.

    Its flow-control parts are made when a MESSAGE frame first needs them, because a small unary call has none.
    """

    __slots__ = ("inflow", "outgoing", "send_credit", "state", "stream_id")

    def __init__(self, stream_id: int, state: int, send_credit: int) -> None:
        self.stream_id = stream_id
        self.state = state
        self.send_credit = send_credit
        """What the peer still allows in MESSAGE frames of this stream, in bytes."""
        self.outgoing: Outgoing | None = None
        self.inflow: Inflow | None = None
