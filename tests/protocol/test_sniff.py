"""The first bytes of a connection tell which protocol the peer speaks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflux_runtime.protocol.sniff import Sniff, describe_peer, sniff


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        (b"EFT1", Sniff.NATIVE),
        (b"EFT1\x00\x01", Sniff.NATIVE),
        (b"\x00\x00\x00\x00", Sniff.EVENTFLUX),
        (b"\x00\x00\x01\x2a", Sniff.EVENTFLUX),
        (b"\x00\xa0\x00\x00", Sniff.EVENTFLUX),
        (b"\x00\xa0\x00\x01", Sniff.UNKNOWN),
        (b"\x16\x03\x01\x02", Sniff.TLS_CLIENT_HELLO),
        (b"PRI * HTTP/2.0", Sniff.HTTP2),
        (b"GET / HTTP/1.1", Sniff.HTTP1),
        (b"POST", Sniff.HTTP1),
        (b"HTTP", Sniff.HTTP1),
        (b"SSH-", Sniff.UNKNOWN),
        (b"", Sniff.NEED_MORE),
        (b"EFT", Sniff.NEED_MORE),
    ],
)
def test_protocols(prefix: bytes, found: Sniff) -> None:
    assert sniff(prefix) is found


@given(st.binary(max_size=20))
def test_any_bytes_have_an_answer(prefix: bytes) -> None:
    assert (sniff(prefix) is Sniff.NEED_MORE) == (len(prefix) < 4)
    for spoken in ("tcp", "grpc"):
        assert describe_peer(prefix, spoken).startswith(("it ", "if it is"))


def test_an_eventflux_frame_over_the_limit_is_named_as_such() -> None:
    assert "announced a frame of 10485761 bytes, the limit is 10485760" in describe_peer(b"\x00\xa0\x00\x01")
