from __future__ import annotations

from typing import Final

import hpack
import pytest
from hpack.hpack import encode_integer
from hypothesis import given
from hypothesis import strategies as st
from librt.strings import BytesWriter

from eventflux_runtime.protocol.grpc.http2.hpack_decoder import Decoder
from eventflux_runtime.protocol.grpc.http2.hpack_encoder import Encoder, literal_name, write_integer, write_text

NAMES: Final = st.sampled_from([b":path", b":status", b"content-type", b"grpc-status", b"x", b"a-long-name-of-a-field"])
VALUES: Final = st.sampled_from([b"", b"200", b"application/grpc", b"0"]) | st.binary(max_size=300)
WAYS: Final = st.sampled_from(["repeat", "literal", "secret"])
LIMIT: Final = st.sampled_from([0, 31, 32, 100, 300, 1000, 4096, 4097, 65536]) | st.integers(0, 5000)


def write(encoder: Encoder, fields: list[tuple[str, bytes, bytes]]) -> bytes:
    writer = BytesWriter()
    encoder.begin(writer)
    for way, name, value in fields:
        if way == "repeat":
            encoder.repeat(writer, name, value)
        else:
            writer.write(literal_name(name, is_secret=way == "secret"))
            write_text(writer, value)
    return writer.getvalue()


def repeated(encoder: Encoder, *pairs: tuple[bytes, bytes]) -> bytes:
    return write(encoder, [("repeat", name, value) for name, value in pairs])


@given(st.integers(0, 1 << 28), st.integers(1, 8))
def test_integers_are_written_as_another_implementation_does(value: int, prefix_bits: int) -> None:
    writer = BytesWriter()
    write_integer(writer, 0, (1 << prefix_bits) - 1, value)
    assert writer.getvalue() == bytes(encode_integer(value, prefix_bits))


@pytest.mark.parametrize(
    ("value", "prefix_bits", "expected"),
    [(10, 5, "0a"), (1337, 5, "1f9a0a"), (42, 8, "2a")],  # RFC 7541, appendix C.1
)
def test_integers_of_the_rfc(value: int, prefix_bits: int, expected: str) -> None:
    writer = BytesWriter()
    write_integer(writer, 0, (1 << prefix_bits) - 1, value)
    assert writer.getvalue().hex() == expected


@given(
    st.lists(st.tuples(st.lists(LIMIT, max_size=3), st.lists(st.tuples(WAYS, NAMES, VALUES), max_size=6)), max_size=10)
)
def test_other_implementations_decode_what_is_written(
    steps: list[tuple[list[int], list[tuple[str, bytes, bytes]]]],
) -> None:
    encoder, ours, theirs = Encoder(), Decoder(1 << 30, 65536), hpack.Decoder()
    for limits, fields in steps:
        for limit in limits:
            encoder.limit(limit)
            # As it is told the announced limit, it insists on the size updates that have to come.
            theirs.max_allowed_table_size = limit
        block = write(encoder, fields)
        expected = [(name, value) for _, name, value in fields]
        assert theirs.decode(block, raw=True) == expected
        assert [(field.name, field.value) for field in ours.decode(block)] == expected
        assert encoder.table_bytes == ours.table_bytes <= encoder.capacity


@given(st.lists(st.tuples(st.none() | LIMIT, st.lists(st.tuples(NAMES, VALUES), max_size=4)), max_size=12))
def test_a_block_of_one_generation_is_right_for_as_long_as_that_stands(
    steps: list[tuple[int | None, list[tuple[bytes, bytes]]]],
) -> None:
    encoder, decoder = Encoder(), Decoder(1 << 30)
    kept: list[tuple[int, bytes, list[tuple[bytes, bytes]]]] = []
    for limit, pairs in steps:
        if limit is not None:
            encoder.limit(limit)
        for generation, block, expected in kept:
            if generation == encoder.generation and not encoder.has_update:
                assert [(field.name, field.value) for field in decoder.decode(block)] == expected
        had_update, generation = encoder.has_update, encoder.generation
        block = repeated(encoder, *pairs)
        decoder.decode(block)
        if encoder.generation == generation and not had_update:
            kept.append((generation, block, pairs))


