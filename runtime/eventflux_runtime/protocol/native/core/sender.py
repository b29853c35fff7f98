"""The sending half of a connection: calls, messages and statuses become frames, as far as the peer's credit goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar, final

from librt.strings import BytesWriter, write_i16_le, write_i64_le

from eventflux_runtime.protocol.core.error import (
    LocalProtocolError,
    MessageTooLarge,
    RemoteProtocolError,
    StreamsExhausted,
)
from eventflux_runtime.protocol.core.event import Event, MessageSent
from eventflux_runtime.protocol.core.output import Written
from eventflux_runtime.protocol.native.core.backlog import Backlog
from eventflux_runtime.protocol.native.core.frame import (
    FLAG_COMPRESSED,
    FLAG_END,
    FLAG_FULL,
    FLAG_MESSAGE,
    FLAG_METADATA,
    FLAG_PROTOBUF,
    FRAME_COST,
    HALF_CLOSE,
    HEADER_BYTES,
    HEADERS,
    MAX_STREAM_ID,
    MAX_WINDOW,
    MESSAGE,
    OPEN,
    STATUS,
)
from eventflux_runtime.protocol.native.core.link import Link
from eventflux_runtime.protocol.native.core.metadata_block import encode_metadata
from eventflux_runtime.protocol.native.core.settings import PeerSettings
from eventflux_runtime.protocol.native.core.state import (
    CLIENT_END,
    CLIENT_MESSAGE,
    FORBIDDEN,
    HALF_CLOSED,
    NEXT_STREAM_STATE,
    READY,
    SERVER_HEADERS,
    SERVER_MESSAGE,
    SERVER_STATUS,
    STREAM_EVENTS,
    stream_state_name,
)
from eventflux_runtime.protocol.native.core.state import OPEN as OPEN_STATE
from eventflux_runtime.protocol.native.core.status_block import encode_status
from eventflux_runtime.protocol.native.core.stream import Outgoing, Stream
from eventflux_runtime.rpc.metadata import EMPTY_METADATA, Metadata
from eventflux_runtime.rpc.status import OK_STATUS, Status, StatusCode

__all__ = ["Sender"]

M = TypeVar("M")

MAX_FRAGMENT_BYTES: Final = 128 * 1024
"""Part of a message in one frame, at most, however large the frames are that the peer takes."""
HEADER_FLAGS: Final = 5
"""Where the flags stand in a frame header."""


@final
class Sender:
    """Writes the frames of calls.

    Invariant: what a failing encoder has written is gone before anything else is written.
    """

    __slots__ = ("backlog", "frame_bytes", "link", "message_bytes", "output", "written")

    def __init__(self, link: Link) -> None:
        self.link = link
        self.output = link.output
        self.backlog = Backlog(link.output)
        self.frame_bytes = 0
        self.message_bytes = 0
        self.written = Written()

    def agree(self, peer: PeerSettings) -> None:
        """Takes over what the peer announced."""
        self.frame_bytes = min(peer.max_frame_bytes, MAX_FRAGMENT_BYTES)
        self.backlog.agree(peer.connection_window, self.frame_bytes)
        self.message_bytes = peer.max_message_bytes

    def open(  # noqa: PLR0917 (the path of every call passes no keywords)
        self,
        method_id: int,
        timeout_us: int,
        metadata: Metadata,
        message: M,
        encode: Callable[[M, BytesWriter], None] | None,
        end: bool,
        protobuf: bool,
        compression_id: int,
    ) -> int:
        """Opens a stream; see `Connection.open`."""
        link = self.link
        peer = self._peer()
        if (
            link.is_server
            or link.state != READY
            or len(link.streams) >= peer.max_streams
            or link.last_stream_id >= MAX_STREAM_ID
        ):
            raise self._cannot_open(peer)
        if not 0 <= method_id < len(peer.methods):
            raise LocalProtocolError(f"method id {method_id} is none of the {len(peer.methods)} that the peer listed")
        stream_id = link.last_stream_id + 1
        if stream_id > MAX_STREAM_ID:
            raise self._cannot_open(peer)
        flags = FLAG_PROTOBUF if protobuf else 0
        if end:
            flags |= FLAG_END
        output = self.output
        writer = output.writer
        start = len(writer)
        outgoing: Outgoing | None = None
        try:
            output.header(0, OPEN, stream_id)
            write_i16_le(writer, method_id)
            write_i64_le(writer, timeout_us)
            if metadata is not EMPTY_METADATA and metadata.pairs:
                encode_metadata(metadata, writer, peer.max_metadata_bytes)
                flags |= FLAG_METADATA
            if encode is not None:
                body = len(writer)
                self._append(message, encode, compression_id)
                message_flags = FLAG_COMPRESSED if compression_id else 0
                if len(writer) - start - HEADER_BYTES <= self.frame_bytes:
                    flags |= FLAG_MESSAGE | message_flags
                else:
                    self._finish(writer, start, body, flags & ~FLAG_END)
                    outgoing = Outgoing(output.cut(body, body), message_flags, end, None)
        except BaseException:  # whatever the encoder raised, cancellation included, must leave no half frame behind
            writer.truncate(start)
            raise
        if outgoing is None:
            self._finish(writer, start, len(writer), flags)
        link.last_stream_id = stream_id
        stream = Stream(stream_id, HALF_CLOSED if end else OPEN_STATE, peer.stream_window)
        link.streams[stream_id] = stream
        if outgoing is not None:
            self._advance(stream, outgoing)
        return stream_id

    def send_message(
        self,
        stream_id: int,
        message: M,
        encode: Callable[[M, BytesWriter], None],
        end: bool,
        compression_id: int,
    ) -> bool:
        """Sends a message; see `Connection.send_message`."""
        stream = self._stream(stream_id)
        if stream is None:
            self.written.size = 0
            return True
        if self.link.is_server:
            state = self._next(stream, SERVER_MESSAGE)
        else:
            state = self._next(stream, CLIENT_END if end else CLIENT_MESSAGE)
        if stream.outgoing is not None:
            raise LocalProtocolError(f"stream {stream_id} has a message waiting already: wait for MessageSent")
        output = self.output
        writer = output.writer
        start = len(writer)
        output.header(0, MESSAGE, stream_id)
        try:
            self._append(message, encode, compression_id)
        except BaseException:  # as in `open`
            writer.truncate(start)
            raise
        stream.state = state
        flags = FLAG_COMPRESSED if compression_id else 0
        size = len(writer) - start - HEADER_BYTES
        cost = size + FRAME_COST
        if size <= self.frame_bytes and self.backlog.take(stream, cost):
            self._finish(writer, start, start + HEADER_BYTES + size, flags | FLAG_END if end else flags)
            return True
        return self._advance(stream, Outgoing(output.cut(start, start + HEADER_BYTES), flags, end, None))

    def half_close(self, stream_id: int) -> None:
        """Ends the client's side; see `Connection.half_close`."""
        stream = self._stream(stream_id)
        if stream is None:
            return
        stream.state = self._next(stream, CLIENT_END)
        if stream.outgoing is not None:
            stream.outgoing.end_stream = True
        else:
            self.output.header(0, HALF_CLOSE, stream_id)

    def send_headers(self, stream_id: int, metadata: Metadata) -> None:
        """Sends initial metadata; see `Connection.send_headers`."""
        stream = self._stream(stream_id)
        if stream is None:
            return
        state = self._next(stream, SERVER_HEADERS)
        output = self.output
        start = len(output.writer)
        output.header(0, HEADERS, stream_id)
        try:
            encode_metadata(metadata, output.writer, self._peer().max_metadata_bytes)
        except BaseException:  # as in `open`
            output.writer.truncate(start)
            raise
        stream.state = state
        self._finish(output.writer, start, len(output.writer), 0)

    def send_status(
        self,
        stream_id: int,
        status: Status,
        message: M,
        encode: Callable[[M, BytesWriter], None] | None,
        compression_id: int,
    ) -> bool:
        """Ends the call; see `Connection.send_status`."""
        stream = self._stream(stream_id)
        if stream is None:
            self.written.size = 0
            return True
        self._next(stream, SERVER_STATUS)
        if stream.outgoing is not None:
            if encode is not None or stream.outgoing.status is not None:
                raise LocalProtocolError(f"stream {stream_id} has a message or status waiting: wait for MessageSent")
            if status.code == StatusCode.OK:
                stream.outgoing.status = status
                return False
            self.backlog.forget(stream)
        output = self.output
        writer = output.writer
        start = len(writer)
        output.header(0, STATUS, stream_id)
        flags = 0
        try:
            if status is not OK_STATUS and status != OK_STATUS:
                peer = self._peer()
                encode_status(status, writer, self.frame_bytes, peer.max_metadata_bytes)
                flags = FLAG_FULL
            if encode is not None:
                body = len(writer)
                self._append(message, encode, compression_id)
                message_flags = FLAG_COMPRESSED if compression_id else 0
                if len(writer) - start - HEADER_BYTES > self.frame_bytes:
                    return self._advance(stream, Outgoing(output.cut(start, body), message_flags, False, status))
                flags |= FLAG_MESSAGE | message_flags
        except BaseException:  # as in `open`
            writer.truncate(start)
            raise
        self._finish(writer, start, len(writer), flags)
        self.close(stream)
        return True

    def close(self, stream: Stream) -> None:
        """Removes a stream of which the application takes nothing more."""
        self.link.streams.pop(stream.stream_id, None)
        if stream.outgoing is not None:
            self.backlog.forget(stream)
        if stream.inflow is not None:
            self.link.flow.dropped(stream.inflow)

    def credited(self, stream_id: int, increment: int, events: list[Event]) -> None:
        """The peer sent a CREDIT.

        Raises:
            RemoteProtocolError: it grants nothing, or more than can be.
        """
        if not 0 < increment <= MAX_WINDOW:
            raise RemoteProtocolError(f"credit of {increment} bytes is outside 1 to {MAX_WINDOW}")
        if stream_id:
            stream = self.link.streams.get(stream_id)
            if stream is None:
                return
            self.backlog.grant_stream(stream, increment)
            self._resume(stream, events)
            return
        backlog = self.backlog
        backlog.grant(increment)
        first = backlog.first_begun()
        if first is not None:
            self._resume(first, events)
        # Only streams that this helps are looked at: a peer must not buy a long walk with a small frame.
        starved = backlog.first_starved()
        while starved is not None:
            self._resume(starved, events)
            if backlog.first_starved() is starved:
                break
            starved = backlog.first_starved()

    def _append(self, message: M, encode: Callable[[M, BytesWriter], None], compression_id: int) -> None:
        writer = self.output.writer
        if compression_id:
            writer.append(compression_id)
        start = len(writer)
        encode(message, writer)
        size = len(writer) - start
        if size > self.message_bytes:
            raise MessageTooLarge(size, self.message_bytes)
        self.written.size = size

    def _finish(self, writer: BytesWriter, start: int, end: int, flags: int) -> None:
        """Fills in length and flags of the frame that was begun at `start`."""
        size = end - start - HEADER_BYTES
        writer[start] = size & 0xFF
        if size > 0xFF:
            writer[start + 1] = size >> 8 & 0xFF
            if size > 0xFFFF:
                writer[start + 2] = size >> 16 & 0xFF
        writer[start + HEADER_FLAGS] = flags

    def _resume(self, stream: Stream, events: list[Event]) -> None:
        if stream.outgoing is not None and self._advance(stream, stream.outgoing):
            events.append(MessageSent(stream.stream_id))

    def _advance(self, stream: Stream, outgoing: Outgoing) -> bool:
        """Sends what there is credit for. True once the message, and the status behind it, is in the output."""
        if not self.backlog.advance(stream, outgoing):
            return False
        if outgoing.status is not None:
            self.send_status(stream.stream_id, outgoing.status, None, None, 0)
        return True

    def _stream(self, stream_id: int) -> Stream | None:
        """The stream to send on; None if it has ended, so that what is sent is dropped."""
        stream = self.link.streams.get(stream_id)
        if stream is None and not 0 < stream_id <= self.link.last_stream_id:
            raise LocalProtocolError(f"stream {stream_id} was never opened")
        return stream

    def _next(self, stream: Stream, event: int) -> int:
        if (event >= SERVER_HEADERS) != self.link.is_server:
            raise LocalProtocolError("half-close is the client's to send, headers and status are the server's")
        state = NEXT_STREAM_STATE[stream.state * STREAM_EVENTS + event]
        if state == FORBIDDEN:
            raise LocalProtocolError(
                f"stream {stream.stream_id} is {stream_state_name(stream.state)}: too late to send"
            )
        return state

    def _peer(self) -> PeerSettings:
        peer = self.link.peer
        if peer is None:
            raise LocalProtocolError("the handshake is not over: wait for HelloReceived")
        return peer

    def _cannot_open(self, peer: PeerSettings) -> Exception:
        link = self.link
        if link.is_server:
            return LocalProtocolError("only a client opens streams")
        if link.state != READY:
            return LocalProtocolError("the connection takes no new calls: it is draining or closed")
        if link.last_stream_id >= MAX_STREAM_ID:
            return StreamsExhausted(
                "the connection's stream ids are used up: open another", MAX_STREAM_ID, MAX_STREAM_ID
            )
        in_flight = len(link.streams)
        return StreamsExhausted(
            f"{in_flight} calls are in flight, the peer allows {peer.max_streams}: wait, or open another connection",
            in_flight,
            peer.max_streams,
        )
