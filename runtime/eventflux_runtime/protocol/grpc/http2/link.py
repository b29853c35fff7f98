"""What the parts of one connection share."""

from __future__ import annotations

from typing import Final, final

from eventflux_runtime.protocol.core.error import LocalProtocolError
from eventflux_runtime.protocol.core.flow import Inflow, ReceiveFlow
from eventflux_runtime.protocol.grpc.http2.frame import MAX_STREAM_ID, MESSAGE_PREFIX_BYTES
from eventflux_runtime.protocol.grpc.http2.head import NO_ENCODINGS
from eventflux_runtime.protocol.grpc.http2.limits import Limits
from eventflux_runtime.protocol.grpc.http2.output import FrameOutput
from eventflux_runtime.protocol.grpc.http2.settings import Settings
from eventflux_runtime.protocol.grpc.http2.shares import FIRST_WINDOW, Shares
from eventflux_runtime.protocol.grpc.http2.stream import Stream

__all__ = ["Link"]

HANDSHAKE: Final = 0
"""The peer's SETTINGS have not arrived."""
READY: Final = 1
"""Calls may begin."""
LEAVING: Final = 2
"""Server: it said that it will take no more calls, and takes those that cross this."""
DRAINING: Final = 3
"""One side said GOAWAY: no call begins, calls in flight go on."""
ENDED: Final = 4
"""Nothing is sent or received any more."""

STATE_NAMES: Final = ("handshake", "ready", "leaving", "draining", "closed")


@final
class Link:
    """The state of one connection.

    Invariants:
        - `streams` holds exactly the calls in flight; an id of the client's up to `last_stream_id` that is not in it
          has ended, so nothing has to be kept of it.
        - `lingering` holds what the application has still to take of calls that have ended.
        - `state` only rises.
    """

    __slots__ = (
        "flow",
        "is_server",
        "last_stream_id",
        "learned",
        "limits",
        "lingering",
        "max_streams",
        "output",
        "processed_limit",
        "settings",
        "shares",
        "state",
        "streams",
    )

    def __init__(self, is_server: bool, settings: Settings, now: float) -> None:
        self.is_server = is_server
        self.settings = settings
        self.state: int = HANDSHAKE
        self.limits = Limits(settings, now)
        self.streams: dict[int, Stream] = {}
        self.lingering: dict[int, Inflow] = {}
        self.last_stream_id = 0 if is_server else -1
        """The highest id that the client opened, as far as this side knows; a client counts on from it by two."""
        self.processed_limit: int = MAX_STREAM_ID
        """The last stream id of the last GOAWAY that limits the client's calls, whoever sent it."""
        self.max_streams: int = MAX_STREAM_ID
        """Client: calls that the server allows in flight."""
        self.learned: frozenset[int] = NO_ENCODINGS
        """Client: the compressions that the server reads, as it last said."""
        self.output = FrameOutput(settings.max_reply_bytes)
        window = settings.whole_window
        self.flow = ReceiveFlow(self.output, window, FIRST_WINDOW)
        self.shares = Shares(self.output, window, settings.stream_window, settings.max_streams)

    def was_opened(self, stream_id: int) -> bool:
        """Whether a stream is, or was, one of the client's. The server has none: there is no push."""
        return 0 < stream_id <= self.last_stream_id and stream_id & 1 == 1

    def consumed(self, stream_id: int, size: int) -> None:
        """The application took a message of this length.

        Raises:
            LocalProtocolError: the stream had no message of this length for it.
        """
        stream = self.streams.get(stream_id)
        inflow = self.lingering.get(stream_id) if stream is None else stream.inflow
        if inflow is None:
            if stream is None and self.was_opened(stream_id):
                return
            raise LocalProtocolError(f"stream {stream_id} has brought no message that could be consumed")
        if not self.flow.taken(inflow, size + MESSAGE_PREFIX_BYTES):
            raise LocalProtocolError(f"stream {stream_id} has no unread message of {size} bytes")
        if stream is None and not inflow.has_unread(0):
            del self.lingering[stream_id]
