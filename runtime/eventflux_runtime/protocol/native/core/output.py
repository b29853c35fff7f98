"""The bytes on their way to the peer: one growing buffer, and the frames that belong to no single call."""

from __future__ import annotations

from typing import Final, final

from librt.strings import BytesWriter, write_i16_le, write_i32_le

from eventflux_runtime.protocol.native.core.error import WireError
from eventflux_runtime.protocol.native.core.frame import (
    CREDIT,
    FLAG_UNPROCESSED,
    GOAWAY,
    HEADER_BYTES,
    MAX_REASON_BYTES,
    PING,
    PONG,
    RESET,
)
from eventflux_runtime.rpc.status import StatusCode

__all__ = ["Output"]

SEGMENT_BYTES: Final = 64 * 1024
"""A buffer longer than this is put aside before more is cut from its end, so that no byte is copied again and again."""
PLENTY_BYTES: Final = 4 * 1024
"""From here on, waiting for more to write at once costs more than the write: the other side stands idle meanwhile."""
KEPT_BYTES: Final = 256 * 1024
"""A buffer that grew beyond this is given back to the allocator after use."""


@final
class Output:
    """What is queued for the peer, in order: `segments`, then `writer`.

    Senders append whole frames to `writer`; a frame that turns out wrong is truncated before anything else is written.

    Invariants: `reply_bytes` counts what the peer made us queue since the output was last taken, or since it became
    blocked if it `is_blocked`, so that the peer takes less than is sent; `taken_bytes` counts all that was taken.
    """

    __slots__ = ("is_blocked", "max_reply_bytes", "reply_bytes", "segments", "taken_bytes", "writer")

    def __init__(self, max_reply_bytes: int) -> None:
        self.writer = BytesWriter()
        self.segments: list[bytes] = []
        self.is_blocked = False
        self.taken_bytes = 0
        self.reply_bytes = 0
        self.max_reply_bytes = max_reply_bytes

    def has_bytes(self) -> bool:
        """Whether anything is queued."""
        return len(self.writer) > 0 or len(self.segments) > 0

    def has_plenty(self) -> bool:
        """Whether so much is queued that the peer might as well begin with it."""
        return len(self.writer) >= PLENTY_BYTES

    def take(self) -> bytes:
        """Everything that is queued, and forgets it."""
        writer = self.writer
        size = len(writer)
        data = writer.getvalue()
        if size > KEPT_BYTES:
            self.writer = BytesWriter()
        else:
            writer.truncate(0)
        if not self.is_blocked:
            self.reply_bytes = 0
        if self.segments:
            self.segments.append(data)
            data = b"".join(self.segments)
            self.segments.clear()
        self.taken_bytes += len(data)
        return data

    def cut(self, keep: int, position: int) -> bytes:
        """What stands behind `position` of the writer, of which only the first `keep` bytes stay queued.

        The writer may be another one afterwards.
        """
        writer = self.writer
        data = writer.getvalue()
        if keep > SEGMENT_BYTES or len(data) > KEPT_BYTES:
            self.segments.append(data[:keep])
            self.writer = BytesWriter()
        else:
            writer.truncate(keep)
        return data[position:]

    def header(self, size: int, kind_and_flags: int, stream_id: int) -> None:
        """Appends a frame header; `kind_and_flags` is ``type | flags << 8``."""
        writer = self.writer
        write_i32_le(writer, size)
        write_i16_le(writer, kind_and_flags)
        write_i32_le(writer, stream_id)

    def credit(self, stream_id: int, increment: int) -> None:
        """Appends a CREDIT; stream 0 is the connection."""
        self.header(4, CREDIT, stream_id)
        write_i32_le(self.writer, increment)

    def ping(self, payload: bytes) -> None:
        """Appends a PING of eight bytes."""
        self.header(len(payload), PING, 0)
        self.writer.write(payload)

    def pong(self, payload: bytes) -> None:
        """Appends the answer to a ping.

        Raises:
            WireError: the peer does not read its answers.
        """
        self.header(len(payload), PONG, 0)
        self.writer.write(payload)
        self._replied(HEADER_BYTES + len(payload))

    def reset(self, stream_id: int, code: StatusCode, reason: str, unprocessed: bool) -> None:
        """Appends a RESET."""
        text = _reason_bytes(reason)
        self.header(1 + len(text), RESET | FLAG_UNPROCESSED << 8 if unprocessed else RESET, stream_id)
        self.writer.append(int(code))
        self.writer.write(text)

    def refuse(self, stream_id: int, code: StatusCode, reason: str, unprocessed: bool) -> None:
        """Appends a RESET that answers something the peer did.

        Raises:
            WireError: the peer does not read its answers.
        """
        self.reset(stream_id, code, reason, unprocessed)
        self._replied(HEADER_BYTES + 1 + len(reason))

    def go_away(self, last_stream_id: int, code: StatusCode, reason: str) -> None:
        """Appends a GOAWAY."""
        text = _reason_bytes(reason)
        self.header(5 + len(text), GOAWAY, 0)
        write_i32_le(self.writer, last_stream_id)
        self.writer.append(int(code))
        self.writer.write(text)

    def _replied(self, size: int) -> None:
        self.reply_bytes += size
        if self.reply_bytes > self.max_reply_bytes:
            raise WireError(
                f"the peer leaves {self.reply_bytes} bytes of answers unread, over the limit of "
                f"{self.max_reply_bytes}: it has to read while it sends",
                StatusCode.RESOURCE_EXHAUSTED,
            )


def _reason_bytes(reason: str) -> bytes:
    text = reason.encode("utf-8", "replace")
    return text if len(text) <= MAX_REASON_BYTES else text[:MAX_REASON_BYTES].decode("utf-8", "ignore").encode()
