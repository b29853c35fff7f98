"""HTTP/2's frames and header blocks by hand (RFC 9113, RFC 7541), for peers that send what no library would."""

from __future__ import annotations

import struct
from typing import Final

from eventflux_runtime.rpc.method import AnyMethod

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
ACK: Final = 1
END_STREAM: Final = 1
END_HEADERS: Final = 4
HEADER_TABLE_SIZE: Final = 1
MAX_CONCURRENT_STREAMS: Final = 3
INITIAL_WINDOW_SIZE: Final = 4
LARGEST_WINDOW: Final = 2**31 - 1
DEFAULT_WINDOW: Final = 65_535
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
MAX_FRAME_BYTES: Final = 16_384
PLAIN: Final = 0x00
"""Begins a literal that no table keeps (RFC 7541, 6.2.2)."""
INDEXED: Final = 0x40
"""Begins a literal that the table keeps (RFC 7541, 6.2.1)."""
NEWEST: Final = b"\xbe"
"""The newest entry of the dynamic table (RFC 7541, 6.1)."""


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """A frame's bytes."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream_id) + payload


def setting(key: int, value: int) -> bytes:
    """One parameter of SETTINGS."""
    return struct.pack(">HI", key, value)


def settings(*parameters: tuple[int, int]) -> bytes:
    """A SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join(setting(key, value) for key, value in parameters))


def credit(stream_id: int, increment: int) -> bytes:
    """A WINDOW_UPDATE."""
    return frame(WINDOW_UPDATE, 0, stream_id, struct.pack(">I", increment))


def reset(stream_id: int, error_code: int = 8) -> bytes:
    """A RST_STREAM; CANCEL unless told otherwise."""
    return frame(RST_STREAM, 0, stream_id, struct.pack(">I", error_code))


def message(stream_id: int, data: bytes, *, flags: int = 0, compressed: int = 0) -> bytes:
    """A message of gRPC in one DATA frame."""
    return frame(DATA, flags, stream_id, bytes([compressed]) + struct.pack(">I", len(data)) + data)


def literal(name: bytes, value: bytes, begin: int = PLAIN) -> bytes:
    """A header field, without Huffman coding."""
    return bytes([begin]) + _string(name) + _string(value)


def request_block(method: AnyMethod, *fields: tuple[bytes, bytes]) -> bytes:
    """The header block of a call."""
    head = (
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", method.path.encode()),
        (b":authority", b"test"),
        (b"te", b"trailers"),
        (b"content-type", b"application/grpc"),
        *fields,
    )
    return b"".join(literal(name, value) for name, value in head)


def _string(value: bytes) -> bytes:
    """A string behind its length (RFC 7541, 5.1 and 5.2)."""
    size = len(value)
    if size < 127:
        return bytes([size]) + value
    size -= 127
    head = bytearray([127])
    while size >= 128:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    head.append(size)
    return bytes(head) + value
