"""What a client sends: requests, their messages, and their ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, final

from librt.strings import BytesWriter

from eventflux_runtime.protocol.core.error import LocalProtocolError, StreamsExhausted
from eventflux_runtime.protocol.grpc.http2.error import CANCEL, error_code_of
from eventflux_runtime.protocol.grpc.http2.frame import DATA, FLAG_END_STREAM, MAX_STREAM_ID
from eventflux_runtime.protocol.grpc.http2.link import READY, Link
from eventflux_runtime.protocol.grpc.http2.request_writer import RequestWriter, Route
from eventflux_runtime.protocol.grpc.http2.sender import Sender
from eventflux_runtime.protocol.grpc.http2.shares import connection_window
from eventflux_runtime.protocol.grpc.http2.stream import Stream
from eventflux_runtime.rpc.metadata import Metadata
from eventflux_runtime.rpc.status import Status, StatusCode

__all__ = ["RequestSender"]

M = TypeVar("M")


@final
class RequestSender(Sender):
    """The client's `Sender`."""

    __slots__ = ("_room", "heads")

    def __init__(self, link: Link, heads: RequestWriter) -> None:
        super().__init__(link)
        self.heads = heads
        self._room = link.settings.max_streams
        """So many calls the connection's window is large enough for."""

    def limit_table(self, max_bytes: int) -> None:
        """See `Sender.limit_table`."""
        self.heads.limit_table(max_bytes)

    def limit_lists(self, max_bytes: int) -> None:
        """See `Sender.limit_lists`."""
        self.heads.limit_lists(max_bytes)

    def open(
        self,
        route: Route,
        timeout_us: int,
        metadata: Metadata,
        message: M,
        encode: Callable[[M, BytesWriter], None] | None,
        end: bool,
        compression_id: int,
    ) -> int:
        """Opens a stream; see `Connection.open`."""
        link = self.link
        stream_id = link.last_stream_id + 2
        if link.state != READY or len(link.streams) >= link.max_streams or stream_id > MAX_STREAM_ID:
            raise self._cannot_open()
        output = self.output
        start = len(output.writer)
        mark = self.heads.table_mark()
        block = self.heads.request(route, timeout_us, metadata, compression_id)
        stream = Stream(stream_id, end, False)
        stream.sent_encoding_id = compression_id
        output.headers(block, FLAG_END_STREAM if end and encode is None else 0, stream_id)
        if encode is not None:
            try:
                self.write_message(stream, message, encode, end, compression_id)
            except BaseException:  # whatever the encoder raised, the server must not see a call that never was
                if self.heads.table_mark() == mark:
                    output.writer.truncate(start)
                else:  # the block changed the table of both sides, so it has to be sent
                    link.last_stream_id = stream_id
                    output.reset(stream_id, CANCEL)
                raise
        link.last_stream_id = stream_id
        link.streams[stream_id] = stream
        if len(link.streams) > self._room:
            self._make_room()
        return stream_id

    def send_message(
        self,
        stream_id: int,
        message: M,
        encode: Callable[[M, BytesWriter], None],
        end: bool,
        compression_id: int,
    ) -> bool:
        """Sends a message; see `Machine.send_message`."""
        stream = self.stream(stream_id)
        if stream is None:
            self.written.size = 0
            return True
        self.check_sendable(stream)
        if compression_id and compression_id != stream.sent_encoding_id:
            raise LocalProtocolError(f"stream {stream_id} was opened without compression {compression_id}")
        is_whole = self.write_message(stream, message, encode, end, compression_id)
        if end:
            stream.has_ended = True
        return is_whole

    def half_close(self, stream_id: int) -> None:
        """Ends the client's side; see `Machine.half_close`."""
        stream = self.stream(stream_id)
        if stream is None:
            return
        if stream.has_ended:
            raise LocalProtocolError(f"stream {stream_id} is half-closed already")
        stream.has_ended = True
        if stream.outgoing is not None:
            stream.outgoing.end_stream = True
        else:
            self.output.header(0, DATA, FLAG_END_STREAM, stream_id)

    def refuse(self, stream: Stream, status: Status) -> None:
        """See `Sender.refuse`. The server is not told why: there is no word for it."""
        self.break_off(stream, CANCEL)

    def reset(self, stream: Stream, code: StatusCode, reason: str, unprocessed: bool) -> None:
        """See `Sender.reset`."""
        self.close(stream)
        self.output.reset(stream.stream_id, error_code_of(code))

    def _make_room(self) -> None:
        """More calls are in flight than ever: makes the connection's window larger, for as many again."""
        settings = self.link.settings
        self._room *= 2
        window = connection_window(settings.connection_window, settings.stream_window, self._room)
        self.link.flow.size = max(self.link.flow.size, window)
        self.link.flow.ignored(0)

    def _cannot_open(self) -> Exception:
        link = self.link
        if link.state != READY:
            return LocalProtocolError("the connection takes no new calls: no handshake yet, draining, or closed")
        if link.last_stream_id + 2 > MAX_STREAM_ID:
            return StreamsExhausted(
                "the connection's stream ids are used up: open another", MAX_STREAM_ID, MAX_STREAM_ID
            )
        in_flight = len(link.streams)
        return StreamsExhausted(
            f"{in_flight} calls are in flight, the peer allows {link.max_streams}: wait, or open another connection",
            in_flight,
            link.max_streams,
        )
