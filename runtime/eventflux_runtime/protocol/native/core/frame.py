"""The frame header and the numbers of the wire: types, flags, fixed sizes. docs/protocol.md is their specification."""

from __future__ import annotations

from typing import Final

from librt.strings import read_i16_le, read_i32_le

from eventflux_runtime.protocol.sniff import NATIVE_PREFACE

__all__ = ["HEADER_BYTES", "PREFACE", "frame_name", "read_u16", "read_u32"]

PREFACE: Final = NATIVE_PREFACE
"""The first bytes of both sides."""

HEADER_BYTES: Final = 10
"""u32 payload length, u8 type, u8 flags, u32 stream id."""

HELLO: Final = 1
OPEN: Final = 2
HEADERS: Final = 3
MESSAGE: Final = 4
HALF_CLOSE: Final = 5
STATUS: Final = 6
RESET: Final = 7
CREDIT: Final = 8
PING: Final = 9
PONG: Final = 10
GOAWAY: Final = 11

FIRST_EXTENSION: Final = 0x80
"""Frames of this type and above are ignored by who does not know them."""

FLAG_END: Final = 0x01
"""OPEN, MESSAGE: the client sends nothing more on this stream."""
FLAG_MESSAGE: Final = 0x02
"""OPEN, STATUS: the rest of the payload is one whole message."""
FLAG_METADATA: Final = 0x04
"""OPEN: a metadata block follows the fixed fields."""
FLAG_COMPRESSED: Final = 0x08
"""OPEN, MESSAGE, STATUS: the message is compressed; the id of the algorithm is its first byte."""
FLAG_MORE: Final = 0x10
"""MESSAGE: the message goes on in the stream's next MESSAGE frame."""
FLAG_PROTOBUF: Final = 0x20
"""OPEN: the messages of this stream, both ways, are protobuf rather than bincode."""
FLAG_FULL: Final = 0x40
"""STATUS: code, text, details and trailers stand ahead of the message; without it the status is a plain OK."""
FLAG_UNPROCESSED: Final = 0x01
"""RESET: no handler has seen the call, so any method may be tried again."""

MAX_STREAM_ID: Final = 2**31 - 1
MAX_HELLO_BYTES: Final = 1024 * 1024
"""Limit of a HELLO payload, which has to be readable before any limit has been agreed on."""
MIN_FRAME_BYTES: Final = 16 * 1024
"""The least `max_frame_bytes` that a side may announce."""
MIN_WINDOW: Final = 16 * 1024
"""The least window, of a stream or a connection, that a side may announce."""
MAX_WINDOW: Final = 2**31 - 1
CREDIT_CEILING: Final = 2**40
"""More credit than this at one time is a fault; a receiver's bookkeeping would have to be wrong."""
MAX_METHODS: Final = 32_767
MAX_REASON_BYTES: Final = 1024
"""Limit of the text in RESET and GOAWAY."""
FRAME_COST: Final = 64
"""Credit that a MESSAGE frame takes besides its payload, so that a flood of empty messages is bounded too."""
RESERVE_DIVISOR: Final = 4
"""This part of the connection's window is for the oldest message that is partly sent."""

_NAMES: Final = (
    "",
    "HELLO",
    "OPEN",
    "HEADERS",
    "MESSAGE",
    "HALF_CLOSE",
    "STATUS",
    "RESET",
    "CREDIT",
    "PING",
    "PONG",
    "GOAWAY",
)


def frame_name(kind: int) -> str:
    """The name of a frame type for error messages."""
    return _NAMES[kind] if 0 < kind < len(_NAMES) else f"type {kind}"


def read_u16(data: bytes, position: int) -> int:
    """The unsigned number at `position`, which has to be within `data`."""
    value: int = read_i16_le(data, position)
    return value & 0xFFFF


def read_u32(data: bytes, position: int) -> int:
    """The unsigned number at `position`, which has to be within `data`."""
    value: int = read_i32_le(data, position)
    return value & 0xFFFF_FFFF
