"""EventFlux's own TCP framing, without I/O: a big-endian u32 length, then that many bytes of one message.

The format is that of ``src/core/distributed/transport.rs`` in https://github.com/eventflux-io/engine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from librt.strings import BytesWriter

from eventflux_runtime.rpc.errors import ProtocolError
from eventflux_runtime.rpc.rpc_error import ResourceExhausted

__all__ = ["MIN_BYTES_PER_S", "FrameReader", "FrameTooLong", "encode_frame"]

T = TypeVar("T")

HEADER_BYTES: Final = 4
MAX_LENGTH: Final = 2**32 - 1
MIN_BYTES_PER_S: Final = 4096
"""How fast a frame that has begun has to come on, or its sender is given up. A modem is faster."""


class FrameTooLong(ProtocolError):
    """A peer announced a frame over the limit; nothing of its body was kept.

    Attributes:
        size: the length that the header states, in bytes.
        limit: the most that is taken, in bytes.
    """

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"the peer announced a frame of {size} bytes, the limit is {limit}: "
            "it has to send less at a time, or max_message_size has to be raised on this side"
        )
        self.size: int = size
        self.limit: int = limit

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.size, self.limit)


class FrameReader:
    """Turns a stream of bytes into the bodies of frames, however the bytes were cut.

    Invariants: never holds more than was fed; the length of a frame is checked as soon as its header is there. After an
    error the reader is of no more use, because where the next frame begins is not known.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes: int = max_bytes
        self._buffer: bytearray = bytearray()
        self._needed: int = -1
        self.received: int = 0
        """Bytes that have arrived, in all."""

    @property
    def is_within_frame(self) -> bool:
        """Whether a frame has begun and not ended; asked after `next_frame` has returned None."""
        return bool(self._buffer)

    def receive_data(self, data: bytes) -> None:
        """Takes in bytes as they arrived."""
        self._buffer += data
        self.received += len(data)

    def next_frame(self) -> bytes | None:
        """The body of the next frame; None until all of it has arrived.

        Raises:
            FrameTooLong: its header states more than the limit.
        """
        buffer = self._buffer
        if self._needed < 0:
            if len(buffer) < HEADER_BYTES:
                return None
            length = int.from_bytes(buffer[:HEADER_BYTES], "big")
            if length > self._max_bytes:
                raise FrameTooLong(length, self._max_bytes)
            self._needed = length
        end = HEADER_BYTES + self._needed
        if len(buffer) < end:
            return None
        body = bytes(buffer[HEADER_BYTES:end])
        del buffer[:end]
        self._needed = -1
        return body

    def receive_eof(self) -> None:
        """The peer sends nothing more.

        Raises:
            ProtocolError: it stopped within a frame.
        """
        if not self._buffer:
            return
        if self._needed < 0:
            raise ProtocolError(
                f"the peer closed the connection within a frame's header, after {len(self._buffer)} "
                f"of {HEADER_BYTES} bytes"
            )
        raise ProtocolError(
            f"the peer closed the connection within a frame, after {len(self._buffer) - HEADER_BYTES} "
            f"of {self._needed} bytes"
        )


def encode_frame(encode: Callable[[T, BytesWriter], None], message: T, max_bytes: int) -> bytes:
    """A message as one frame, header included.

    Raises:
        CodecError: the message does not fit the layout.
        ResourceExhausted: it is over the limit.
    """
    writer = BytesWriter()
    writer.write(b"\x00\x00\x00\x00")
    encode(message, writer)
    size = len(writer) - HEADER_BYTES
    if size > min(max_bytes, MAX_LENGTH):
        raise ResourceExhausted(
            f"a message of {size} bytes is over the limit of {max_bytes}: send less at a time, or raise "
            "max_message_size on both sides"
        )
    for index, byte in enumerate(size.to_bytes(HEADER_BYTES, "big")):
        writer[index] = byte
    return writer.getvalue()
