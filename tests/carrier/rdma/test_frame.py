"""The bytes of hellos and messages: vectors by hand, and what is read of any bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflux_runtime.carrier.rdma.frame import (
    ACK,
    CLOSE,
    DATA,
    HEADER,
    LEAST_BUFFER_BYTES,
    LEAST_DEPTH,
    OFFER,
    FrameError,
    Hello,
    Offer,
    decode_header,
    decode_hello,
    decode_offer,
    encode_hello,
    encode_offer,
)

HELLO = bytes.fromhex("45465244 0100 2000 00400000 00001000")
"""Version 1, 32 buffers of 16 KiB, offers of a megabyte: as in docs/rdma.md."""
OFFERED = bytes.fromhex("03 00 0200 0100 0000  0010000000560000 2a00000000000000 0000100000000000")
"""An offer of a megabyte at 0x560000001000, key 42; two buffers are given back, and one offer is read."""


def test_the_bytes_of_a_hello() -> None:
    hello = Hello(depth=32, buffer_bytes=16 * 1024, offer_bytes=1024 * 1024)
    assert encode_hello(hello) == HELLO
    assert decode_hello(HELLO) == hello
    assert decode_hello(HELLO + bytes(40)) == hello


def test_the_bytes_of_an_offer() -> None:
    offer = Offer(address=0x560000001000, key=42, size=1024 * 1024)
    assert HEADER.pack(OFFER, 0, 2, 1, 0) + encode_offer(offer) == OFFERED
    assert decode_header(OFFERED, len(OFFERED)) == (OFFER, 2, 1)
    assert decode_offer(OFFERED[8:], 1024 * 1024) == offer


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "0 bytes, and 16 are due"),
        (b"EFT1" + HELLO[4:], "begins with b'EFT1', and b'EFRD' is due"),
        (HELLO[:4] + b"\x02" + HELLO[5:], "speaks version 2 .*, and this side version 1"),
        (HELLO[:6] + b"\x07" + HELLO[7:], "7 receive buffers, and 8 are the least"),
        (HELLO[:8] + b"\xff\x00" + HELLO[10:], "have 255 bytes, and 256 are the least"),
    ],
)
def test_a_hello_that_is_wrong(data: bytes, words: str) -> None:
    with pytest.raises(FrameError, match=words):
        decode_hello(data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x01\0\0\0\0\0\0", "7 bytes, and its header alone has 8"),
        (b"\x01\1\0\0\0\0\0\0x", "has to be zero"),
        (b"\x01\0\0\0\0\0\0\1x", "has to be zero"),
        (b"\x00\0\0\0\0\0\0\0", "kind 0"),
        (b"\x05\0\0\0\0\0\0\0", "kind 5, and there are those from 1 to 4"),
        (b"\x01\0\0\0\0\0\0\0", "kind 1 with 0 bytes behind"),
        (b"\x02\0\0\0\0\0\0\0x", "kind 2 with 1 bytes behind"),
        (OFFERED + b"x", "kind 3 with 25 bytes behind"),
        (b"\x04\0\0\0\0\0\0\0x", "kind 4 with 1 bytes behind"),
    ],
)
def test_a_message_that_is_wrong(data: bytes, words: str) -> None:
    with pytest.raises(FrameError, match=words):
        decode_header(data, len(data))


@pytest.mark.parametrize("size", [0, 1025, 2**64 - 1])
def test_an_offer_beyond_what_is_taken(size: int) -> None:
    with pytest.raises(FrameError, match="from 1 to 1024 are taken"):
        decode_offer(encode_offer(Offer(0, 0, size)), 1024)


@given(st.binary(max_size=40))
def test_any_bytes_are_a_message_or_break_the_rules(data: bytes) -> None:
    try:
        kind, returned, read = decode_header(data, len(data))
    except FrameError:
        return
    assert HEADER.pack(kind, 0, returned, read, 0) == data[:8]
    assert kind in (DATA, ACK, OFFER, CLOSE)


@given(st.binary(max_size=40) | st.binary(max_size=30).map(lambda rest: HELLO[:6] + rest))
def test_any_bytes_are_a_hello_or_break_the_rules(data: bytes) -> None:
    try:
        hello = decode_hello(data)
    except FrameError:
        return
    assert encode_hello(hello) == data[:16]
    assert hello.depth >= LEAST_DEPTH
    assert hello.buffer_bytes >= LEAST_BUFFER_BYTES
