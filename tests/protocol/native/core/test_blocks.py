"""Metadata blocks and full statuses: hand-written vectors, round trips, and what is refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from librt.strings import BytesWriter

from eventflux_runtime.protocol.native.core import MetadataTooLarge, RemoteProtocolError
from eventflux_runtime.protocol.native.core.metadata_block import block_bytes, decode_metadata, encode_metadata
from eventflux_runtime.protocol.native.core.status_block import decode_status, encode_status
from eventflux_runtime.rpc.metadata import EMPTY_METADATA, Metadata
from eventflux_runtime.rpc.status import OK_STATUS, ErrorDetail, Status, StatusCode

LIMIT = 16 * 1024
KEYS = st.text("abcxyz0189_.-", min_size=1, max_size=20).filter(lambda key: not key.startswith("grpc-"))
TEXT = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30).map(lambda text: text.strip(" "))
PAIRS = st.one_of(
    st.tuples(KEYS.filter(lambda key: not key.endswith("-bin")), TEXT),
    st.tuples(KEYS.map(lambda key: key + "-bin"), st.binary(max_size=30)),
)
METADATA = st.lists(PAIRS, max_size=8).map(Metadata)
STATUSES = st.builds(
    Status,
    st.sampled_from(list(StatusCode)),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.lists(st.builds(ErrorDetail, st.text("abc./", max_size=20), st.binary(max_size=30)), max_size=4).map(tuple),
    METADATA,
)


def encoded(metadata: Metadata, limit: int = LIMIT) -> bytes:
    """A block on its own."""
    writer = BytesWriter()
    encode_metadata(metadata, writer, limit)
    return writer.getvalue()


def status_bytes(status: Status, max_block: int = 65_536, max_metadata: int = LIMIT) -> bytes:
    """A full status on its own."""
    writer = BytesWriter()
    encode_status(status, writer, max_block, max_metadata)
    return writer.getvalue()


def test_metadata_vectors() -> None:
    assert encoded(EMPTY_METADATA) == bytes.fromhex("02000000 0000")
    pairs = Metadata([("a", ""), ("k-bin", b"\xff"), ("a", "two words")])
    vector = bytes.fromhex("22000000 030001 61 0000000005 6b2d62696e 01000000 ff01 61 09000000 74776f20776f726473")
    assert encoded(pairs) == vector
    assert decode_metadata(b"ahead" + vector + b"behind", 5, 5 + len(vector), LIMIT) == (pairs, 5 + len(vector))


def test_status_vectors() -> None:
    assert status_bytes(OK_STATUS) == bytes.fromhex("00 00000000 0000 02000000 0000")
    status = Status(StatusCode.ABORTED, "ö", (ErrorDetail("u", b""), ErrorDetail("", b"\x00")), Metadata([("z", "1")]))
    vector = bytes.fromhex("0a 02000000 c3b6 0200 0100 75 00000000 0000 01000000 00 09000000 0100 01 7a 01000000 31")
    assert status_bytes(status) == vector
    assert decode_status(b"x" + vector, 1, 1 + len(vector), LIMIT) == (status, 1 + len(vector))


@given(METADATA)
def test_metadata_round_trip(metadata: Metadata) -> None:
    data = encoded(metadata)
    assert len(data) == 4 + block_bytes(metadata)
    assert decode_metadata(data, 0, len(data), LIMIT) == (metadata, len(data))


@given(STATUSES)
def test_status_round_trip(status: Status) -> None:
    data = status_bytes(status)
    assert decode_status(data, 0, len(data), LIMIT) == (status, len(data))


@given(STATUSES, st.integers(0, 300))
def test_a_status_never_takes_more_than_it_may(status: Status, room: int) -> None:
    data = status_bytes(status, 120 + room, 50)
    assert len(data) <= 120 + room
    decoded, end = decode_status(data, 0, len(data), 50)
    assert end == len(data)
    assert decoded.code == status.code
    assert decoded == status or "... [cut: " in decoded.message


@given(st.one_of(METADATA.map(encoded), STATUSES.map(status_bytes)), st.data())
def test_truncated_or_changed_blocks_raise_only_wire_errors(data: bytes, draws: st.DataObject) -> None:
    changed = bytearray(data[: draws.draw(st.integers(0, len(data)))])
    for position in draws.draw(st.lists(st.integers(0, max(0, len(changed) - 1)), max_size=3)):
        if changed:
            changed[position] = draws.draw(st.integers(0, 255))
    for decode in (decode_metadata, decode_status):
        with contextlib.suppress(RemoteProtocolError):
            decode(bytes(changed), 0, len(changed), LIMIT)


@given(METADATA.map(encoded), st.integers(0, 10_000))
def test_every_truncation_of_metadata_is_found(data: bytes, cut: int) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_metadata(data, 0, cut % len(data), LIMIT)


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        ("01000000 0000", "metadata block of 1 bytes"),
        ("03000000 0000", "metadata block of 3 bytes in a frame with 2 left"),
        ("ffffffff 0000", "metadata block of 4294967295 bytes"),
        ("02000000 0100", "ends before its pair 1 of 1"),
        ("07000000 0100 05 61626364", "ends within its pair 1 of 1"),
        ("09000000 0100 01 61 02000000 62", "value of 2 bytes with 1 left"),
        ("03000000 0000 00", "1 bytes behind its last pair"),
        ("07000000 0100 00 00000000", "key b'' is not valid"),
        ("08000000 0100 01 41 00000000", "key b'A' is not valid"),
        ("08000000 0100 01 20 00000000", "key b' ' is not valid"),
        ("0d000000 0100 06 677270632d78 00000000", "belong to gRPC itself"),
        ("09000000 0100 01 61 01000000 0a", "not printable ASCII"),
        ("09000000 0100 01 61 01000000 e9", "not printable ASCII"),
        ("0a000000 0100 01 61 02000000 2062", "spaces at its ends"),
    ],
)
def test_metadata_that_is_refused(block: str, reason: str) -> None:
    data = bytes.fromhex(block)
    with pytest.raises(RemoteProtocolError, match=reason):
        decode_metadata(data, 0, len(data), LIMIT)


def test_metadata_is_refused_by_its_length_alone() -> None:
    data = encoded(Metadata([("k", "v" * 200)]))
    reason = "metadata block of 208 bytes is over our max_metadata_bytes of 207"
    with pytest.raises(RemoteProtocolError, match=reason) as caught:
        decode_metadata(data, 0, len(data), 207)
    assert caught.value.code is StatusCode.RESOURCE_EXHAUSTED
    decode_metadata(data, 0, len(data), 208)
    with pytest.raises(MetadataTooLarge):
        encoded(Metadata([("k", "v" * 200)]), 207)
    encoded(Metadata([("k", "v" * 200)]), 208)


def test_keys_have_their_own_limit() -> None:
    encoded(Metadata([("k" * 255, "")]))
    with pytest.raises(MetadataTooLarge, match="256 bytes is over the peer's limit of 255"):
        encoded(Metadata([("k" * 256, "")]))
    status = Status(StatusCode.INTERNAL, "", (), Metadata([("k" * 256, "")]))
    assert b"... [cut: 256 bytes of trailers]" in status_bytes(status)


def test_the_keys_of_retries_are_the_only_ones_of_grpc_that_travel() -> None:
    pairs = Metadata([("grpc-retry-pushback-ms", "250"), ("grpc-previous-rpc-attempts", "2")])
    data = encoded(pairs)
    assert decode_metadata(data, 0, len(data), LIMIT) == (pairs, len(data))
    other = data.replace(b"grpc-retry-pushback-ms", b"grpc-retry-pushback-mx")
    with pytest.raises(RemoteProtocolError, match="belong to gRPC itself"):
        decode_metadata(other, 0, len(other), LIMIT)


def test_too_many_pairs() -> None:
    many = Metadata([("k", "")] * 32_768)
    with pytest.raises(MetadataTooLarge, match="32768"):
        encoded(many, 10**9)
    assert b"... [cut: 32768 bytes of trailers]" in status_bytes(
        Status(StatusCode.INTERNAL, "", (), many), 10**9, 10**9
    )


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        ("05", "status cut short"),
        ("05 ff000000 0000 02000000 0000", "status text of 255 bytes in a frame with 8 left"),
        ("05 02000000 fffe 0000 02000000 0000", "status text is not UTF-8"),
        ("05 08000000 6162636465666768", "ends before its count of details"),
        ("05 00000000 0100 ff00 00000000", "within the type URL"),
        ("05 00000000 0200 0000 00000000", "ends before its detail 2 of 2"),
        ("05 00000000 0100 0000 000000 00 00", "metadata block cut short"),
        ("05 00000000 0100 0100 ff 00000000 02000000 0000", "type URL of a detail is not UTF-8"),
        ("05 00000000 0100 0000 09000000 02000000", "status detail of 9 bytes"),
    ],
)
def test_statuses_that_are_refused(block: str, reason: str) -> None:
    data = bytes.fromhex(block)
    with pytest.raises(RemoteProtocolError, match=reason):
        decode_status(data, 0, len(data), LIMIT)


def test_text_that_is_no_unicode_is_replaced() -> None:
    status, _ = decode_status(data := status_bytes(Status(StatusCode.UNKNOWN, "a\ud800b")), 0, len(data), LIMIT)
    assert status.message == "a?b"


@given(st.text())
def test_text_that_came_from_elsewhere_travels_escaped(text: str) -> None:
    # gRPC's own peers send and take any text that HTTP/2 does; passed on, it must not cost the connection.
    writer = BytesWriter()
    metadata = Metadata.from_trusted((("grpc-trace-bin", b"trace"), ("key", text)))
    encode_metadata(metadata, writer, 1 << 20)
    block = writer.getvalue()
    assert len(block) - 4 == block_bytes(metadata)
    decoded, _ = decode_metadata(block, 0, len(block), 1 << 20)
    stripped = text.strip(" ")
    assert decoded.pairs in ((("key", stripped),), (("key", stripped.encode("unicode_escape").decode("ascii")),))
