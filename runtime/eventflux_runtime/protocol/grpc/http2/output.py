"""Frames on their way to the peer (RFC 9113, section 6)."""

from __future__ import annotations

from typing import Final, final

from librt.strings import write_i16_be, write_i32_be

from eventflux_runtime.protocol.core.output import Output
from eventflux_runtime.protocol.grpc.http2.frame import (
    CONTINUATION,
    FLAG_ACK,
    FLAG_END_HEADERS,
    GOAWAY,
    HEADER_BYTES,
    HEADERS,
    MAX_FRAME_BYTES,
    PING,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
)
from eventflux_runtime.protocol.grpc.http2.settings import SETTING_BYTES

__all__ = ["FrameOutput"]

MAX_REASON_BYTES: Final = 1024
"""Limit of the text in GOAWAY, sent and shown."""
_SIGN: Final = 0x8000_0000


@final
class FrameOutput(Output):
    """What is queued for the peer, with the frames that belong to no message."""

    __slots__ = ()

    def header(self, size: int, kind: int, flags: int, stream_id: int) -> None:
        """Appends a frame header; `size` is at most `MAX_FRAME_BYTES`."""
        writer = self.writer
        write_i32_be(writer, size << 8 | kind)
        writer.append(flags)
        write_i32_be(writer, stream_id)

    def credit(self, stream_id: int, increment: int) -> None:
        """Appends a WINDOW_UPDATE; stream 0 is the connection."""
        self.header(4, WINDOW_UPDATE, 0, stream_id)
        write_i32_be(self.writer, increment)

    def settings(self, parameters: list[tuple[int, int]]) -> None:
        """Appends a SETTINGS."""
        self.header(SETTING_BYTES * len(parameters), SETTINGS, 0, 0)
        for key, value in parameters:
            write_i16_be(self.writer, key)
            self._u32(value)

    def acknowledge_settings(self) -> None:
        """Appends the answer to SETTINGS.

        Raises:
            RemoteProtocolError: the peer does not read its answers.
        """
        self.header(0, SETTINGS, FLAG_ACK, 0)
        self.replied(HEADER_BYTES)

    def ping(self, payload: bytes) -> None:
        """Appends a PING of eight bytes."""
        self.header(len(payload), PING, 0, 0)
        self.writer.write(payload)

    def pong(self, payload: bytes) -> None:
        """Appends the answer to a ping.

        Raises:
            RemoteProtocolError: the peer does not read its answers.
        """
        self.header(len(payload), PING, FLAG_ACK, 0)
        self.writer.write(payload)
        self.replied(HEADER_BYTES + len(payload))

    def reset(self, stream_id: int, error_code: int) -> None:
        """Appends a RST_STREAM."""
        self.header(4, RST_STREAM, 0, stream_id)
        self._u32(error_code)

    def headers(self, block: bytes, flags: int, stream_id: int) -> None:
        """Appends a header block as HEADERS, and CONTINUATION where it is longer than a frame."""
        size = len(block)
        if size <= MAX_FRAME_BYTES:
            writer = self.writer
            write_i32_be(writer, size << 8 | HEADERS)
            writer.append(flags | FLAG_END_HEADERS)
            write_i32_be(writer, stream_id)
            writer.write(block)
            return
        self.header(MAX_FRAME_BYTES, HEADERS, flags, stream_id)
        self.writer.write(block[:MAX_FRAME_BYTES])
        for position in range(MAX_FRAME_BYTES, size, MAX_FRAME_BYTES):
            part = block[position : position + MAX_FRAME_BYTES]
            is_last = position + len(part) == size
            self.header(len(part), CONTINUATION, FLAG_END_HEADERS if is_last else 0, stream_id)
            self.writer.write(part)

    def go_away(self, last_stream_id: int, error_code: int, reason: str) -> None:
        """Appends a GOAWAY."""
        text = _reason_bytes(reason)
        self.header(8 + len(text), GOAWAY, 0, 0)
        write_i32_be(self.writer, last_stream_id)
        self._u32(error_code)
        self.writer.write(text)

    def _u32(self, value: int) -> None:
        write_i32_be(self.writer, value if value < _SIGN else value - 2 * _SIGN)


def _reason_bytes(reason: str) -> bytes:
    text = reason.encode("utf-8", "replace")
    return text if len(text) <= MAX_REASON_BYTES else text[:MAX_REASON_BYTES].decode("utf-8", "ignore").encode()
