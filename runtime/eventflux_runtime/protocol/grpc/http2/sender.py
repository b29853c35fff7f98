"""What both sides send: messages as DATA, as far as the peer's windows go, and the ends of streams.

A message is encoded straight into the output, behind a frame header and gRPC's prefix that are filled in once its
length is known ("Length-Prefixed-Message" in gRPC's PROTOCOL-HTTP2.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from librt.strings import BytesWriter, write_i32_be

from eventflux_runtime.loading.compiled import i64
from eventflux_runtime.protocol.core.error import LocalProtocolError, MessageTooLarge
from eventflux_runtime.protocol.core.event import Event, MessageSent
from eventflux_runtime.protocol.core.output import Written
from eventflux_runtime.protocol.grpc.http2.backlog import Backlog
from eventflux_runtime.protocol.grpc.http2.frame import DATA, FLAG_END_STREAM, HEADER_BYTES, MESSAGE_PREFIX_BYTES
from eventflux_runtime.protocol.grpc.http2.link import Link
from eventflux_runtime.protocol.grpc.http2.stream import Outgoing, Stream
from eventflux_runtime.rpc.status import Status, StatusCode

__all__ = ["Sender"]

M = TypeVar("M")

PREFIXED_BYTES: Final = HEADER_BYTES + MESSAGE_PREFIX_BYTES
PLACE_OF_LENGTH: Final = HEADER_BYTES + 1


class Sender:
    """Writes what belongs to calls; each side adds what only it sends.

    Invariant: what a failing encoder has written is gone before anything else is written.
    """

    __slots__ = ("backlog", "link", "message_bytes", "output", "written")

    def __init__(self, link: Link) -> None:
        self.link = link
        self.output = link.output
        self.message_bytes: int = link.settings.max_message_bytes
        """A peer of gRPC does not say how long a message it takes, so both directions have this side's limit."""
        self.backlog = Backlog(link.output)
        self.written = Written()

    def limit_table(self, max_bytes: int) -> None:
        """Takes over the peer's SETTINGS_HEADER_TABLE_SIZE."""
        raise NotImplementedError

    def limit_lists(self, max_bytes: int) -> None:
        """Takes over the peer's SETTINGS_MAX_HEADER_LIST_SIZE."""
        raise NotImplementedError

    def refuse(self, stream: Stream, status: Status) -> None:
        """Ends a call in flight because of a message in it."""
        raise NotImplementedError

    def break_off(self, stream: Stream, error_code: int) -> None:
        """Ends a call in flight because the peer broke a rule of its stream (RFC 9113, 5.4.2)."""
        self.close(stream)
        self.output.reset(stream.stream_id, error_code)

    def reset(self, stream: Stream, code: StatusCode, reason: str, unprocessed: bool) -> None:
        """Breaks off a call in flight; see `Machine.reset`."""
        raise NotImplementedError

    def completed(self, stream: Stream, outgoing: Outgoing) -> None:
        """A message that had waited is in the output; for subclasses, which may have something to send behind it."""

    def write_message(
        self,
        stream: Stream,
        message: M,
        encode: Callable[[M, BytesWriter], None],
        end_stream: bool,
        compression_id: int,
        status: Status | None = None,
    ) -> bool:
        """Sends a message; whether it is in the output wholly. If not, `status` goes out behind it."""
        output = self.output
        writer = output.writer
        start = len(writer)
        write_i32_be(writer, DATA)
        writer.append(FLAG_END_STREAM if end_stream else 0)
        write_i32_be(writer, stream.stream_id)
        writer.append(1 if compression_id else 0)
        write_i32_be(writer, 0)
        try:
            encode(message, writer)
            size: i64 = len(writer) - start - PREFIXED_BYTES
            if size > self.message_bytes:
                raise MessageTooLarge(size, self.message_bytes)
        except BaseException:  # whatever the encoder raised, cancellation included, must leave no half frame behind
            writer.truncate(start)
            raise
        self.written.size = size
        low: int = size & 0xFF
        high: int = size >> 8 & 0xFF
        writer[start + PLACE_OF_LENGTH + 3] = low
        writer[start + PLACE_OF_LENGTH + 2] = high
        if size > 0xFFFF:
            low = size >> 16 & 0xFF
            high = size >> 24
            writer[start + PLACE_OF_LENGTH + 1] = low
            writer[start + PLACE_OF_LENGTH] = high
        size += MESSAGE_PREFIX_BYTES
        if not self.backlog.take(stream, size):
            return self.backlog.begin(stream, Outgoing(output.cut(start, start + HEADER_BYTES), end_stream, status))
        low = size & 0xFF
        high = size >> 8
        writer[start + 2] = low
        writer[start + 1] = high
        return True

    def close(self, stream: Stream) -> None:
        """Removes a stream of which the application takes nothing more."""
        self.link.streams.pop(stream.stream_id, None)
        if stream.outgoing is not None:
            self.backlog.forget(stream)
        if stream.inflow is not None:
            self.link.shares.release(stream.inflow)
            self.link.flow.dropped(stream.inflow)

    def granted(self, increment: int, events: list[Event]) -> None:
        """The peer gave credit to the connection.

        Raises:
            Http2Error: more than can be.
        """
        backlog = self.backlog
        backlog.grant(increment)
        # Only streams that this helps are looked at: a peer must not buy a long walk with a small frame.
        while backlog.credit > 0:
            starved = backlog.first_starved()
            if starved is None:
                return
            outgoing = starved.outgoing
            assert outgoing is not None
            if backlog.take_turn(starved, outgoing):
                self._sent(starved, outgoing, events)

    def resume(self, stream: Stream, events: list[Event]) -> None:
        """A stream's window may have opened: sends what it lets through of a message that waits."""
        outgoing = stream.outgoing
        if outgoing is not None and self.backlog.advance(stream, outgoing):
            self._sent(stream, outgoing, events)

    def resized(self, initial_window: int, events: list[Event]) -> None:
        """The peer changed the window of all streams.

        Raises:
            Http2Error: some window is larger than can be.
        """
        self.backlog.resize(initial_window, self.link.streams)
        for stream in list(self.backlog.waiting.values()):
            self.resume(stream, events)

    def _sent(self, stream: Stream, outgoing: Outgoing, events: list[Event]) -> None:
        self.completed(stream, outgoing)
        events.append(MessageSent(stream.stream_id))

    def stream(self, stream_id: int) -> Stream | None:
        """The stream to send on; None if it has ended, so that what is sent is dropped.

        Raises:
            LocalProtocolError: it was never opened.
        """
        stream = self.link.streams.get(stream_id)
        if stream is None and not self.link.was_opened(stream_id):
            raise LocalProtocolError(f"stream {stream_id} was never opened")
        return stream

    def check_sendable(self, stream: Stream) -> None:
        """Checks that a message may be sent now.

        Raises:
            LocalProtocolError: this side has ended the stream, or a message is waiting.
        """
        if stream.has_ended:
            raise LocalProtocolError(f"stream {stream.stream_id} is half-closed: too late to send")
        if stream.outgoing is not None:
            raise LocalProtocolError(f"stream {stream.stream_id} has a message waiting already: wait for MessageSent")
