from __future__ import annotations

import tracemalloc
from typing import Final

import hpack
import pytest
from hpack.exceptions import HPACKError
from hpack.hpack import encode_integer
from hpack.table import HeaderTable
from hypothesis import given
from hypothesis import strategies as st

from eventflux_runtime.protocol.grpc.http2.error import HpackError
from eventflux_runtime.protocol.grpc.http2.hpack_decoder import Decoder
from eventflux_runtime.protocol.grpc.http2.static_table import STATIC_ENTRIES

PLENTY: Final = 1 << 30
NAMES: Final = st.sampled_from([b":path", b":status", b"content-type", b"grpc-status", b"x", b"a-long-name-of-a-field"])
VALUES: Final = st.sampled_from([b"", b"200", b"application/grpc"]) | st.binary(max_size=60)
FIELDS: Final = st.lists(st.tuples(NAMES, VALUES, st.booleans()), max_size=8)


def pairs(decoder: Decoder, block: bytes) -> list[tuple[bytes, bytes]]:
    return [(field.name, field.value) for field in decoder.decode(block)]


def headers(fields: list[tuple[bytes, bytes, bool]]) -> list[hpack.HeaderTuple]:
    return [
        hpack.NeverIndexedHeaderTuple(name, value) if is_secret else hpack.HeaderTuple(name, value)
        for name, value, is_secret in fields
    ]


def integer(flags: int, prefix_bits: int, value: int) -> bytes:
    raw = encode_integer(value, prefix_bits)
    raw[0] |= flags
    return bytes(raw)


def test_static_table_is_the_rfcs() -> None:
    assert tuple(HeaderTable.STATIC_TABLE) == STATIC_ENTRIES


@pytest.mark.parametrize(
    ("block", "expected", "table_bytes"),
    [  # RFC 7541, appendix C.2
        ("400a637573746f6d2d6b65790d637573746f6d2d686561646572", (b"custom-key", b"custom-header"), 55),
        ("040c2f73616d706c652f70617468", (b":path", b"/sample/path"), 0),
        ("100870617373776f726406736563726574", (b"password", b"secret"), 0),
        ("82", (b":method", b"GET"), 0),
    ],
)
def test_each_representation_of_the_rfc(block: str, expected: tuple[bytes, bytes], table_bytes: int) -> None:
    decoder = Decoder(PLENTY)
    assert pairs(decoder, bytes.fromhex(block)) == [expected]
    assert decoder.table_bytes == table_bytes


REQUESTS: Final = [
    [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"www.example.com")],
    [
        (b":method", b"GET"),
        (b":scheme", b"http"),
        (b":path", b"/"),
        (b":authority", b"www.example.com"),
        (b"cache-control", b"no-cache"),
    ],
    [
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":path", b"/index.html"),
        (b":authority", b"www.example.com"),
        (b"custom-key", b"custom-value"),
    ],
]
RESPONSE: Final = [
    (b":status", b"302"),
    (b"cache-control", b"private"),
    (b"date", b"Mon, 21 Oct 2013 20:13:21 GMT"),
    (b"location", b"https://www.example.com"),
]
RESPONSES: Final = [
    RESPONSE,
    [(b":status", b"307"), *RESPONSE[1:]],
    [
        (b":status", b"200"),
        (b"cache-control", b"private"),
        (b"date", b"Mon, 21 Oct 2013 20:13:22 GMT"),
        (b"location", b"https://www.example.com"),
        (b"content-encoding", b"gzip"),
        (b"set-cookie", b"foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"),
    ],
]


