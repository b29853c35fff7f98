"""Payloads inside messages: a stamp is true when we set it, and is not believed when it is a lie."""

from __future__ import annotations

from contextlib import suppress

import cramjam
import lz4.frame
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from eventflux_runtime import Compression, MissingExtraError
from eventflux_runtime.compression.payload import compress_payload, decompress_payload
from eventflux_runtime.rpc.errors import CodecError
from eventflux_runtime.rpc.rpc_error import ResourceExhausted
from eventflux_transport import CompressionType, Message

PACKING = [compression for compression in Compression if compression is not Compression.NONE]
STAMPS = [CompressionType.LZ4, CompressionType.SNAPPY, CompressionType.ZSTD]
PAYLOAD = b"to be or not to be; " * 100


@pytest.mark.parametrize("stamp", STAMPS)
def test_a_stamp_is_true(stamp: CompressionType) -> None:
    message = Message.event(PAYLOAD)
    packed = message.compress_payload(stamp)
    assert packed.compression is stamp
    assert len(packed.payload) < len(PAYLOAD) / 4
    assert packed.decompressed_payload() == PAYLOAD
    assert (packed.id, packed.message_type) == (message.id, message.message_type)
    assert (message.payload, message.compression) == (PAYLOAD, CompressionType.NONE)


def test_the_formats_are_everybodys() -> None:
    message = Message(payload=PAYLOAD)
    assert lz4.frame.decompress(message.compress_payload(CompressionType.LZ4).payload) == PAYLOAD
    assert zstandard.decompress(message.compress_payload(CompressionType.ZSTD).payload) == PAYLOAD
    assert bytes(cramjam.snappy.decompress(message.compress_payload(CompressionType.SNAPPY).payload)) == PAYLOAD


@pytest.mark.parametrize("stamp", STAMPS)
@pytest.mark.parametrize("payload", [b"", b"a", b"plain text", b"\x00\x01\x02\x03", bytes(range(256))])
def test_a_false_stamp_is_not_believed(stamp: CompressionType, payload: bytes) -> None:
    assert Message(payload=payload, compression=stamp).decompressed_payload() == payload


@pytest.mark.parametrize("stamp", STAMPS)
def test_what_does_not_shrink_stays_plain(stamp: CompressionType) -> None:
    message = Message(payload=b"short").compress_payload(stamp)
    assert (message.payload, message.compression) == (b"short", CompressionType.NONE)


@pytest.mark.parametrize("first", [CompressionType.NONE, *STAMPS])
@pytest.mark.parametrize("second", [CompressionType.NONE, *STAMPS])
def test_one_compression_after_another(first: CompressionType, second: CompressionType) -> None:
    message = Message(payload=PAYLOAD).compress_payload(first).compress_payload(second)
    assert message.compression is second
    assert message.decompressed_payload() == PAYLOAD


@pytest.mark.parametrize("stamp", STAMPS)
def test_a_falsely_stamped_payload_can_be_compressed(stamp: CompressionType) -> None:
    message = Message(payload=PAYLOAD, compression=CompressionType.ZSTD).compress_payload(stamp)
    assert message.compression is stamp
    assert message.decompressed_payload() == PAYLOAD


@pytest.mark.parametrize("stamp", STAMPS)
def test_damage_is_an_error(stamp: CompressionType) -> None:
    packed = Message(payload=PAYLOAD).compress_payload(stamp)
    packed.payload = packed.payload[:-1]
    with pytest.raises(CodecError, match=stamp.name.lower()):
        packed.decompressed_payload()


@pytest.mark.parametrize("stamp", STAMPS)
def test_the_limit(stamp: CompressionType) -> None:
    packed = Message(payload=PAYLOAD).compress_payload(stamp)
    assert packed.decompressed_payload(max_bytes=len(PAYLOAD)) == PAYLOAD
    with pytest.raises(ResourceExhausted, match="the limit is 1999"):
        packed.decompressed_payload(max_bytes=1999)


def test_a_compression_that_nobody_knows() -> None:
    message = Message(payload=PAYLOAD, compression=CompressionType(77))
    with pytest.raises(CodecError, match="UNRECOGNIZED_77 is not known here: use one of NONE, LZ4"):
        message.decompressed_payload()
    with pytest.raises(CodecError, match="not known"):
        Message(payload=PAYLOAD).compress_payload(CompressionType(77))


@pytest.mark.parametrize("compression", PACKING)
@given(data=st.binary(max_size=200) | st.integers(0, 200_000).map(lambda size: b"abc" * (size // 3)))
@settings(max_examples=30)
def test_round_trip(compression: Compression, data: bytes) -> None:
    assert decompress_payload(compression, compress_payload(compression, data), max(1, len(data))) == data


def chunk(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3, "little") + body


SNAPPY_START = chunk(0xFF, b"sNaPpY")


@pytest.mark.parametrize(
    ("chunks", "error"),
    [
        (chunk(0x02, b"...."), "chunk type 2 is unknown"),
        (chunk(0x00, b"...."), "a chunk has no length"),
        (chunk(0x00, b"...." + b"\xff" * 5), "a chunk has no length"),
        (chunk(0x01, b"....abc")[:-1], "ends too early"),
        (chunk(0x01, b"....abc"), "snappy data is damaged"),  # the checksum is wrong
        (b"\x01", "ends too early"),
    ],
)
def test_framed_snappy_that_is_none(chunks: bytes, error: str) -> None:
    with pytest.raises(CodecError, match=error):
        decompress_payload(Compression.SNAPPY, SNAPPY_START + chunks, 1000)


def test_framed_snappy_that_lies_is_bounded() -> None:
    bomb = SNAPPY_START + chunk(0x00, b"...." + b"\xff\xff\xff\xff\x0f" + b"a")
    with pytest.raises(ResourceExhausted, match="4294967295 bytes or more, the limit is 1000"):
        decompress_payload(Compression.SNAPPY, bomb, 1000)


@given(data=st.binary(max_size=100))
@settings(max_examples=200)
def test_framed_snappy_garbage(data: bytes) -> None:
    with suppress(CodecError, ResourceExhausted):
        assert len(decompress_payload(Compression.SNAPPY, SNAPPY_START + data, 1000)) <= 1000


def test_padding_is_skipped() -> None:
    framed = compress_payload(Compression.SNAPPY, PAYLOAD)
    assert decompress_payload(Compression.SNAPPY, framed + chunk(0xFE, b"\0\0\0"), 2000) == PAYLOAD


@pytest.mark.parametrize("compression", [Compression.SNAPPY, Compression.ZSTD])
def test_without_the_extra(compression: Compression, monkeypatch: pytest.MonkeyPatch) -> None:
    from eventflux_runtime.compression import algorithm as module

    packed = compress_payload(compression, PAYLOAD)
    monkeypatch.setattr(module, "is_available", lambda _: False)
    with pytest.raises(MissingExtraError):
        compress_payload(compression, PAYLOAD)
    with pytest.raises(MissingExtraError):
        decompress_payload(compression, packed, 10_000)
    assert decompress_payload(compression, b"plain", 10_000) == b"plain"
