"""What is made of blocks that hold nothing is refused before it takes time; honest forms of many blocks are not."""

from __future__ import annotations

import random
import time
import zlib
from collections.abc import Callable

import cramjam
import pytest
import zstandard

from eventflux_runtime import Compression
from eventflux_runtime.compression.algorithm import compress, decompress
from eventflux_runtime.compression.payload import SNAPPY_MAGIC, compress_payload, decompress_payload
from eventflux_runtime.rpc.errors import CodecError

LIMIT = 64 * 1024 * 1024
SENT_BYTES = 8 * 1024 * 1024
MAX_CPU_S = 0.3
"""Following the headers of that many bytes of empty blocks in Python took 1.7 seconds, building their tables 1.0."""

ZSTD_HEAD = b"\x28\xb5\x2f\xfd\x00" + bytes([7 << 3])
"""No stated size, no checksum, a window of 128 KiB."""
ZSTD_ZERO_HEAD = b"\x28\xb5\x2f\xfd\x20\x00"
"""A single segment of 0 bytes."""
ZSTD_STATED_HEAD = b"\x28\xb5\x2f\xfd\xa0" + (60 * 1024).to_bytes(4, "little")
"""A single segment of 60 KiB."""
LAST_BLOCK = b"\x01\x00\x00"
GZIP_HEAD = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"


def run_of(size: int) -> bytes:
    """A block that is one byte, `size` times over (RFC 8878, 3.1.1.2)."""
    return (size << 3 | 1 << 1).to_bytes(3, "little") + b"a"


def filled(head: bytes, block: bytes, tail: bytes = b"") -> bytes:
    return head + block * (SENT_BYTES // len(block)) + tail


def dynamic_blocks() -> bytes:
    """Eight empty blocks of Deflate with code tables of their own (RFC 1951, 3.2.7), which end at a byte's end."""
    bits: list[int] = []

    def put(value: int, count: int) -> None:
        bits.extend(value >> index & 1 for index in range(count))

    for _ in range(8):
        put(0b100, 3)  # not the last, dynamic
        put(0, 5)  # 257 literals and lengths
        put(0, 5)  # 1 distance
        put(18 - 4, 4)
        for symbol in (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1):
            put({18: 1, 1: 2, 0: 2}.get(symbol, 0), 3)
        put(0b0, 1)
        put(138 - 11, 7)
        put(0b0, 1)
        put(118 - 11, 7)  # 256 literals that do not occur
        put(0b11, 2)  # the end of the block has one bit
        put(0b11, 2)  # so has the distance
        put(0b0, 1)  # the end of the block
    return bytes(sum(bit << index for index, bit in enumerate(bits[at : at + 8])) for at in range(0, len(bits), 8))


HOSTILE = [
    pytest.param(Compression.ZSTD, lambda: filled(ZSTD_HEAD, b"\0\0\0", LAST_BLOCK), id="zstd"),
    pytest.param(Compression.ZSTD, lambda: filled(ZSTD_ZERO_HEAD, b"\0\0\0", LAST_BLOCK), id="zstd-zero"),
    pytest.param(Compression.ZSTD, lambda: filled(ZSTD_STATED_HEAD, b"\0\0\0", LAST_BLOCK), id="zstd-stated"),
    pytest.param(Compression.ZSTD, lambda: filled(ZSTD_HEAD, run_of(0), LAST_BLOCK), id="zstd-runs-of-none"),
    pytest.param(Compression.ZSTD, lambda: filled(ZSTD_HEAD, run_of(1), LAST_BLOCK), id="zstd-runs-of-one"),
    pytest.param(Compression.GZIP, lambda: filled(GZIP_HEAD, dynamic_blocks()), id="gzip-dynamic"),
    pytest.param(Compression.GZIP, lambda: filled(GZIP_HEAD, b"\0\0\0\xff\xff"), id="gzip-stored"),
    pytest.param(Compression.SNAPPY, lambda: filled(SNAPPY_MAGIC, b"\xfe\0\0\0"), id="snappy-padding"),
    pytest.param(Compression.SNAPPY, lambda: filled(SNAPPY_MAGIC, SNAPPY_MAGIC), id="snappy-marks"),
    pytest.param(Compression.SNAPPY, lambda: filled(SNAPPY_MAGIC, b"\1\5\0\0\0\0\0\0a"), id="snappy-ones"),
]


@pytest.mark.parametrize(("compression", "made"), HOSTILE)
def test_empty_blocks_take_no_time(compression: Compression, made: Callable[[], bytes]) -> None:
    data = made()
    decompress_payload(compression, compress_payload(compression, b"imports what is needed"), LIMIT)
    began = time.thread_time()
    with pytest.raises(CodecError, match=f"{compression.value} data is damaged: .*(blocks, too many|empty blocks)"):
        decompress_payload(compression, data, LIMIT)
    assert time.thread_time() - began < MAX_CPU_S


def flushed_zstd(data: bytes) -> bytes:
    compressor = zstandard.ZstdCompressor(write_checksum=True).compressobj()
    pieces = []
    for at in range(0, len(data), 1000):
        pieces.append(compressor.compress(data[at : at + 1000]))
        pieces.append(compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))
    return b"".join(pieces) + compressor.flush()


def best_zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=22, write_content_size=False).compress(data)


def flushed_gzip(data: bytes) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    pieces = []
    for at in range(0, len(data), 1000):
        pieces.append(compressor.compress(data[at : at + 1000]))
        pieces.append(compressor.flush(zlib.Z_FULL_FLUSH))
    return b"".join(pieces) + compressor.flush()


def noise(size: int) -> bytes:
    return random.Random(1).randbytes(size)


@pytest.mark.parametrize(
    ("compression", "packed"),
    [
        pytest.param(Compression.ZSTD, flushed_zstd, id="zstd-flushed"),
        pytest.param(Compression.ZSTD, best_zstd, id="zstd-best"),
        pytest.param(Compression.GZIP, flushed_gzip, id="gzip-flushed"),
        *[pytest.param(c, lambda data, c=c: compress(c, data), id=c.value) for c in Compression],
    ],
)
@pytest.mark.parametrize(
    "data",
    [bytes(5_000_000), noise(5_000_000), noise(2500) * 2000, b"text text " * 500_000],
    ids=["zeros", "noise", "repeated-noise", "text"],
)
def test_honest_forms_of_many_blocks(compression: Compression, packed: Callable[[bytes], bytes], data: bytes) -> None:
    assert decompress(compression, packed(data), 5_000_000) == data


def test_a_snappy_stream_of_small_chunks() -> None:
    chunks = b"".join(bytes(cramjam.snappy.compress(noise(300)))[len(SNAPPY_MAGIC) :] for _ in range(6000))
    assert decompress_payload(Compression.SNAPPY, SNAPPY_MAGIC + chunks, LIMIT) == noise(300) * 6000


def test_a_decompressor_that_saw_a_great_window_is_not_kept() -> None:
    from eventflux_runtime.compression import algorithm

    algorithm._zstd_decompressors.clear()
    packer = zstandard.ZstdCompressionParameters.from_level(3, window_log=26, write_content_size=False)
    data = bytes(40_000_000)
    assert (
        decompress(Compression.ZSTD, zstandard.ZstdCompressor(compression_params=packer).compress(data), LIMIT) == data
    )
    assert algorithm._zstd_decompressors == []
