"""The frames that belong to no single call, on their way to the peer."""

from __future__ import annotations

from typing import final

from librt.strings import write_i16_le, write_i32_le

from eventflux_runtime.protocol.core.output import Output
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

__all__ = ["FrameOutput"]


@final
class FrameOutput(Output):
    """What is queued for the peer, with the frames that belong to no single call."""

    __slots__ = ()

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
            RemoteProtocolError: the peer does not read its answers.
        """
        self.header(len(payload), PONG, 0)
        self.writer.write(payload)
        self.replied(HEADER_BYTES + len(payload))

    def reset(self, stream_id: int, code: StatusCode, reason: str, unprocessed: bool) -> None:
        """Appends a RESET."""
        text = _reason_bytes(reason)
        self.header(1 + len(text), RESET | FLAG_UNPROCESSED << 8 if unprocessed else RESET, stream_id)
        self.writer.append(int(code))
        self.writer.write(text)

    def refuse(self, stream_id: int, code: StatusCode, reason: str, unprocessed: bool) -> None:
        """Appends a RESET that answers something the peer did.

        Raises:
            RemoteProtocolError: the peer does not read its answers.
        """
        self.reset(stream_id, code, reason, unprocessed)
        self.replied(HEADER_BYTES + 1 + len(reason))

    def go_away(self, last_stream_id: int, code: StatusCode, reason: str) -> None:
        """Appends a GOAWAY."""
        text = _reason_bytes(reason)
        self.header(5 + len(text), GOAWAY, 0)
        write_i32_le(self.writer, last_stream_id)
        self.writer.append(int(code))
        self.writer.write(text)


def _reason_bytes(reason: str) -> bytes:
    text = reason.encode("utf-8", "replace")
    return text if len(text) <= MAX_REASON_BYTES else text[:MAX_REASON_BYTES].decode("utf-8", "ignore").encode()
