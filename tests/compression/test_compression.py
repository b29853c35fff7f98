"""Each algorithm: what it packs it unpacks, and nothing that arrives expands beyond the limit, whatever it claims."""

from __future__ import annotations

import gzip
import importlib.util
import tracemalloc
from contextlib import suppress

import cramjam
import lz4.frame
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from eventflux_runtime import Compression
from eventflux_runtime.compression.algorithm import available_compressions, compress, decompress
from eventflux_runtime.rpc.errors import CodecError, MissingExtraError
from eventflux_runtime.rpc.rpc_error import ResourceExhausted

PACKING = [compression for compression in Compression if compression is not Compression.NONE]
LIMIT = 100_000


def compressible(size: int) -> bytes:
    return (b"".join(b'{"key":%d,"value":"some text"}' % i for i in range(size // 24 + 1)))[:size]


@pytest.mark.parametrize("compression", PACKING)
@given(data=st.binary(max_size=300) | st.integers(0, 70_000).map(compressible))
@settings(max_examples=40)
def test_round_trip(compression: Compression, data: bytes) -> None:
    assert decompress(compression, compress(compression, data), max(len(data), 1)) == data


@pytest.mark.parametrize("compression", PACKING)
def test_it_shrinks(compression: Compression) -> None:
    assert len(compress(compression, compressible(10_000))) < 6000


@pytest.mark.parametrize(
    ("compression", "foreign"),
    [
        (Compression.LZ4, lambda data: lz4.frame.compress(data, store_size=False, content_checksum=True)),
        (Compression.LZ4, lambda data: lz4.frame.compress(data, block_size=lz4.frame.BLOCKSIZE_MAX4MB)),
        (Compression.SNAPPY, lambda data: bytes(cramjam.snappy.compress_raw(data))),
        (Compression.ZSTD, lambda data: zstandard.ZstdCompressor(write_content_size=False).compress(data)),
        (Compression.ZSTD, lambda data: zstandard.ZstdCompressor(level=19, write_checksum=True).compress(data)),
        (Compression.GZIP, lambda data: gzip.compress(data, 9)),
    ],
)
@pytest.mark.parametrize("data", [b"", b"a", compressible(3 * LIMIT // 4)], ids=["empty", "one", "long"])
def test_other_peoples_forms_of_it(compression: Compression, foreign: object, data: bytes) -> None:
    assert callable(foreign)
    assert decompress(compression, foreign(data), LIMIT) == data


@pytest.mark.parametrize("compression", PACKING)
@given(data=st.binary(max_size=200))
@settings(max_examples=100)
def test_garbage_is_refused_or_bounded(compression: Compression, data: bytes) -> None:
    with suppress(CodecError, ResourceExhausted):
        assert len(decompress(compression, data, 1000)) <= 1000


@pytest.mark.parametrize("compression", PACKING)
@given(data=st.data())
@settings(max_examples=60)
def test_damage_is_refused_or_bounded(compression: Compression, data: st.DataObject) -> None:
    packed = bytearray(compress(compression, compressible(2000)))
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with suppress(CodecError, ResourceExhausted):
        assert len(decompress(compression, bytes(packed), 3000)) <= 3000


@pytest.mark.parametrize("compression", PACKING)
def test_every_cut_is_noticed(compression: Compression) -> None:
    packed = compress(compression, compressible(500))
    for size in range(len(packed)):
        with pytest.raises((CodecError, ResourceExhausted)):
            decompress(compression, packed[:size], LIMIT)


@pytest.mark.parametrize("compression", PACKING)
@pytest.mark.parametrize("data", [b"", compressible(500)], ids=["empty", "some"])
def test_what_follows_is_noticed(compression: Compression, data: bytes) -> None:
    with pytest.raises(CodecError, match=compression.value):
        decompress(compression, compress(compression, data) + b"\0\0\0\0", LIMIT)


@pytest.mark.parametrize("compression", PACKING)
def test_the_limit_is_exact(compression: Compression) -> None:
    packed = compress(compression, compressible(LIMIT))
    assert len(decompress(compression, packed, LIMIT)) == LIMIT
    with pytest.raises(ResourceExhausted, match=f"{LIMIT - 1}"):
        decompress(compression, packed, LIMIT - 1)


BOMB_BYTES = 256 * 1024 * 1024


def zstd_bomb(has_size: bool) -> bytes:
    """A frame of blocks of one repeated byte (RFC 8878, 3.1.1.2): 256 MiB in 8 KiB."""
    blocks = BOMB_BYTES // 131072
    # Descriptor and window of 128 KiB, or a single segment with its size in eight bytes.
    header = b"\xe0" + BOMB_BYTES.to_bytes(8, "little") if has_size else b"\x00" + bytes([7 << 3])
    block = 131072 << 3 | 1 << 1
    body = b"".join((block | (i == blocks - 1)).to_bytes(3, "little") + b"\0" for i in range(blocks))
    return b"\x28\xb5\x2f\xfd" + header + body


def gzip_bomb() -> bytes:
    return gzip.compress(bytes(BOMB_BYTES // 8), 9)


BOMBS = [
    pytest.param(Compression.ZSTD, zstd_bomb(has_size=False), id="zstd"),
    pytest.param(Compression.ZSTD, zstd_bomb(has_size=True), id="zstd-stated"),
    pytest.param(Compression.GZIP, gzip_bomb(), id="gzip"),
    pytest.param(Compression.LZ4, lz4.frame.compress(bytes(BOMB_BYTES // 8), store_size=False), id="lz4"),
    pytest.param(Compression.LZ4, lz4.frame.compress(bytes(BOMB_BYTES // 8)), id="lz4-stated"),
    pytest.param(Compression.SNAPPY, bytes(cramjam.snappy.compress_raw(bytes(BOMB_BYTES // 8))), id="snappy"),
    pytest.param(Compression.SNAPPY, b"\xff\xff\xff\xff\x0f" + b"\x00a", id="snappy-lie"),
]


@pytest.mark.parametrize(("compression", "bomb"), BOMBS)
def test_a_bomb_takes_no_more_memory_than_the_limit(compression: Compression, bomb: bytes) -> None:
    with pytest.raises(ResourceExhausted):
        decompress(compression, bomb, 100)  # imports what is needed, ahead of the measurement
    tracemalloc.start()
    try:
        with pytest.raises(ResourceExhausted, match=f"the limit is {LIMIT}"):
            decompress(compression, bomb, LIMIT)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * LIMIT + 100_000


def test_a_window_beyond_reason_is_refused() -> None:
    # 1 GiB of window: exponent 20, with 10 added to it.
    frame = b"\x28\xb5\x2f\xfd\x00" + bytes([20 << 3]) + b"\x01\x00\x00"
    with pytest.raises(ResourceExhausted, match="window of 1073741824 bytes"):
        decompress(Compression.ZSTD, frame, LIMIT)


def test_none_is_the_data_itself() -> None:
    assert decompress(Compression.NONE, compress(Compression.NONE, b"data"), 1) == b"data"


def test_the_best_comes_first() -> None:
    assert available_compressions() == (Compression.ZSTD, Compression.LZ4, Compression.SNAPPY, Compression.GZIP)


@pytest.mark.parametrize("compression", [Compression.ZSTD, Compression.LZ4, Compression.SNAPPY])
def test_without_the_extra(compression: Compression, monkeypatch: pytest.MonkeyPatch) -> None:
    from eventflux_runtime.compression import algorithm as module

    module.is_available.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    try:
        with pytest.raises(MissingExtraError, match=r"eventflux-transport\[compression\]"):
            compress(compression, b"x")
        with pytest.raises(MissingExtraError, match=r"eventflux-transport\[compression\]"):
            decompress(compression, b"x", 10)
        assert available_compressions() == (Compression.GZIP,)
    finally:
        module.is_available.cache_clear()
