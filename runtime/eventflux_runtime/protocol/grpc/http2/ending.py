"""How calls end because of what the peer sends: as they should, or broken off because it broke a rule of theirs."""

from __future__ import annotations

from typing import Final, final

from eventflux_runtime.protocol.core.event import (
    Event,
    HalfClosed,
    HeadersReceived,
    MessageReceived,
    StatusReceived,
    StreamReset,
)
from eventflux_runtime.protocol.grpc.http2.error import CANCEL, NO_ERROR, error_name
from eventflux_runtime.protocol.grpc.http2.event import RequestOpened
from eventflux_runtime.protocol.grpc.http2.frame import MESSAGE_PREFIX_BYTES
from eventflux_runtime.protocol.grpc.http2.link import Link
from eventflux_runtime.protocol.grpc.http2.sender import Sender
from eventflux_runtime.protocol.grpc.http2.stream import Stream
from eventflux_runtime.rpc.metadata import EMPTY_METADATA
from eventflux_runtime.rpc.status import Status, StatusCode

__all__ = ["Endings"]

REPLY_BYTES: Final = 64
"""What an answer that the peer provokes counts, besides its text."""
OTHER_LENGTH: Final = "the bytes of DATA are not as many as its content-length said"
CUT_SHORT: Final = "the stream ended in the middle of a message"


@final
class Endings:
    """Ends calls, and tells both sides."""

    __slots__ = ("flow", "is_server", "link", "sender", "streams")

    def __init__(self, link: Link, sender: Sender) -> None:
        self.link = link
        self.sender = sender
        self.flow = link.flow
        self.streams = link.streams
        self.is_server = link.is_server

    def end_input(self, stream: Stream, events: list[Event]) -> None:
        """The peer's END_STREAM came, with no message in the same frame and no status.

        Raises:
            RemoteProtocolError: as in `refuse`.
        """
        stream.is_remote_ended = True
        inflow = stream.inflow
        if inflow is not None:
            inflow.is_ended = True
            self.link.shares.release(inflow)
            if inflow.assembly is not None:
                self.refuse(stream, StatusCode.INTERNAL, CUT_SHORT, events)
                return
        if not self.is_server:
            self.finish(
                stream, Status(StatusCode.UNKNOWN, "the server ended the call without a grpc-status"), True, events
            )
            return
        if events:
            last = events[-1]
            if last.stream_id == stream.stream_id:
                if isinstance(last, RequestOpened):
                    last.end_stream = True
                    return
                if isinstance(last, MessageReceived):
                    last.end_stream = True
                    return
        events.append(HalfClosed(stream.stream_id))

    def finish(self, stream: Stream, status: Status, is_remote_ended: bool, events: list[Event]) -> None:
        """Client: the call has its status. A message directly ahead of it is reported with it, as in a unary call."""
        stream_id = stream.stream_id
        inflow = stream.inflow
        del self.streams[stream_id]
        self.link.limits.call_came()
        if not is_remote_ended:
            self.link.output.reset(stream_id, CANCEL)
        elif not stream.has_ended or stream.outgoing is not None:
            # The server wants no more; it may count the call as one in flight until we say that we know.
            self.link.output.reset(stream_id, NO_ERROR)
        if stream.outgoing is not None:
            self.sender.backlog.forget(stream)
        last = events[-1] if events else None
        if inflow is not None:
            inflow.is_ended = True
            self.link.shares.release(inflow)
            if inflow.assembly is not None:
                if status.code == StatusCode.OK:
                    status = Status(StatusCode.INTERNAL, CUT_SHORT)
                self.flow.abandoned(inflow)
        if isinstance(last, MessageReceived) and last.stream_id == stream_id:
            if inflow is not None:
                self.flow.taken(inflow, last.end - last.start + MESSAGE_PREFIX_BYTES)
            ended = StatusReceived(stream_id, status, True, last.data, last.start, last.end, last.compression_id)
            events.pop()
            last = events[-1] if events else None
        else:
            ended = StatusReceived(stream_id, status, False, b"", 0, 0, 0)
        if inflow is not None and inflow.has_unread(0):
            self.link.lingering[stream_id] = inflow
        if isinstance(last, HeadersReceived) and last.stream_id == stream_id and last.metadata is EMPTY_METADATA:
            events.pop()
        events.append(ended)

    def refuse(self, stream: Stream, code: StatusCode, reason: str, events: list[Event]) -> None:
        """Ends a call because of a message in it: a client learns the status.

        Raises:
            RemoteProtocolError: the peer does so too often, or does not read its answers.
        """
        self.link.limits.call_reset()
        self.sender.refuse(stream, Status(code, reason))
        self.link.output.replied(REPLY_BYTES + len(reason))
        events.append(StreamReset(stream.stream_id, code, reason, False, True))

    def break_off(self, stream: Stream, error_code: int, reason: str, events: list[Event]) -> None:
        """Ends a call because of a frame that breaks a rule of its stream (RFC 9113, 5.4.2).

        Raises:
            RemoteProtocolError: as in `refuse`.
        """
        self.link.limits.call_reset()
        self.sender.break_off(stream, error_code)
        self.link.output.replied(REPLY_BYTES)
        text = f"{error_name(error_code)}: {reason}"
        events.append(StreamReset(stream.stream_id, StatusCode.INTERNAL, text, False, True))
