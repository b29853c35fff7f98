"""What two sides of an RDMA connection say: the hello of each, and the messages on the endpoint; docs/rdma.md has both.

All numbers are little-endian. A message begins with eight bytes: its kind, a zero byte, how many receive buffers the
sender of the message gives back to its receiver, how many of the oldest offers it has read, and two zero bytes.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

__all__ = [
    "ACK",
    "CLOSE",
    "DATA",
    "HEADER",
    "HEADER_BYTES",
    "HELLO_BYTES",
    "LEAST_BUFFER_BYTES",
    "LEAST_DEPTH",
    "OFFER",
    "OFFER_BYTES",
    "FrameError",
    "Hello",
    "Offer",
    "decode_header",
    "decode_hello",
    "decode_offer",
    "encode_hello",
    "encode_offer",
]

DATA: Final = 1
"""Bytes of the stream follow, at least one."""
ACK: Final = 2
"""Nothing follows: the header has all."""
OFFER: Final = 3
"""Bytes of the stream wait at the sender, to be read from there: an `Offer` follows."""
CLOSE: Final = 4
"""Nothing follows, now or later: the sender has written its last byte."""

HEADER: Final = Struct("<BBHHH")
HEADER_BYTES: Final = HEADER.size
_OFFER: Final = Struct("<QQQ")
OFFER_BYTES: Final = _OFFER.size
_HELLO: Final = Struct("<4sHHII")
HELLO_BYTES: Final = _HELLO.size
_MAGIC: Final = b"EFRD"
_VERSION: Final = 1

LEAST_DEPTH: Final = 8
LEAST_BUFFER_BYTES: Final = 256
_MOST_BUFFER_BYTES: Final = 1 << 30


class FrameError(Exception):
    """What the peer says is not of this format; the text says why."""


class Hello(NamedTuple):
    """What a side says of itself in what goes along with the request for a connection and with its acceptance."""

    depth: int
    """Receive buffers that it keeps posted, and so messages that may be on the way to it."""
    buffer_bytes: int
    """The length of each: of the longest message to it, its header included."""
    offer_bytes: int
    """The length of the longest offer that it takes; 0: it takes none."""


class Offer(NamedTuple):
    """Bytes at the sender that the receiver reads from there."""

    address: int
    key: int
    size: int


def encode_hello(hello: Hello) -> bytes:
    """Sixteen bytes."""
    return _HELLO.pack(_MAGIC, _VERSION, hello.depth, hello.buffer_bytes, hello.offer_bytes)


def decode_hello(data: bytes) -> Hello:
    """The hello that some bytes begin with: what carries it may add bytes to its end.

    Raises:
        FrameError: it is none, or one that cannot be dealt with.
    """
    if len(data) < HELLO_BYTES:
        raise FrameError(f"its hello has {len(data)} bytes, and {HELLO_BYTES} are due: it is no EventFlux peer")
    magic, version, depth, buffer_bytes, offer_bytes = _HELLO.unpack_from(data)
    if magic != _MAGIC:
        raise FrameError(f"its hello begins with {magic!r}, and {_MAGIC!r} is due: it is no EventFlux peer")
    if version != _VERSION:
        raise FrameError(f"it speaks version {version} of the messages on RDMA, and this side version {_VERSION}")
    if depth < LEAST_DEPTH:
        raise FrameError(f"it has {depth} receive buffers, and {LEAST_DEPTH} are the least")
    if not LEAST_BUFFER_BYTES <= buffer_bytes <= _MOST_BUFFER_BYTES:
        raise FrameError(f"its receive buffers have {buffer_bytes} bytes, and {LEAST_BUFFER_BYTES} are the least")
    return Hello(depth, buffer_bytes, offer_bytes)


def decode_header(data: bytes | memoryview, size: int, start: int = 0) -> tuple[int, int, int]:
    """The kind of a message, the buffers that it gives back, and the offers that it says are read.

    Args:
        data: has the message in it.
        size: of the whole message.
        start: where it begins.

    Raises:
        FrameError: it is no message of this format.
    """
    if size < HEADER_BYTES:
        raise FrameError(f"a message has {size} bytes, and its header alone has {HEADER_BYTES}")
    kind, zero, returned, read, zeros = HEADER.unpack_from(data, start)
    if zero or zeros:
        raise FrameError("a byte that has to be zero is not: the peer speaks a newer version")
    body = size - HEADER_BYTES
    if kind == DATA:
        is_right = body > 0
    elif kind == OFFER:
        is_right = body == OFFER_BYTES
    elif kind in (ACK, CLOSE):
        is_right = body == 0
    else:
        raise FrameError(f"a message of kind {kind}, and there are those from {DATA} to {CLOSE}")
    if not is_right:
        raise FrameError(f"a message of kind {kind} with {body} bytes behind its header")
    return kind, returned, read


def encode_offer(offer: Offer) -> bytes:
    """What follows the header of an OFFER."""
    return _OFFER.pack(offer.address, offer.key, offer.size)


def decode_offer(data: bytes, most_bytes: int) -> Offer:
    """The same, read; `most_bytes` is what this side has said of itself.

    Raises:
        FrameError: it is empty, or longer than this side takes.
    """
    offer = Offer(*_OFFER.unpack(data))
    if not 0 < offer.size <= most_bytes:
        raise FrameError(f"an offer of {offer.size} bytes, and from 1 to {most_bytes} are taken")
    return offer
