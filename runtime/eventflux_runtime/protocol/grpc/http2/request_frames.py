"""What a server makes of header blocks: calls that begin, and the ends of their input."""

from __future__ import annotations

from typing import final

from eventflux_runtime.protocol.core.event import Event
from eventflux_runtime.protocol.grpc.http2.ending import OTHER_LENGTH, REPLY_BYTES, Endings
from eventflux_runtime.protocol.grpc.http2.error import PROTOCOL_ERROR, REFUSED_STREAM, STREAM_CLOSED, Http2Error
from eventflux_runtime.protocol.grpc.http2.event import RequestOpened
from eventflux_runtime.protocol.grpc.http2.head import RequestHead
from eventflux_runtime.protocol.grpc.http2.header_frames import HeaderFrames
from eventflux_runtime.protocol.grpc.http2.link import DRAINING, Link
from eventflux_runtime.protocol.grpc.http2.response_sender import ResponseSender
from eventflux_runtime.protocol.grpc.http2.stream import Stream

__all__ = ["RequestFrames"]


@final
class RequestFrames(HeaderFrames):
    """The server's `HeaderFrames`."""

    __slots__ = ("_sender",)

    def __init__(self, link: Link, endings: Endings, sender: ResponseSender) -> None:
        super().__init__(link, endings)
        self._sender = sender

    def read_block(self, block: bytes, stream_id: int, is_end: bool, events: list[Event]) -> None:
        """See `HeaderFrames.read_block`."""
        link = self.link
        if stream_id <= link.last_stream_id or not stream_id & 1:
            self._read_later_block(block, stream_id, is_end, events)
            return
        head = self.reader.read_request(block)
        link.last_stream_id = stream_id
        if (
            head.error
            or head.refusal is not None
            or (is_end and head.length > 0)
            or link.state >= DRAINING
            or len(self.streams) >= link.settings.max_streams
        ):
            self._turn_away(head, stream_id, is_end)
            return
        link.limits.call_came()
        stream = Stream(stream_id, False, is_end)
        stream.taken_encoding_id = head.encoding_id
        stream.encoding = head.encoding
        stream.accepted = head.accepted
        stream.announced = head.length
        self.streams[stream_id] = stream
        events.append(RequestOpened(stream_id, head, is_end))

    def _read_later_block(self, block: bytes, stream_id: int, is_end: bool, events: list[Event]) -> None:
        """A block on a stream that is open, has ended, or cannot be."""
        if stream_id <= 0 or not stream_id & 1:
            raise Http2Error(f"HEADERS on stream {stream_id}: a client's streams have odd numbers")
        stream = self.streams.get(stream_id)
        if stream is None:
            if not self.reader.read_request(block).error:
                raise Http2Error(
                    f"a request on stream {stream_id}: ids have to rise, the last one was {self.link.last_stream_id}"
                )
            self.link.limits.cheap_frame("HEADERS of a stream that has ended")
            return
        trailers = self.reader.read_trailers(block)
        if stream.is_remote_ended:
            self.endings.break_off(
                stream, STREAM_CLOSED, "the client sent HEADERS behind its end of the stream", events
            )
        elif trailers.error or not is_end:
            reason = trailers.error or "HEADERS within a request have to end it"
            self.endings.break_off(stream, PROTOCOL_ERROR, reason, events)
        elif stream.announced > 0:
            self.endings.break_off(stream, PROTOCOL_ERROR, OTHER_LENGTH, events)
        else:
            self.endings.end_input(stream, events)

    def _turn_away(self, head: RequestHead, stream_id: int, is_end: bool) -> None:
        """A request that becomes no call."""
        link = self.link
        if stream_id > link.processed_limit:
            link.limits.cheap_frame("a request behind our GOAWAY")
            return  # the client knows from that GOAWAY that it was not processed
        link.limits.call_reset()
        answer_bytes = 0
        if head.error or (is_end and head.length > 0):
            link.output.reset(stream_id, PROTOCOL_ERROR)
        elif link.state >= DRAINING or len(self.streams) >= link.settings.max_streams:
            link.output.reset(stream_id, REFUSED_STREAM)
        elif head.refusal is not None:
            answer_bytes = self._sender.answer(stream_id, head.refusal, head.http_status, is_end)
        link.output.replied(REPLY_BYTES + answer_bytes)
