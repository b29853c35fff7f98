"""DATA frames become messages (RFC 9113, 6.1; "Length-Prefixed-Message" in gRPC's PROTOCOL-HTTP2.md).

A message that lies whole in a frame is never copied; one that is spread over frames is put together. A frame may hold
thousands of messages, so one that brings more events than are wanted at a time is left within.
"""

from __future__ import annotations

from typing import Final, final

from eventflux_runtime.loading.compiled import i64
from eventflux_runtime.protocol.core.error import RemoteProtocolError
from eventflux_runtime.protocol.core.event import Event, MessageReceived
from eventflux_runtime.protocol.core.flow import Inflow
from eventflux_runtime.protocol.grpc.http2.ending import OTHER_LENGTH, Endings
from eventflux_runtime.protocol.grpc.http2.error import FLOW_CONTROL_ERROR, PROTOCOL_ERROR, STREAM_CLOSED, Http2Error
from eventflux_runtime.protocol.grpc.http2.event import RequestOpened
from eventflux_runtime.protocol.grpc.http2.frame import (
    DATA,
    FLAG_END_HEADERS,
    FLAG_END_STREAM,
    FLAG_PADDED,
    HEADER_BYTES,
    HEADERS,
    MAX_STREAM_ID,
    MESSAGE_PREFIX_BYTES,
    padding_bytes,
    read_u32,
)
from eventflux_runtime.protocol.grpc.http2.link import Link
from eventflux_runtime.protocol.grpc.http2.message_prefix import misfit
from eventflux_runtime.protocol.grpc.http2.stream import Stream

__all__ = ["DataFrames"]

TRAILERS_FLAGS: Final = FLAG_END_STREAM | FLAG_END_HEADERS


