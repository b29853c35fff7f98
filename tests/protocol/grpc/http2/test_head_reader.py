from __future__ import annotations

from typing import Final

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflux_runtime.protocol.grpc.http2.error import HpackError
from eventflux_runtime.protocol.grpc.http2.head_reader import (
    MAX_KNOWN_BLOCK_BYTES,
    MAX_KNOWN_BLOCKS,
    MAX_KNOWN_LIST_BYTES,
    HeadReader,
)
from eventflux_runtime.rpc.status import OK_STATUS, StatusCode

REQUEST: Final = [
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/a.B/C"),
    (b"content-type", b"application/grpc"),
]
RESPONSE: Final = [(b":status", b"200"), (b"content-type", b"application/grpc")]
TRAILERS: Final = [(b"grpc-status", b"0")]


def test_a_block_that_repeats_is_read_once() -> None:
    encoder, reader = hpack.Encoder(), HeadReader(65536)
    first, second, third = (reader.read_request(encoder.encode(REQUEST)) for _ in range(3))
    assert first is not second
    assert second is third
    assert second.path == "/a.B/C"


def test_each_kind_of_block_is_kept_by_itself() -> None:
    encoder, reader = hpack.Encoder(), HeadReader(65536)
    reader.read_response(encoder.encode(RESPONSE))
    reader.read_trailers(encoder.encode(TRAILERS))
    head = reader.read_response(encoder.encode(RESPONSE))
    trailers = reader.read_trailers(encoder.encode(TRAILERS))
    assert reader.read_response(encoder.encode(RESPONSE)) is head
    assert reader.read_trailers(encoder.encode(TRAILERS)) is trailers
    assert trailers.status is OK_STATUS
    block = encoder.encode(TRAILERS)
    assert "':status' is missing" in reader.read_response(block).error
    assert "':status' is missing" in reader.read_trailers_only(block).error
    assert "':method' is missing" in reader.read_request(block).error


def test_a_kept_block_is_forgotten_when_the_table_changes() -> None:
    encoder, reader = hpack.Encoder(), HeadReader(65536)
    for code in (b"0", b"5", b"7"):
        blocks = [encoder.encode([(b"grpc-status", code)]) for _ in range(3)]
        assert [reader.read_trailers(block).status.code for block in blocks] == [int(code)] * 3
        assert blocks[-1] == b"\xbe"  # the newest entry, whatever it is


def test_a_block_that_changes_the_table_does_so_each_time() -> None:
    reader = HeadReader(65536)
    for _ in range(2):
        assert reader.read_trailers(b"\x40\x0bgrpc-status\x015").status.code is StatusCode.NOT_FOUND
    assert reader.read_trailers(b"\xbf").status.code is StatusCode.NOT_FOUND


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["/a", "/b", "/c", "/d"]), st.sampled_from(["", "x", "y"]), st.none() | st.integers(0, 300)
        ),
        max_size=40,
    )
)
def test_what_is_kept_is_always_what_would_be_read(calls: list[tuple[str, str, int | None]]) -> None:
    encoder, reader = hpack.Encoder(), HeadReader(65536)
    for path, value, table_size in calls:
        if table_size is not None:
            encoder.header_table_size = table_size
        head = reader.read_request(encoder.encode([*REQUEST[:2], (":path", path), REQUEST[3], ("key", value)]))
        assert (head.error, head.path, head.metadata.get("key")) == ("", path, value)


def literal(name: bytes, value: bytes) -> bytes:
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def request(*more: bytes) -> bytes:
    return b"\x83\x86" + literal(b":path", b"/a") + literal(b"content-type", b"application/grpc") + b"".join(more)


def test_a_response_of_one_block_that_changes_the_table_costs_what_is_kept_once() -> None:
    encoder, reader = hpack.Encoder(), HeadReader(65536)
    for _ in range(2):
        reader.read_response(encoder.encode(RESPONSE))
    only = [*RESPONSE, (b"grpc-status", b"5")]
    assert reader.read_trailers_only(encoder.encode(only)).status.code is StatusCode.NOT_FOUND
    head = reader.read_response(encoder.encode(RESPONSE))
    assert reader.read_response(encoder.encode(RESPONSE)) is head
    assert reader.read_trailers_only(encoder.encode(only)).status.code is StatusCode.NOT_FOUND
    assert reader.read_response(encoder.encode(RESPONSE)) is head


def test_a_long_block_is_not_kept() -> None:
    reader = HeadReader(65536)
    padding = MAX_KNOWN_BLOCK_BYTES - len(request()) - 4 * 4
    short = request(*[literal(b"a", b"x" * (padding // 4))] * 4)
    assert len(short) <= MAX_KNOWN_BLOCK_BYTES
    assert reader.read_request(short) is reader.read_request(short)
    long = short + literal(b"b", b"y" * 40)
    assert reader.read_request(long) is not reader.read_request(long)


def test_a_long_list_in_a_short_block_is_not_kept() -> None:
    reader = HeadReader(65536)
    indexed = MAX_KNOWN_LIST_BYTES // 45 + 1
    block = request(*[b"\x8f"] * indexed)  # accept-charset, without a value
    assert len(block) < MAX_KNOWN_BLOCK_BYTES
    assert reader.read_request(block) is not reader.read_request(block)


def test_few_blocks_are_kept() -> None:
    reader = HeadReader(65536)
    blocks = [request(literal(b"a", b"%d" % number)) for number in range(MAX_KNOWN_BLOCKS + 1)]
    heads = [reader.read_request(block) for block in blocks]
    assert reader.read_request(blocks[-1]) is heads[-1]
    assert reader.read_request(blocks[0]) is not heads[0]


def test_a_list_over_our_limit_fails_its_call_alone() -> None:
    reader = HeadReader(200)
    refusal = reader.read_request(request(literal(b"a", b"x" * 100))).refusal
    assert refusal is not None
    assert refusal.code is StatusCode.RESOURCE_EXHAUSTED
    assert reader.read_request(request()).refusal is None


def test_a_broken_block_is_an_error_of_the_connection() -> None:
    for read in (
        HeadReader(200).read_request,
        HeadReader(200).read_response,
        HeadReader(200).read_trailers,
        HeadReader(200).read_trailers_only,
    ):
        with pytest.raises(HpackError):
            read(b"\x80")
