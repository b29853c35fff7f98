"""HTTP/2's frame header and the numbers of its wire: types, flags, fixed sizes (RFC 9113, sections 4 and 6)."""

from __future__ import annotations

from typing import Final

from librt.strings import read_i32_be

from eventflux_runtime.loading.compiled import i64
from eventflux_runtime.protocol.grpc.http2.error import FRAME_SIZE_ERROR, Http2Error

__all__ = ["HEADER_BYTES", "PREFACE", "frame_name", "padding_bytes", "read_u16", "read_u32"]

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""The first bytes of a client (RFC 9113, 3.4)."""

HEADER_BYTES: Final = 9
"""u24 payload length, u8 type, u8 flags, one reserved bit, u31 stream id; all numbers are big-endian."""

DATA: Final = 0x0
HEADERS: Final = 0x1
PRIORITY: Final = 0x2
RST_STREAM: Final = 0x3
SETTINGS: Final = 0x4
PUSH_PROMISE: Final = 0x5
PING: Final = 0x6
GOAWAY: Final = 0x7
WINDOW_UPDATE: Final = 0x8
CONTINUATION: Final = 0x9

FLAG_END_STREAM: Final = 0x01
"""DATA, HEADERS: the sender sends nothing more on this stream."""
FLAG_ACK: Final = 0x01
"""SETTINGS, PING: an answer."""
FLAG_END_HEADERS: Final = 0x04
"""HEADERS, CONTINUATION: no CONTINUATION follows."""
FLAG_PADDED: Final = 0x08
"""DATA, HEADERS: the first byte is the length of the padding at the end."""
FLAG_PRIORITY: Final = 0x20
"""HEADERS: five bytes of a priority that nobody uses any more follow."""
PRIORITY_BYTES: Final = 5

MAX_STREAM_ID: Final = 2**31 - 1
MAX_WINDOW: Final = 2**31 - 1
DEFAULT_WINDOW: Final = 65_535
"""Every window's size until somebody says otherwise (RFC 9113, 6.9.2)."""
MAX_FRAME_BYTES: Final = 16_384
"""The least that a side may allow for a frame's payload; it is all that this side allows, and all that it sends."""
MAX_FRAME_CEILING: Final = 2**24 - 1

MESSAGE_PREFIX_BYTES: Final = 5
"""u8 compressed flag, u32 length: ahead of each message of gRPC."""

_NAMES: Final = (
    "DATA",
    "HEADERS",
    "PRIORITY",
    "RST_STREAM",
    "SETTINGS",
    "PUSH_PROMISE",
    "PING",
    "GOAWAY",
    "WINDOW_UPDATE",
    "CONTINUATION",
)


def frame_name(kind: int) -> str:
    """The name of a frame type for error messages."""
    return _NAMES[kind] if 0 <= kind < len(_NAMES) else f"frame of type {kind}"


def read_u16(data: bytes, position: int) -> int:
    """The unsigned number at `position`, which has to be within `data`."""
    return data[position] << 8 | data[position + 1]


def read_u32(data: bytes, position: i64) -> i64:
    """The unsigned number at `position`, which has to be within `data`."""
    signed: int = read_i32_be(data, position)
    value: i64 = signed
    return value & 0xFFFF_FFFF


def padding_bytes(kind: int, data: bytes, start: i64, end: i64) -> int:
    """What padding takes of a frame's payload ``data[start:end]``: a byte at the start, and the rest at the end.

    Raises:
        Http2Error: more than there is (RFC 9113, 6.1).
    """
    if start == end:
        raise Http2Error(f"{frame_name(kind)} is padded and has no padding length", FRAME_SIZE_ERROR)
    size = 1 + data[start]
    if size > end - start:
        raise Http2Error(f"{frame_name(kind)} of {end - start} bytes has {size} bytes of padding")
    return size
