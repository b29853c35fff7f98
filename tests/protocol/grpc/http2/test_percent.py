from __future__ import annotations

from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflux_runtime.protocol.grpc.http2.percent import decode_percent, encode_percent
from eventflux_runtime.rpc.status_part import encoded_bytes


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", b""),
        ("plain text, with ~ and $&", b"plain text, with ~ and $&"),
        ("100 %", b"100 %25"),
        ("a\nb\x00\x7f", b"a%0Ab%00%7F"),
        ("ü€", b"%C3%BC%E2%82%AC"),
        (" ends ", b"%20ends%20"),
        (" ", b"%20"),
        ("  ", b"%20%20"),
        ("\ud800", b"?"),
    ],
)
def test_a_text_is_encoded(text: str, value: bytes) -> None:
    assert encode_percent(text) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"%", "%"),
        (b"%4", "%4"),
        (b"%zz%41", "%zzA"),
        (b"%e2%82%ac", "€"),
        (b"%E2%82", "�"),
        (b"\xff", "�"),
        (b"\xc3\xbc", "ü"),
        (b"%%41", "%A"),
        (b"%2525", "%25"),
    ],
)
def test_what_is_broken_stays_or_is_replaced(value: bytes, text: str) -> None:
    assert decode_percent(value) == text


@given(st.text())
def test_every_text_survives_and_is_printable_on_the_way(text: str) -> None:
    value = encode_percent(text)
    assert all(0x20 <= code < 0x7F for code in value)
    assert value == value.strip(b" ")
    assert len(value) <= encoded_bytes(text) + 4
    assert decode_percent(value) == text
    assert unquote(value.decode("ascii")) == text


@given(st.text(st.sampled_from("a%4C2ü€ ")))
def test_any_value_is_decoded_as_urls_are(text: str) -> None:
    assert decode_percent(text.encode()) == unquote(text, errors="replace")
    assert decode_percent(quote(text).encode("ascii")) == text
