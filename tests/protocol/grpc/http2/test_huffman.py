from __future__ import annotations

import pytest
from hpack.exceptions import HPACKDecodingError
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hpack.huffman_table import decode_huffman
from hypothesis import given
from hypothesis import strategies as st

from eventflux_runtime.protocol.grpc.http2 import huffman
from eventflux_runtime.protocol.grpc.http2.error import HpackError


def test_codes_derived_from_lengths_are_those_of_the_rfc() -> None:
    assert list(REQUEST_CODES_LENGTH) == huffman.LENGTHS
    assert list(REQUEST_CODES) == huffman.CODES


@pytest.mark.parametrize(
    ("text", "coded"),
    [  # RFC 7541, appendix C.4 and C.6
        (b"www.example.com", "f1e3c2e5f23a6ba0ab90f4ff"),
        (b"no-cache", "a8eb10649cbf"),
        (b"custom-value", "25a849e95bb8e8b4bf"),
        (b"302", "6402"),
        (b"Mon, 21 Oct 2013 20:13:21 GMT", "d07abe941054d444a8200595040b8166e082a62d1bff"),
        (b"", ""),
    ],
)
def test_strings_of_the_rfc_are_coded_as_there(text: bytes, coded: str) -> None:
    data = bytes.fromhex(coded)
    assert huffman.encode(text) == data
    assert huffman.encoded_length(text) == len(data)
    assert huffman.decode(b"ahead" + data + b"behind", 5, 5 + len(data)) == text


@given(st.binary(max_size=200))
def test_every_string_survives(text: bytes) -> None:
    coded = huffman.encode(text)
    assert len(coded) == huffman.encoded_length(text)
    assert huffman.decode(coded, 0, len(coded)) == text


@pytest.mark.parametrize("symbol", range(256))
def test_every_symbol_survives_alone_and_between_others(symbol: int) -> None:
    for text in (bytes([symbol]), b"a" + bytes([symbol]) + b"b", bytes([symbol]) * 5):
        coded = huffman.encode(text)
        assert decode_huffman(coded) == text
        assert huffman.decode(coded, 0, len(coded)) == text


@given(st.binary(max_size=40) | st.lists(st.sampled_from([0xFF, 0xFE, 0x1F, 0xF8, 0x00]), max_size=40).map(bytes))
def test_any_bytes_are_judged_as_another_implementation_does(data: bytes) -> None:
    expected: bytes | None
    try:
        expected = bytes(decode_huffman(data))
    except HPACKDecodingError:
        expected = None
    found: bytes | None
    try:
        found = huffman.decode(data, 0, len(data))
    except HpackError:
        found = None
    assert found == expected


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("ff", "eight bits of padding"),
        ("1fff", "eleven bits of padding"),
        ("18", "padding that is not all ones"),
        ("fffffffc", "the end of the string, then zeros"),
        ("ffffffff", "the end of the string, then ones"),
        ("1ffffffffffffc", "the end of the string behind a symbol"),
        ("ffffff", "a code cut off"),
    ],
)
def test_a_string_that_does_not_end_properly_is_refused(data: str, why: str) -> None:
    raw = bytes.fromhex(data)
    with pytest.raises(HpackError):
        huffman.decode(raw, 0, len(raw))
