"""What a server sends: heads of responses, their messages, and statuses as trailers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, final

from librt.strings import BytesWriter

from eventflux_runtime.protocol.core.error import LocalProtocolError
from eventflux_runtime.protocol.grpc.http2.error import NO_ERROR, REFUSED_STREAM
from eventflux_runtime.protocol.grpc.http2.frame import FLAG_END_STREAM
from eventflux_runtime.protocol.grpc.http2.link import Link
from eventflux_runtime.protocol.grpc.http2.response_writer import ResponseWriter
from eventflux_runtime.protocol.grpc.http2.sender import Sender
from eventflux_runtime.protocol.grpc.http2.stream import Outgoing, Stream
from eventflux_runtime.rpc.metadata import EMPTY_METADATA, Metadata
from eventflux_runtime.rpc.status import Status, StatusCode

__all__ = ["ResponseSender"]

M = TypeVar("M")


@final
class ResponseSender(Sender):
    """The server's `Sender`."""

    __slots__ = ("heads",)

    def __init__(self, link: Link, heads: ResponseWriter) -> None:
        super().__init__(link)
        self.heads = heads

    def limit_table(self, max_bytes: int) -> None:
        """See `Sender.limit_table`."""
        self.heads.limit_table(max_bytes)

    def limit_lists(self, max_bytes: int) -> None:
        """See `Sender.limit_lists`."""
        self.heads.limit_lists(max_bytes)

    def compress(self, stream_id: int, compression_id: int) -> None:
        """Says how messages of a response may be compressed; see `Machine.compress`."""
        stream = self.stream(stream_id)
        if stream is not None and not stream.has_head:
            stream.sent_encoding_id = compression_id

    def send_headers(self, stream_id: int, metadata: Metadata) -> None:
        """Sends initial metadata; see `Machine.send_headers`."""
        stream = self.stream(stream_id)
        if stream is None:
            return
        if stream.has_head or stream.outgoing is not None:
            raise LocalProtocolError(f"stream {stream_id} has been answered: too late to send headers")
        self._begin(stream, metadata)

    def send_message(
        self, stream_id: int, message: M, encode: Callable[[M, BytesWriter], None], compression_id: int
    ) -> bool:
        """Sends a message; see `Machine.send_message`."""
        stream = self.stream(stream_id)
        if stream is None:
            self.written.size = 0
            return True
        self.check_sendable(stream)
        return self._write_response(stream, message, encode, compression_id, None)

    def send_status(
        self,
        stream_id: int,
        status: Status,
        message: M,
        encode: Callable[[M, BytesWriter], None] | None,
        compression_id: int,
    ) -> bool:
        """Ends the call; see `Machine.send_status`."""
        stream = self.stream(stream_id)
        if stream is None:
            self.written.size = 0
            return True
        outgoing = stream.outgoing
        if outgoing is not None:
            if encode is not None or outgoing.status is not None:
                raise LocalProtocolError(f"stream {stream_id} has a message or status waiting: wait for MessageSent")
            if status.code == StatusCode.OK:
                outgoing.status = status
                return False
        elif encode is not None and not self._write_response(stream, message, encode, compression_id, status):
            return False
        self._end(stream, status)
        return True

    def completed(self, stream: Stream, outgoing: Outgoing) -> None:
        """See `Sender.completed`."""
        if outgoing.status is not None:
            self._end(stream, outgoing.status)

    def refuse(self, stream: Stream, status: Status) -> None:
        """See `Sender.refuse`."""
        self._end(stream, status)

    def reset(self, stream: Stream, code: StatusCode, reason: str, unprocessed: bool) -> None:
        """See `Sender.reset`. Trailers say why, and RST_STREAM that the call never ran; there is no word for both."""
        if unprocessed and not stream.has_head:
            self.close(stream)
            self.output.reset(stream.stream_id, REFUSED_STREAM)
        else:
            self._end(stream, Status(code, reason))

    def answer(self, stream_id: int, status: Status, http_status: int, is_remote_ended: bool) -> int:
        """Answers a request that becomes no call; returns the bytes of the answer."""
        block = self.heads.trailers_only(status, http_status)
        self.output.headers(block, FLAG_END_STREAM, stream_id)
        if not is_remote_ended:
            self.output.reset(stream_id, NO_ERROR)
        return len(block)

    def _begin(self, stream: Stream, metadata: Metadata) -> None:
        self.output.headers(self.heads.response(metadata, stream.sent_encoding_id), 0, stream.stream_id)
        stream.has_head = True

    def _write_response(
        self,
        stream: Stream,
        message: M,
        encode: Callable[[M, BytesWriter], None],
        compression_id: int,
        status: Status | None,
    ) -> bool:
        if compression_id and compression_id != stream.sent_encoding_id:
            if stream.has_head:
                raise LocalProtocolError(f"stream {stream.stream_id} was begun without compression {compression_id}")
            stream.sent_encoding_id = compression_id
        if stream.has_head:
            return self.write_message(stream, message, encode, False, compression_id, status)
        start = len(self.output.writer)
        mark = self.heads.table_mark()
        self._begin(stream, EMPTY_METADATA)
        try:
            return self.write_message(stream, message, encode, False, compression_id, status)
        except BaseException:  # whatever the encoder raised, nothing of the message was sent
            if self.heads.table_mark() == mark:
                self.output.writer.truncate(start)
                stream.has_head = False
            raise

    def _end(self, stream: Stream, status: Status) -> None:
        """Sends the status, ahead of all that still waits, and forgets the stream."""
        block = self.heads.trailers(status) if stream.has_head else self.heads.trailers_only(status)
        self.close(stream)
        self.output.headers(block, FLAG_END_STREAM, stream.stream_id)
        if not stream.is_remote_ended:
            # Nobody will read the rest of the request (RFC 9113, 8.1).
            self.output.reset(stream.stream_id, NO_ERROR)