@pytest.mark.parametrize(
    ("blocks", "expected", "table_bytes"),
    [
        (  # C.3
            [
                "828684410f7777772e6578616d706c652e636f6d",
                "828684be58086e6f2d6361636865",
                "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
            ],
            REQUESTS,
            [57, 110, 164],
        ),
        (  # C.4
            [
                "828684418cf1e3c2e5f23a6ba0ab90f4ff",
                "828684be5886a8eb10649cbf",
                "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
            ],
            REQUESTS,
            [57, 110, 164],
        ),
        (  # C.5, in a table of 256 bytes
            [
                (
                    "3fe101"
                    "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d54"
                    "6e1768747470733a2f2f7777772e6578616d706c652e636f6d"
                ),
                "4803333037c1c0bf",
                (
                    "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a6970"
                    "7738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d3336"
                    "30303b2076657273696f6e3d31"
                ),
            ],
            RESPONSES,
            [222, 222, 215],
        ),
        (  # C.6
            [
                (
                    "3fe101"
                    "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff"
                    "6e919d29ad171863c78f0b97c8e9ae82ae43d3"
                ),
                "4883640effc1c0bf",
                (
                    "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab"
                    "77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007"
                ),
            ],
            RESPONSES,
            [222, 222, 215],
        ),
    ],
)
def test_each_sequence_of_the_rfc(
    blocks: list[str], expected: list[list[tuple[bytes, bytes]]], table_bytes: list[int]
) -> None:
    decoder = Decoder(PLENTY)
    for block, fields, size in zip(blocks, expected, table_bytes, strict=True):
        assert pairs(decoder, bytes.fromhex(block)) == fields
        assert decoder.table_bytes == size


@given(st.lists(st.tuples(FIELDS, st.booleans(), st.none() | st.integers(0, 5000)), max_size=12))
def test_what_another_implementation_encodes_is_decoded(
    steps: list[tuple[list[tuple[bytes, bytes, bool]], bool, int | None]],
) -> None:
    encoder, decoder = hpack.Encoder(), Decoder(PLENTY, 5000)
    for fields, is_huffman, table_size in steps:
        if table_size is not None:
            encoder.header_table_size = table_size
        block = encoder.encode(headers(fields), huffman=is_huffman)
        assert pairs(decoder, block) == [(name, value) for name, value, _ in fields]
        assert decoder.list_bytes == sum(len(name) + len(value) + 32 for name, value, _ in fields)
        assert decoder.table_bytes <= encoder.header_table_size


@given(
    st.lists(FIELDS, min_size=1, max_size=3),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), min_size=1, max_size=3),
    st.booleans(),
)
def test_a_broken_block_is_judged_as_another_implementation_does(
    lists: list[list[tuple[bytes, bytes, bool]]], changes: list[tuple[int, int]], is_huffman: bool
) -> None:
    encoder, theirs, ours = hpack.Encoder(), hpack.Decoder(), Decoder(PLENTY)
    *sound, last = [encoder.encode(headers(fields), huffman=is_huffman) for fields in lists]
    for block in sound:
        assert pairs(ours, block) == theirs.decode(block, raw=True)
    broken = bytearray(last)
    for position, byte in changes:
        if broken:
            broken[position % len(broken)] = byte
    judge(theirs, ours, bytes(broken))


@given(st.binary(max_size=30))
def test_any_bytes_are_judged_as_another_implementation_does(block: bytes) -> None:
    judge(hpack.Decoder(), Decoder(PLENTY), block)


def judge(theirs: hpack.Decoder, ours: Decoder, block: bytes) -> None:
    expected: list[hpack.HeaderTuple] | None
    try:
        expected = list(theirs.decode(block, raw=True))
    except HPACKError:
        expected = None
    reason = ""
    found: list[tuple[bytes, bytes]] | None = None
    try:
        found = pairs(ours, block)
    except HpackError as error:
        reason = str(error)
    # Integers of more than four bytes behind the prefix are refused here whatever they say.
    assert found == expected or "4 bytes behind its prefix" in reason


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        ("80", "index 0 in"),
        ("be", "index 62 in"),
        ("7e00", "index 62 in"),
        ("8220", "table size update stands behind a field"),
        ("3fe21f", "update to 4097 bytes is over our limit of 4096"),
        ("ff", "ends within an integer"),
        ("ff80808000", ""),
        ("ff8080808000", "over the limit of 4 bytes"),
        ("ffffffffffffffffffff7f", "over the limit of 4 bytes"),
        ("40", "ends where a string has to follow"),
        ("400161", "ends where a string has to follow"),
        ("40016105616263", "a string of 5 bytes in a header block with 3 left"),
        ("40ff", "ends within an integer"),
        ("4001617fffffff7f", "a string of 268435582 bytes in a header block with 0 left"),
        ("40810000", "Huffman"),
    ],
)
def test_a_broken_block_is_refused_with_a_reason(block: str, reason: str) -> None:
    if reason:
        with pytest.raises(HpackError, match=reason):
            Decoder(PLENTY).decode(bytes.fromhex(block))
    else:
        with pytest.raises(HpackError, match="index 127"):  # zeros that change nothing are allowed
            Decoder(PLENTY).decode(bytes.fromhex(block))


