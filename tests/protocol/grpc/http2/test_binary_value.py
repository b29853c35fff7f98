from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflux_runtime.protocol.grpc.http2.binary_value import decode_binary, encode_binary


@given(st.lists(st.tuples(st.binary(max_size=40), st.booleans()), min_size=1, max_size=4))
def test_values_are_read_padded_or_not_alone_or_joined(values: list[tuple[bytes, bool]]) -> None:
    parts = [b64encode(value) if is_padded else b64encode(value).rstrip(b"=") for value, is_padded in values]
    assert decode_binary(b",".join(parts)) == [value for value, _ in values]
    assert decode_binary(b" , ".join(parts)) == [value for value, _ in values]


@given(st.binary(max_size=100))
def test_a_value_is_written_without_padding(value: bytes) -> None:
    assert encode_binary(value) == b64encode(value).rstrip(b"=")
    assert decode_binary(encode_binary(value)) == [value]
    assert len(encode_binary(value)) == (len(value) * 4 + 2) // 3


@pytest.mark.parametrize(
    "value", [b"A", b"AAAAA", b"!!!!", b"AQ=I", b"AQI===", b"=", b"====", b"AA\nAA", b"AQ,!", b"_-8"]
)
def test_what_is_no_base64_is_told(value: bytes) -> None:
    assert decode_binary(value) is None


def test_an_empty_value_is_one_empty_string() -> None:
    assert decode_binary(b"") == [b""]
    assert decode_binary(b"AQ,") == [b"\x01", b""]
