"""What the sending and the receiving half of one connection share."""

from __future__ import annotations

from typing import final

from eventflux_runtime.protocol.core.error import LocalProtocolError
from eventflux_runtime.protocol.core.flow import Inflow, ReceiveFlow
from eventflux_runtime.protocol.native.core.output import FrameOutput
from eventflux_runtime.protocol.native.core.settings import PeerSettings, Settings
from eventflux_runtime.protocol.native.core.state import CONNECTION_TABLE, HANDSHAKE
from eventflux_runtime.protocol.native.core.stream import Stream

__all__ = ["Link"]


@final
class Link:
    """The state of one connection.

    Invariants:
        - `streams` holds exactly the calls in flight; an id up to `last_stream_id` that is not in it has ended.
        - `lingering` holds what the application has still to take of calls that have ended.
        - `state` moves only along `CONNECTION_TABLE`.
    """

    __slots__ = (
        "flow",
        "is_server",
        "last_stream_id",
        "lingering",
        "output",
        "peer",
        "processed_limit",
        "settings",
        "state",
        "streams",
    )

    def __init__(self, is_server: bool, settings: Settings) -> None:
        self.is_server = is_server
        self.settings = settings
        self.peer: PeerSettings | None = None
        self.state: int = HANDSHAKE
        self.streams: dict[int, Stream] = {}
        self.lingering: dict[int, Inflow] = {}
        self.last_stream_id = 0
        """The highest id that the client of this connection opened, as far as this side knows."""
        self.processed_limit = -1
        """Server: the last stream id of the GOAWAY that was sent; -1: none was."""
        self.output = FrameOutput(settings.max_reply_bytes)
        self.flow = ReceiveFlow(self.output, settings.connection_window, settings.stream_window)

    def move(self, event: int) -> None:
        """Moves the connection along its table.

        Raises:
            LocalProtocolError: the table forbids it.
        """
        state = CONNECTION_TABLE[self.state].get(event)
        if state is None:
            raise LocalProtocolError(f"connection event {event} cannot happen in state {self.state}")
        self.state = state

    def consumed(self, stream_id: int, cost: int) -> None:
        """The application took a message that cost this much credit.

        Raises:
            LocalProtocolError: the stream had no message of this length for it.
        """
        stream = self.streams.get(stream_id)
        inflow = self.lingering.get(stream_id) if stream is None else stream.inflow
        if inflow is None:
            if stream is None and 0 < stream_id <= self.last_stream_id:
                return
            raise LocalProtocolError(f"stream {stream_id} has brought no message that could be consumed")
        if not self.flow.taken(inflow, cost):
            raise LocalProtocolError(f"stream {stream_id} has no unread message that takes {cost} bytes of credit")
        if stream is None and not inflow.has_unread(0):
            del self.lingering[stream_id]