def test_two_size_updates_may_begin_a_block() -> None:
    decoder = Decoder(PLENTY)
    decoder.decode(bytes.fromhex("400161016240016301" + "64"))
    assert pairs(decoder, bytes.fromhex("20" + "3fe11f" + "82")) == [(b":method", b"GET")]
    assert decoder.table_bytes == 0
    with pytest.raises(HpackError, match="index 62"):
        decoder.decode(b"\xbe")


@pytest.mark.parametrize("max_table_bytes", [0, 65536])
def test_a_table_holds_4_kib_until_the_peer_says_otherwise(max_table_bytes: int) -> None:
    decoder = Decoder(PLENTY, max_table_bytes)
    decoder.decode(b"".join(b"\x40\x01a" + integer(0, 7, 95) + b"x" * 95 for _ in range(40)))
    assert decoder.table_bytes == 4096
    decoder.decode(integer(0x20, 5, max_table_bytes))
    decoder.decode(b"\x40\x01a\x01b")
    assert decoder.table_bytes == (4096 + 34 if max_table_bytes else 0)


def test_an_entry_larger_than_the_table_empties_it() -> None:
    decoder = Decoder(PLENTY)
    decoder.decode(b"\x40\x01a\x01b")
    block = b"\x40\x01a" + integer(0, 7, 5000) + b"x" * 5000
    assert pairs(decoder, block) == [(b"a", b"x" * 5000)]
    assert decoder.table_bytes == 0


def test_a_new_entry_may_take_its_name_from_the_one_that_it_evicts() -> None:
    decoder = Decoder(PLENTY)
    decoder.decode(integer(0x20, 5, 64) + b"\x40\x04name\x05value")
    assert pairs(decoder, b"\x7e" + integer(0, 7, 20) + b"y" * 20) == [(b"name", b"y" * 20)]
    assert pairs(decoder, b"\xbe") == [(b"name", b"y" * 20)]


def test_changes_count_what_changes_the_table_and_nothing_else() -> None:
    decoder = Decoder(PLENTY)
    decoder.decode(b"\x82\x04\x01/\x10\x01a\x01b")
    assert decoder.changes == 0
    decoder.decode(b"\x40\x01a\x01b")
    assert decoder.changes == 1
    decoder.decode(b"\xbe")
    assert decoder.changes == 1
    decoder.decode(b"\x3f\x01")
    assert decoder.changes == 2


def test_a_list_over_the_limit_is_cut_and_the_table_goes_on() -> None:
    decoder = Decoder(100)
    block = b"\x40\x01a\x01b" + b"\x40\x01c\x01d" + b"\x40\x01e\x01f"
    assert pairs(decoder, block) == [(b"a", b"b"), (b"c", b"d")]
    assert (decoder.list_bytes, decoder.excess_bytes()) == (102, 2)
    assert pairs(decoder, b"\xbe\xc0") == [(b"e", b"f"), (b"a", b"b")]
    assert decoder.excess_bytes() == 0


@pytest.mark.parametrize(
    ("bomb", "expands_to"),
    [
        (b"\x40\x01a" + integer(0, 7, 4000) + b"x" * 4000 + b"\xbe" * 12_000, 48_000_000),
        (b"\x00\x00\x00" * 5400, 5400 * 32),
        (b"\x88" * 16_000, 16_000 * 42),
        (b"\x00\x01a" + integer(0x80, 7, 16_000) + b"\x00" * 16_000, 25_600),
    ],
    ids=["a long entry again and again", "empty fields", "short entries", "Huffman-coded zeros"],
)
def test_a_small_block_for_a_large_list_costs_no_memory(bomb: bytes, expands_to: int) -> None:
    limit = 8 * 1024
    decoder = Decoder(limit)
    Decoder(limit).decode(bomb)
    tracemalloc.start()
    try:
        fields = decoder.decode(bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(bomb) <= 17 * 1024
    assert decoder.list_bytes >= expands_to
    assert sum(field.size for field in fields) <= limit
    # The list itself, one string of the block and its growing buffer, and the table.
    assert peak < 2 * limit + 3 * len(bomb)