@final
class DataFrames:
    """The messages of all streams.

    Invariants: `_parked` is the stream whose DATA was left at `parked_at` with messages still in it, and None where
    none was; that frame is gone on with before anything else is read.
    """

    __slots__ = (
        "_endings",
        "_flow",
        "_is_server",
        "_link",
        "_max_message_bytes",
        "_parked",
        "_parked_bytes",
        "_parked_end",
        "_parked_tail",
        "_shares",
        "_streams",
        "parked_at",
    )

    def __init__(self, link: Link, endings: Endings) -> None:
        self._link = link
        self._endings = endings
        self._flow = link.flow
        self._shares = link.shares
        self._streams = link.streams
        self._is_server = link.is_server
        self._max_message_bytes: i64 = link.settings.max_message_bytes
        self._parked: Stream | None = None
        self.parked_at: i64 = 0
        self._parked_bytes: i64 = 0
        self._parked_tail: i64 = 0
        self._parked_end = False

    def on_data(
        self, data: bytes, start: i64, end: i64, flags: int, stream_id: int, events: list[Event], at_most: int
    ) -> bool:
        """A DATA frame; whether it was read to its end, rather than left at `parked_at`.

        Raises:
            RemoteProtocolError: it breaks a rule of the connection.
        """
        cost = end - start
        padding: i64 = 0
        if flags & FLAG_PADDED:
            padding = padding_bytes(DATA, data, start, end)
            start += 1
            end -= padding - 1
        stream = self._streams.get(stream_id)
        if stream is None or stream.is_remote_ended or not (stream.has_head or self._is_server):
            self._on_stray(stream, stream_id, cost, events)
            return True
        is_end = flags & FLAG_END_STREAM != 0
        if stream.announced >= 0 and not self._is_as_announced(stream, end - start, is_end, cost, events):
            return True
        inflow = stream.inflow
        if inflow is None:
            if self._is_server:
                if is_end and self._is_whole_request(data, start, end, cost, stream, events):
                    return True
            elif not padding and self._is_whole_response(data, start, end, stream, len(events) < at_most - 1):
                self._ignore(cost)
                self._deliver(stream, None, data, start + MESSAGE_PREFIX_BYTES, end, data[start], False, events)
                return True
            inflow = stream.inflow = Inflow(stream_id, self._flow.stream_size)
        if start == end and not is_end:
            self._link.limits.cheap_frame("DATA without a byte")
        try:
            self._flow.arrived(inflow, cost)
        except RemoteProtocolError as overrun:
            raise Http2Error(str(overrun), FLOW_CONTROL_ERROR) from None
        if padding:
            self._count_padding(inflow, padding)
        is_whole = self._take(stream, inflow, data, start, end, is_end, events, at_most)
        self._shares.offer(inflow, stream.wanted)
        if padding and not is_whole:
            self._parked_tail = padding - 1
        return is_whole

    def is_parked(self) -> bool:
        """Whether a frame was left within."""
        return self._parked is not None

    def forget(self) -> None:
        """The connection has ended."""
        self._parked = None

    def resume(self, data: bytes, position: i64, events: list[Event], at_most: int) -> i64:
        """Goes on with the frame that was left; returns its end, or where it was left again."""
        stream = self._parked
        assert stream is not None
        self._parked = None
        end = position + self._parked_bytes
        tail = self._parked_tail
        inflow = stream.inflow
        if inflow is None or self._streams.get(stream.stream_id) is not stream:
            return end + tail
        if self._take(stream, inflow, data, position, end, self._parked_end, events, at_most):
            return end + tail
        self._parked_tail = tail
        return self.parked_at

    def _on_stray(self, stream: Stream | None, stream_id: int, cost: i64, events: list[Event]) -> None:
        """DATA that belongs to no message: it crossed our end of the stream, or should not be."""
        if stream is None and not self._link.was_opened(stream_id):
            raise Http2Error(f"DATA on stream {stream_id}, which was never opened")
        self._ignore(cost)
        if not cost:
            self._link.limits.cheap_frame("DATA without a byte")
        if stream is None:
            return
        if stream.is_remote_ended:
            self._endings.break_off(stream, STREAM_CLOSED, "the client sent DATA behind its end of the stream", events)
        else:
            self._endings.break_off(stream, PROTOCOL_ERROR, "the server sent DATA ahead of the response's head", events)

    def _is_as_announced(self, stream: Stream, size: i64, is_end: bool, cost: i64, events: list[Event]) -> bool:
        """Whether the body is as long as its content-length (RFC 9113, 8.1.1) so far; if not, it is broken off."""
        stream.announced -= size
        if stream.announced == 0 or (stream.announced > 0 and not is_end):
            return True
        self._ignore(cost)
        self._endings.break_off(stream, PROTOCOL_ERROR, OTHER_LENGTH, events)
        return False

    def _ignore(self, cost: i64) -> None:
        """Counts DATA and gives its credit back at once."""
        try:
            self._flow.ignored(cost)
        except RemoteProtocolError as overrun:
            raise Http2Error(str(overrun), FLOW_CONTROL_ERROR) from None

    def _count_padding(self, inflow: Inflow, padding: i64) -> None:
        """Padding counts, and nobody takes it: with the message that is arriving in parts, or at once."""
        if inflow.assembly is not None:
            self._flow.continues(inflow, padding)
        else:
            self._flow.taken(inflow, padding)

    def _is_whole_request(
        self, data: bytes, start: i64, end: i64, cost: i64, stream: Stream, events: list[Event]
    ) -> bool:
        """Takes the only message of a call that just began, where the frame holds no more and no less.

        Such a call needs no flow control of its own: the frame is smaller than any stream's window.
        """
        size = end - start - MESSAGE_PREFIX_BYTES
        if size < 0 or not events or size != read_u32(data, start + 1):
            return False
        last = events[-1]
        if last.stream_id != stream.stream_id or not isinstance(last, RequestOpened):
            return False
        flag: i64 = data[start]
        if (flag or size > self._max_message_bytes) and misfit(stream, flag, size, self._link.settings) is not None:
            return False
        self._ignore(cost)
        stream.is_remote_ended = True
        last.has_message = True
        last.data = data
        last.start = start + MESSAGE_PREFIX_BYTES
        last.end = end
        last.compression_id = stream.taken_encoding_id if flag else 0
        last.end_stream = True
        return True

    def _is_whole_response(self, data: bytes, start: i64, end: i64, stream: Stream, is_room: bool) -> bool:
        """Whether the frame holds one message and the next in the chunk has the trailers, which will be read with it.

        Such a call needs no flow control of its own either.
        """
        size = end - start - MESSAGE_PREFIX_BYTES
        body = end + HEADER_BYTES
        if not is_room or size < 0 or size != read_u32(data, start + 1) or body > len(data):
            return False
        word = read_u32(data, end)
        flags: i64 = data[end + 4]
        if word & 0xFF != HEADERS or flags & TRAILERS_FLAGS != TRAILERS_FLAGS or body + (word >> 8) > len(data):
            return False
        flag: i64 = data[start]
        is_readable = (not flag and size <= self._max_message_bytes) or misfit(
            stream, flag, size, self._link.settings
        ) is None
        return is_readable and read_u32(data, end + 5) & MAX_STREAM_ID == stream.stream_id

    def _take(  # noqa: PLR0917 (the path of every message passes no keywords)
        self,
        stream: Stream,
        inflow: Inflow,
        data: bytes,
        start: i64,
        end: i64,
        is_end: bool,
        events: list[Event],
        at_most: int,
    ) -> bool:
        """Takes the messages of ``data[start:end]``, as many as are wanted; False: some are left."""
        assembly = inflow.assembly
        if assembly is not None:
            start = self._continue(stream, inflow, assembly, data, start, end, is_end, events)
            if start < 0:
                return True
        while start < end:
            if len(events) >= at_most:
                self._parked = stream
                self.parked_at = start
                self._parked_bytes = end - start
                self._parked_tail = 0
                self._parked_end = is_end
                return False
            body = start + MESSAGE_PREFIX_BYTES
            if body > end:
                break
            size = read_u32(data, start + 1)
            flag: i64 = data[start]
            if (flag or size > self._max_message_bytes) and not self._is_welcome(stream, flag, size, events):
                return True
            if body + size > end:
                break
            start = body + size
            self._deliver(stream, inflow, data, body, start, flag, is_end and start == end, events)
        if start < end:
            inflow.assembly = bytearray(data[start:end])
            if start + MESSAGE_PREFIX_BYTES <= end:
                stream.wanted = MESSAGE_PREFIX_BYTES + read_u32(data, start + 1)
            self._flow.continues(inflow, end - start)
        if is_end and not stream.is_remote_ended:
            self._endings.end_input(stream, events)
        return True

    def _continue(  # noqa: PLR0917 (as for `_take`)
        self,
        stream: Stream,
        inflow: Inflow,
        assembly: bytearray,
        data: bytes,
        start: i64,
        end: i64,
        is_end: bool,
        events: list[Event],
    ) -> i64:
        """Goes on with a message that arrives in parts; returns where it stopped, or -1 if the call was broken off."""
        first = start
        if not stream.wanted:
            start = min(end, start + MESSAGE_PREFIX_BYTES - len(assembly))
            assembly += data[first:start]
            if len(assembly) >= MESSAGE_PREFIX_BYTES:
                prefix = bytes(assembly)
                flag: i64 = prefix[0]
                size = read_u32(prefix, 1)
                if (flag or size > self._max_message_bytes) and not self._is_welcome(stream, flag, size, events):
                    return -1
                stream.wanted = MESSAGE_PREFIX_BYTES + size
        if stream.wanted:
            stop = min(end, start + stream.wanted - len(assembly))
            assembly += data[start:stop]
            start = stop
        if not stream.wanted or len(assembly) < stream.wanted:
            if start > first:
                self._flow.continues(inflow, start - first)
            return start
        message = bytes(assembly)
        inflow.assembly = None
        stream.wanted = 0
        self._flow.completed(inflow, inflow.assembled + start - first - len(message))
        self._deliver(
            stream,
            inflow,
            message,
            MESSAGE_PREFIX_BYTES,
            len(message),
            message[0],
            is_end and start == end,
            events,
        )
        return start

    def _deliver(  # noqa: PLR0917 (as for `_take`)
        self,
        stream: Stream,
        inflow: Inflow | None,
        data: bytes,
        start: i64,
        end: i64,
        flag: i64,
        is_end: bool,
        events: list[Event],
    ) -> None:
        """Reports a whole message: within the event that began the call, if nothing came between."""
        compression_id = stream.taken_encoding_id if flag else 0
        if inflow is None or not self._is_server:
            events.append(MessageReceived(stream.stream_id, data, start, end, compression_id, False))
            return
        if is_end:
            stream.is_remote_ended = True
            inflow.is_ended = True
            self._shares.release(inflow)
        last = events[-1] if events else None
        if isinstance(last, RequestOpened) and last.stream_id == stream.stream_id and not last.has_message:
            self._flow.taken(inflow, end - start + MESSAGE_PREFIX_BYTES)
            last.has_message = True
            last.data = data
            last.start = start
            last.end = end
            last.compression_id = compression_id
            last.end_stream = is_end
        else:
            events.append(MessageReceived(stream.stream_id, data, start, end, compression_id, is_end))

    def _is_welcome(self, stream: Stream, flag: i64, size: i64, events: list[Event]) -> bool:
        """Whether a message with this prefix can be read; if not, the call is broken off."""
        refusal = misfit(stream, flag, size, self._link.settings)
        if refusal is None:
            return True
        self._endings.refuse(stream, refusal.code, refusal.message, events)
        return False