def test_a_field_that_repeats_becomes_an_index() -> None:
    encoder = Encoder()
    first = repeated(encoder, (b"te", b"trailers"), (b":method", b"POST"))
    assert first == b"\x40\x02te\x86" + bytes.fromhex("4d833505b11f") + b"\x83"
    assert repeated(encoder, (b"te", b"trailers"), (b":method", b"POST")) == b"\xbe\x83"
    assert encoder.generation == 1


def test_a_full_table_stays_as_it_is() -> None:
    encoder = Encoder()
    for number in range(200):
        repeated(encoder, (b"name", b"%060d" % number))
    generation = encoder.generation
    assert encoder.table_bytes <= 4096 < encoder.table_bytes + 96
    assert generation == 42
    assert len(repeated(encoder, (b"name", b"%060d" % 0))) == 1
    assert len(repeated(encoder, (b"name", b"%060d" % 199))) > 20
    assert encoder.generation == generation


def test_a_field_of_a_quarter_of_the_table_stays_out_of_it() -> None:
    encoder = Encoder()
    repeated(encoder, (b"name", b"\x00" * (1024 - 35)))
    assert encoder.table_bytes == 0
    repeated(encoder, (b"name", b"\x00" * (1024 - 36)))
    assert encoder.table_bytes == 1024


def test_room_that_is_to_be_kept_free_is() -> None:
    encoder, writer = Encoder(), BytesWriter()
    encoder.repeat(writer, b"name", b"value", 4096 - 40)
    assert encoder.table_bytes == 0
    encoder.repeat(writer, b"name", b"value", 4096 - 41)
    assert encoder.table_bytes == 41


@pytest.mark.parametrize(
    ("limits", "begin"),
    [
        ([], ""),
        ([4096], ""),
        ([65536], ""),
        ([0], "20"),
        ([100], "3f45"),
        ([100, 4096], "3f453fe11f"),
        ([100, 50, 200], "3f133fa901"),
        ([200, 100], "3f45"),
        ([100, 65536], "3f453fe11f"),
    ],
)
def test_size_updates_tell_the_least_and_the_last(limits: list[int], begin: str) -> None:
    encoder = Encoder()
    for limit in limits:
        encoder.limit(limit)
    assert encoder.has_update == bool(begin)
    assert repeated(encoder).hex() == begin
    assert not encoder.has_update
    assert repeated(encoder) == b""


def test_a_table_that_grows_back_is_told_once() -> None:
    encoder = Encoder()
    encoder.limit(100)
    repeated(encoder)
    encoder.limit(4096)
    assert repeated(encoder).hex() == "3fe11f"


def test_a_smaller_table_loses_its_oldest_entries() -> None:
    encoder = Encoder()
    repeated(encoder, (b"a", b"1"), (b"b", b"2"), (b"c", b"3"))
    generation = encoder.generation
    encoder.limit(70)
    assert encoder.generation != generation
    assert encoder.table_bytes == 68
    encoder.limit(4096)
    assert repeated(encoder, (b"c", b"3"), (b"b", b"2")) == bytes.fromhex("3f273fe11f") + b"\xbe\xbf"
    assert len(repeated(encoder, (b"a", b"1"))) > 1


def test_nothing_is_inserted_where_the_peer_has_no_table() -> None:
    encoder = Encoder()
    encoder.limit(0)
    first = repeated(encoder, (b"te", b"trailers"))
    assert first[:2] == b"\x20\x00"
    assert repeated(encoder, (b"te", b"trailers")) == first[1:]
    assert encoder.generation == 0


def test_a_secret_is_never_indexed_by_whoever_passes_it_on() -> None:
    block = write(Encoder(), [("secret", b"authorization", b"Bearer x"), ("secret", b"x-token", b"1")])
    assert block[0] == 0x1F
    decoded = hpack.Decoder().decode(block, raw=True)
    assert [header.indexable for header in decoded] == [False, False]
