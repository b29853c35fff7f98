"""What a client makes of header blocks: the heads of responses, and the trailers that end calls."""

from __future__ import annotations

from typing import final

from eventflux_runtime.protocol.core.event import Event, HeadersReceived
from eventflux_runtime.protocol.grpc.http2.ending import OTHER_LENGTH
from eventflux_runtime.protocol.grpc.http2.error import PROTOCOL_ERROR, Http2Error
from eventflux_runtime.protocol.grpc.http2.header_frames import HeaderFrames
from eventflux_runtime.protocol.grpc.http2.stream import Stream

__all__ = ["ResponseFrames"]


@final
class ResponseFrames(HeaderFrames):
    """The client's `HeaderFrames`."""

    __slots__ = ()

    def read_block(self, block: bytes, stream_id: int, is_end: bool, events: list[Event]) -> None:
        """See `HeaderFrames.read_block`."""
        stream = self.streams.get(stream_id)
        if stream is None:
            if not self.link.was_opened(stream_id):
                raise Http2Error(f"HEADERS on stream {stream_id}, which was never opened")
            self.reader.read_trailers(block)
            self.link.limits.cheap_frame("HEADERS of a stream that has ended")
        elif not is_end:
            self._read_head(block, stream, events)
        else:
            trailers = self.reader.read_trailers(block) if stream.has_head else self.reader.read_trailers_only(block)
            error = trailers.error or (OTHER_LENGTH if stream.announced > 0 else "")
            if error:
                self.endings.break_off(stream, PROTOCOL_ERROR, error, events)
                return
            if trailers.accepted is not None:
                self.link.learned = trailers.accepted
            self.endings.finish(stream, trailers.status, True, events)

    def _read_head(self, block: bytes, stream: Stream, events: list[Event]) -> None:
        if stream.has_head:
            self.reader.read_trailers(block)
            self.endings.break_off(stream, PROTOCOL_ERROR, "HEADERS within a response have to end it", events)
            return
        head = self.reader.read_response(block)
        if head.error:
            self.endings.break_off(stream, PROTOCOL_ERROR, head.error, events)
        elif head.is_informational:
            self.link.limits.cheap_frame(f"HTTP status {head.http_status}")
        elif head.failure is not None:
            self.endings.finish(stream, head.failure, False, events)
        else:
            stream.has_head = True
            stream.taken_encoding_id = head.encoding_id
            stream.encoding = head.encoding
            stream.announced = head.length
            if head.accepted is not None:
                self.link.learned = head.accepted
            events.append(HeadersReceived(stream.stream_id, head.metadata))
