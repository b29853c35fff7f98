"""The receiving half of a connection: bytes become frames, frames become events, and what breaks a rule an error.

A frame that lies whole in the chunk that brought it is parsed in place; only one that is split over chunks is copied.
"""

from __future__ import annotations

from typing import final

from eventflux_runtime.loading.compiled import i64
from eventflux_runtime.protocol.core.event import Event
from eventflux_runtime.protocol.grpc.http2.control import Control
from eventflux_runtime.protocol.grpc.http2.data_frames import DataFrames
from eventflux_runtime.protocol.grpc.http2.error import FRAME_SIZE_ERROR, Http2Error
from eventflux_runtime.protocol.grpc.http2.frame import (
    CONTINUATION,
    FLAG_ACK,
    HEADER_BYTES,
    HEADERS,
    MAX_FRAME_BYTES,
    MAX_STREAM_ID,
    PREFACE,
    SETTINGS,
    frame_name,
    read_u32,
)
from eventflux_runtime.protocol.grpc.http2.header_frames import HeaderFrames
from eventflux_runtime.protocol.grpc.http2.link import Link
from eventflux_runtime.protocol.sniff import describe_peer

__all__ = ["Receiver"]


@final
class Receiver:
    """What has arrived and not been understood yet.

    Invariants: `partial` holds the beginning of the next frame and nothing else, fewer than `needed` bytes of it, and
    is empty while there is something `unread`; nothing is parsed any more after the first error.
    """

    __slots__ = (
        "begun_at",
        "control",
        "has_preface",
        "has_settings",
        "heads",
        "link",
        "messages",
        "needed",
        "partial",
        "unread",
        "unread_from",
    )

    def __init__(self, link: Link, control: Control, heads: HeaderFrames, messages: DataFrames) -> None:
        self.link = link
        self.control = control
        self.heads = heads
        self.messages = messages
        self.has_preface = not link.is_server
        """Client: its server has none."""
        self.has_settings = False
        """The first frame is SETTINGS."""
        self.partial = bytearray()
        self.needed: int = HEADER_BYTES
        self.begun_at = 0.0
        """When what is in `partial` began to arrive."""
        self.unread = b""
        """The chunk that was left when there were events enough,"""
        self.unread_from = 0
        """from here on."""

    def receive(self, data: bytes, now: float, events: list[Event], at_most: int) -> None:
        """Parses what arrived, and ahead of it what was left unread; appends to `events` until there are `at_most`.

        Raises:
            RemoteProtocolError: the peer broke the protocol.
        """
        self.link.limits.now = now
        position = 0
        if self.unread:
            position = self.unread_from
            data = self.unread + data if data else self.unread
            self.unread = b""
        while self.partial:
            missing = self.needed - len(self.partial)
            taken = data[position : position + missing]
            self.partial += taken
            position += len(taken)
            if len(taken) < missing:
                if not self.has_preface:
                    self._check_preface(bytes(self.partial))
                return
            whole = bytes(self.partial)
            self.partial.clear()
            stop = self._frames(whole, 0, events, at_most)
            if self.messages.is_parked():
                self.unread = whole[stop:] + data[position:]
                self.unread_from = 0
                return
            self._keep(whole, stop, now if stop else self.begun_at)
        position = self._frames(data, position, events, at_most)
        if len(events) < at_most:
            self._keep(data, position, now)
        elif position < len(data):
            self.unread = data
            self.unread_from = position

    def finish(self, in_handshake: bool) -> None:
        """Nothing more comes.

        Raises:
            Http2Error: a frame or a header block had begun.
        """
        left = len(self.partial)
        if left and in_handshake and not self.link.is_server:
            raise Http2Error(f"the peer does not speak gRPC: {describe_peer(bytes(self.partial), 'grpc')}")
        if left:
            raise Http2Error(
                f"connection closed in the middle of a frame, after {left} of at least {self.needed} bytes"
            )
        if self.heads.block is not None:
            raise Http2Error("connection closed in the middle of a header block")

    def forget(self) -> None:
        """The connection has ended: what is left is not for anybody."""
        self.unread = b""
        self.messages.forget()

    def begun_since(self) -> float | None:
        """When a frame, or a header block, began that has not ended; None: none has."""
        if self.heads.block is not None:
            return self.heads.block_begun_at
        return self.begun_at if self.partial else None

    def _keep(self, data: bytes, position: i64, begun_at: float) -> None:
        """Keeps the beginning of a frame that `data` does not hold whole."""
        left = len(data) - position
        if not left:
            return
        self.partial += data[position:]
        self.begun_at = begun_at
        if not self.has_preface:
            self.needed = len(PREFACE)
            self._check_preface(data[position:])
        elif left < HEADER_BYTES:
            self.needed = HEADER_BYTES
        else:
            self.needed = HEADER_BYTES + (data[position] << 16 | data[position + 1] << 8 | data[position + 2])

    def _check_preface(self, beginning: bytes) -> None:
        """Checks as much of the client's preface as there is."""
        if not PREFACE.startswith(beginning[: len(PREFACE)]):
            raise Http2Error(f"the peer does not speak gRPC: {describe_peer(beginning, 'grpc')}")
        if len(beginning) >= len(PREFACE):
            self.has_preface = True
            self.control.greet()

    def _frames(self, data: bytes, position: i64, events: list[Event], at_most: int) -> i64:
        """Handles the whole frames of ``data[position:]``; returns where the first begins that is not handled."""
        size: i64 = len(data)
        messages = self.messages
        heads = self.heads
        if messages.is_parked():
            position = messages.resume(data, position, events, at_most)
            if messages.is_parked():
                return position
        if not self.has_preface:
            if size - position < len(PREFACE):
                return position
            self._check_preface(data[position:])
            position += len(PREFACE)
        while size - position >= HEADER_BYTES and len(events) < at_most:
            word = read_u32(data, position)
            length = word >> 8
            if length > MAX_FRAME_BYTES or not self.has_settings:
                self._check_header(data, position)
            start = position + HEADER_BYTES
            end = start + length
            if end > size:
                break
            flags: int = data[position + 4]
            stream_id: int = read_u32(data, position + 5) & MAX_STREAM_ID
            position = end
            if word & 0xFF or heads.block is not None:
                self._handle(word & 0xFF, data, start, end, flags, stream_id, events)
            elif not messages.on_data(data, start, end, flags, stream_id, events, at_most):
                return messages.parked_at
        return position

    def _handle(
        self, kind: i64, data: bytes, start: i64, end: i64, flags: int, stream_id: int, events: list[Event]
    ) -> None:
        """Handles a frame that brings no message."""
        heads = self.heads
        if heads.block is not None:
            if kind != CONTINUATION:
                raise Http2Error(f"{frame_name(kind)} within the header block of stream {heads.block_stream_id}")
            heads.on_continuation(data, start, end, flags, stream_id, events)
        elif kind == HEADERS:
            heads.on_headers(data, start, end, flags, stream_id, events)
        elif kind == CONTINUATION:
            raise Http2Error(f"CONTINUATION on stream {stream_id} without HEADERS ahead of it")
        else:
            self.control.handle(kind, data, start, end, flags, stream_id, events)

    def _check_header(self, data: bytes, position: i64) -> None:
        word = read_u32(data, position)
        kind = word & 0xFF
        length = word >> 8
        is_settings = kind == SETTINGS and not data[position + 4] & FLAG_ACK and length <= MAX_FRAME_BYTES
        if not self.has_settings and not is_settings:
            if not self.link.is_server:
                raise Http2Error(f"the peer does not speak gRPC: {describe_peer(data[position:], 'grpc')}")
            raise Http2Error(f"{frame_name(kind)} ahead of SETTINGS")
        self.has_settings = True
        if length > MAX_FRAME_BYTES:
            raise Http2Error(
                f"{frame_name(kind)} of {length} bytes is over the limit of {MAX_FRAME_BYTES}", FRAME_SIZE_ERROR
            )
