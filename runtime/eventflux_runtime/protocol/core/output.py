"""The bytes on their way to the peer: one growing buffer, cut and taken in pieces."""

from __future__ import annotations

from typing import Final, final

from librt.strings import BytesWriter

from eventflux_runtime.protocol.core.error import RemoteProtocolError
from eventflux_runtime.rpc.status import StatusCode

__all__ = ["Output", "Written"]

SEGMENT_BYTES: Final = 64 * 1024
"""A buffer longer than this is put aside before more is cut from its end, so that no byte is copied again and again."""
PLENTY_BYTES: Final = 4 * 1024
"""From here on, waiting for more to write at once costs more than the write: the other side stands idle meanwhile."""
KEPT_BYTES: Final = 256 * 1024
"""A buffer that grew beyond this is given back to the allocator after use."""


@final
class Written:
    """The length of the message that was sent last, as `encode` wrote it; 0: it was dropped, on a call that had ended.

    It counts right behind a call of a method that sends one. An object and no property, for who asks each time.
    """

    __slots__ = ("size",)

    def __init__(self) -> None:
        self.size: int = 0


class Output:
    """What is queued for the peer, in order: `segments`, then `writer`. A protocol's own adds its frames.

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

    def credit(self, stream_id: int, increment: int) -> None:
        """Appends the frame that lets the peer send more; stream 0 is the connection."""
        raise NotImplementedError

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

    def replied(self, size: int) -> None:
        """Counts bytes of an answer that the peer made this side queue.

        Raises:
            RemoteProtocolError: the peer does not read its answers.
        """
        self.reply_bytes += size
        if self.reply_bytes > self.max_reply_bytes:
            raise RemoteProtocolError(
                f"the peer leaves {self.reply_bytes} bytes of answers unread, over the limit of "
                f"{self.max_reply_bytes}: it has to read while it sends",
                StatusCode.RESOURCE_EXHAUSTED,
            )
