"""HEADERS and CONTINUATION become header blocks (RFC 9113, 4.3, 6.2 and 6.10); each side reads them in its own way."""

from __future__ import annotations

from typing import Final

from eventflux_runtime.loading.compiled import i64
from eventflux_runtime.protocol.core.event import Event
from eventflux_runtime.protocol.grpc.http2.ending import Endings
from eventflux_runtime.protocol.grpc.http2.error import ENHANCE_YOUR_CALM, FRAME_SIZE_ERROR, Http2Error
from eventflux_runtime.protocol.grpc.http2.frame import (
    FLAG_END_HEADERS,
    FLAG_END_STREAM,
    FLAG_PADDED,
    FLAG_PRIORITY,
    HEADERS,
    PRIORITY_BYTES,
    padding_bytes,
)
from eventflux_runtime.protocol.grpc.http2.head_reader import HeadReader
from eventflux_runtime.protocol.grpc.http2.link import Link

__all__ = ["HeaderFrames"]

MAX_CONTINUATIONS: Final = 16
"""A block has at most this many; CVE-2024-27316 is a server that had no such limit."""
BLOCK_RATIO: Final = 4
"""A block has at most this many times the bytes that its list of fields may have."""


class HeaderFrames:
    """The header blocks of all streams, each read once it is whole.

    Invariants: every block is read, so that the tables of both sides stay the same; `block` is the beginning of one
    that CONTINUATION has to go on with, and None where none is.
    """

    __slots__ = (
        "_block_end_stream",
        "_block_frames",
        "_max_block_bytes",
        "block",
        "block_begun_at",
        "block_stream_id",
        "endings",
        "link",
        "reader",
        "streams",
    )

    def __init__(self, link: Link, endings: Endings) -> None:
        self.link = link
        self.endings = endings
        self.streams = link.streams
        self.reader = HeadReader(link.settings.max_metadata_bytes)
        self.block: bytearray | None = None
        self.block_stream_id = 0
        self.block_begun_at = 0.0
        self._block_end_stream = False
        self._block_frames = 0
        self._max_block_bytes: Final = BLOCK_RATIO * link.settings.max_metadata_bytes

    def read_block(self, block: bytes, stream_id: int, is_end: bool, events: list[Event]) -> None:
        """A whole block; `is_end`: nothing follows it on its stream.

        Raises:
            RemoteProtocolError: it breaks a rule of the connection.
        """
        raise NotImplementedError

    def on_headers(self, data: bytes, start: i64, end: i64, flags: int, stream_id: int, events: list[Event]) -> None:
        """A HEADERS frame.

        Raises:
            RemoteProtocolError: it breaks a rule of the connection.
        """
        if flags & (FLAG_PADDED | FLAG_PRIORITY):
            padding = padding_bytes(HEADERS, data, start, end) if flags & FLAG_PADDED else 0
            size = end - start
            if padding:
                start += 1
                end -= padding - 1
            if flags & FLAG_PRIORITY:
                start += PRIORITY_BYTES
            if start > end:
                raise Http2Error(f"HEADERS of {size} bytes end within their priority", FRAME_SIZE_ERROR)
        if flags & FLAG_END_HEADERS:
            self.read_block(data[start:end], stream_id, flags & FLAG_END_STREAM != 0, events)
            return
        if not (self.link.is_server and stream_id & 1) and not self.link.was_opened(stream_id):
            raise Http2Error(f"HEADERS on stream {stream_id}, which cannot be")
        self.block = bytearray(data[start:end])
        self.block_stream_id = stream_id
        self.block_begun_at = self.link.limits.now
        self._block_end_stream = flags & FLAG_END_STREAM != 0
        self._block_frames = 0

    def on_continuation(
        self, data: bytes, start: i64, end: i64, flags: int, stream_id: int, events: list[Event]
    ) -> None:
        """A CONTINUATION frame.

        Raises:
            RemoteProtocolError: it breaks a rule of the connection.
        """
        block = self.block
        if block is None or stream_id != self.block_stream_id:
            raise Http2Error(f"CONTINUATION on stream {stream_id} without HEADERS ahead of it")
        self._block_frames += 1
        size = len(block) + end - start
        if size > self._max_block_bytes or self._block_frames > MAX_CONTINUATIONS:
            raise Http2Error(
                f"a header block of {size} bytes or more in {self._block_frames + 1} frames is over the limit of "
                f"{self._max_block_bytes} bytes or of {MAX_CONTINUATIONS + 1} frames",
                ENHANCE_YOUR_CALM,
            )
        block += data[start:end]
        if flags & FLAG_END_HEADERS:
            self.block = None
            self.read_block(bytes(block), stream_id, self._block_end_stream, events)
