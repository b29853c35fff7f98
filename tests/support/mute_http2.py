"""A gRPC client over a plain socket that speaks just enough HTTP/2 (RFC 9113) to make calls, and reads nothing."""

from __future__ import annotations

import struct
from types import TracebackType
from typing import Self

from eventflux_runtime.rpc.method import AnyMethod
from eventflux_transport import EventRequest, HeartbeatRequest
from eventflux_transport.methods import TRANSPORT_HEARTBEAT, TRANSPORT_STREAM_EVENTS
from tests.support.mute import LARGE, raw_socket

DATA, HEADERS, SETTINGS, PING, WINDOW_UPDATE = 0, 1, 4, 6, 8
END_STREAM, END_HEADERS = 1, 4
INITIAL_WINDOW_SIZE = 4


class MuteHttp2Client:
    """One connection with windows as large as can be. All of it blocks: call it in a thread."""

    def __init__(self, url: str) -> None:
        self.sock = raw_socket(url)
        self._last_stream_id = -1
        settings = struct.pack(">HI", INITIAL_WINDOW_SIZE, LARGE)
        self.sock.sendall(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
            + self.frame(SETTINGS, 0, 0, settings)
            + self.frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", LARGE - 65_535))
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sock.close()

    @staticmethod
    def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
        """A frame's bytes."""
        return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream_id) + payload

    def stream_events(self, node_id: str, batch_size: int) -> None:
        """Calls the method of that name."""
        self.sock.sendall(self.call(TRANSPORT_STREAM_EVENTS, EventRequest(node_id=node_id, batch_size=batch_size)))

    def heartbeat(self, *metadata: tuple[bytes, bytes]) -> bytes:
        """The bytes of a call of that method."""
        return self.call(TRANSPORT_HEARTBEAT, HeartbeatRequest(), *metadata)

    def call(
        self, method: AnyMethod, request: EventRequest | HeartbeatRequest, *metadata: tuple[bytes, bytes]
    ) -> bytes:
        """The bytes of a call."""
        self._last_stream_id += 2
        data = method.request.to_protobuf(request)
        fields = (
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", method.path.encode()),
            (b":authority", b"test"),
            (b"te", b"trailers"),
            (b"content-type", b"application/grpc"),
            *metadata,
        )
        block = b"".join(b"\0" + _text(name) + _text(value) for name, value in fields)
        message = b"\0" + struct.pack(">I", len(data)) + data
        return self.frame(HEADERS, END_HEADERS, self._last_stream_id, block) + self.frame(
            DATA, END_STREAM, self._last_stream_id, message
        )


def _text(value: bytes) -> bytes:
    """A string literal without Huffman coding (RFC 7541, 5.2), below 127 bytes."""
    return bytes([len(value)]) + value
