"""Compression of single messages: each algorithm behind one pair of functions, bounded before and while it expands.

What a message costs to expand is bounded by what it holds, too: blocks that hold nothing, of which a peer can send
millions in few bytes, are refused before they have taken time.

The formats are those of docs/protocol.md: the LZ4 frame format, Snappy's raw format, one Zstandard frame (RFC 8878),
one gzip member (RFC 1952). The libraries are imported at first use, so that an unused algorithm costs nothing.
"""

from __future__ import annotations

import importlib
import importlib.util
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any, Final, NamedTuple

from eventflux_runtime.rpc.config import Compression
from eventflux_runtime.rpc.errors import CodecError, MissingExtraError
from eventflux_runtime.rpc.rpc_error import ResourceExhausted

__all__ = [
    "available_compressions",
    "check_blocks",
    "check_size",
    "compress",
    "damaged",
    "decompress",
    "is_available",
    "require_compression",
]

ZSTD_LEVEL: Final = 1
"""Zstandard's fastest ordinary level: what travels once and is read once should cost little time."""
GZIP_LEVEL: Final = 1
"""zlib's fastest level, for the same reason."""
MIN_WINDOW_BYTES: Final = 8 * 1024 * 1024
"""Window of a Zstandard frame that RFC 8878, 3.1.1.1.2, asks every decoder to support."""
LZ4_MAGIC: Final = b"\x04\x22\x4d\x18"
ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
MAX_LZ4_RATIO: Final = 255
"""No byte of an LZ4 block stands for more: the format's lengths grow by 255 a byte."""
MAX_SNAPPY_RATIO: Final = 22
"""No byte of raw Snappy stands for more: its best element makes 64 bytes out of three."""

ORDINARY_BLOCKS: Final = 4096
"""Blocks or chunks that any message may consist of, however short it is: a few milliseconds of work."""
MIN_BLOCK_BYTES: Final = 256
"""What further ones have to hold on average. Encoders make blocks of 64 to 128 KiB; Zstandard's highest levels divide
those into parts of some kilobytes."""

_GZIP_WINDOW_BITS: Final = 31
"""zlib's number for a window of 32 KiB inside a gzip member."""
_STEP_BYTES: Final = 64 * 1024
"""Compressed bytes between two looks at what they hold: some milliseconds of work at the worst."""
_ZSTD_RUN_BLOCK: Final = 1
"""Type of a block that is one byte, many times over."""
_ZSTD_BLOCK_BYTES: Final = 4096
"""What a compressed block may be taken to hold. It holds 128 KiB, unless its encoder flushed before."""
_MAX_IDLE: Final = 4


class _Algorithm(NamedTuple):
    modules: tuple[str, ...]
    compress: Callable[[bytes], bytes]
    decompress: Callable[[bytes, int], bytes]


def available_compressions() -> tuple[Compression, ...]:
    """The algorithms that this installation has, the best first: fast ones ahead of slow ones that pack alike."""
    return tuple(compression for compression in _ALGORITHMS if is_available(compression))


@cache
def is_available(compression: Compression) -> bool:
    """Whether what an algorithm needs is installed."""
    if compression is Compression.NONE:
        return True
    return all(importlib.util.find_spec(module) is not None for module in _ALGORITHMS[compression].modules)


def require_compression(compression: Compression) -> None:
    """Checks that an algorithm can be used.

    Raises:
        MissingExtraError: what it needs is not installed.
    """
    if not is_available(compression):
        raise MissingExtraError(f"compression {compression.value!r}", "compression")


def compress(compression: Compression, data: bytes) -> bytes:
    """The compressed form of `data`; for incompressible data it is longer than that.

    Raises:
        MissingExtraError: what the algorithm needs is not installed.
    """
    if compression is Compression.NONE:
        return data
    require_compression(compression)
    return _ALGORITHMS[compression].compress(data)


def decompress(compression: Compression, data: bytes, max_bytes: int) -> bytes:
    """What `data` was before it was compressed. No more than `max_bytes` are ever made of it.

    Raises:
        ResourceExhausted: it is, or says that it is, longer than `max_bytes`.
        CodecError: it is damaged, or something follows it.
        MissingExtraError: what the algorithm needs is not installed.
    """
    if compression is Compression.NONE:
        return data
    require_compression(compression)
    return _ALGORITHMS[compression].decompress(data, max_bytes)


def check_size(size: int, max_bytes: int) -> None:
    """Refuses what expands to more than the limit.

    Raises:
        ResourceExhausted: it does.
    """
    if size > max_bytes:
        raise ResourceExhausted(
            f"a compressed message expands to {size} bytes or more, the limit is {max_bytes}: "
            "send less at a time or raise max_message_bytes"
        )


def check_blocks(compression: Compression, blocks: int, size: int) -> None:
    """Refuses what is made of more blocks than `size` bytes need, which take time and hold nothing.

    Raises:
        CodecError: it is.
    """
    limit = ORDINARY_BLOCKS + size // MIN_BLOCK_BYTES
    if blocks > limit:
        raise damaged(compression, f"it has more than {limit} blocks, too many for {size} bytes")


def damaged(compression: Compression, reason: object) -> CodecError:
    """The error for bytes that do not decompress."""
    return CodecError(f"the {compression.value} data is damaged: {reason}", offset=0)


def _check_worth(compression: Compression, packed: int, plain: int) -> None:
    """Refuses what does not expand: blocks can hold nothing, and a table of codes that takes time to build.

    Deflate makes nothing longer by more than 5 bytes in 16 KiB, Zstandard by 3 bytes in 128 KiB; an eighth is for
    encoders that flush often.
    """
    if packed > plain + plain // 8 + _STEP_BYTES:
        raise damaged(compression, f"{packed} bytes of it hold only {plain}: it is made of empty blocks")


@cache
def _module(name: str) -> Any:
    return importlib.import_module(name)


# -- LZ4


def _compress_lz4(data: bytes) -> bytes:
    packed: bytes = _module("lz4.frame").compress(data)
    return packed


def _decompress_lz4(data: bytes, max_bytes: int) -> bytes:
    lz4 = _module("lz4.frame")
    try:
        stated: int = lz4.get_frame_info(data)["content_size"]
        check_size(stated, max_bytes)
        # The library makes room for as much as it is told to expect.
        room = min(stated or max_bytes, max_bytes, len(data) * MAX_LZ4_RATIO)
        decompressor = lz4.LZ4FrameDecompressor()
        plain: bytes = decompressor.decompress(data, max_length=room)
        if not decompressor.eof and not decompressor.needs_input:
            # Either there is more than there may be, or all that is missing is the mark of the end.
            check_size(len(plain + decompressor.decompress(b"", max_length=1)), max_bytes)
    except RuntimeError as error:
        raise damaged(Compression.LZ4, error) from None
    if not decompressor.eof:
        raise damaged(Compression.LZ4, "it ends too early")
    if decompressor.unused_data:
        raise damaged(Compression.LZ4, f"{len(decompressor.unused_data)} bytes follow the frame")
    return plain


# -- Snappy


def _compress_snappy(data: bytes) -> bytes:
    return bytes(_module("cramjam").snappy.compress_raw(data))


def _decompress_snappy(data: bytes, max_bytes: int) -> bytes:
    cramjam = _module("cramjam")
    try:
        stated: int = cramjam.snappy.decompress_raw_len(data)
        check_size(stated, max_bytes)
        if stated > len(data) * MAX_SNAPPY_RATIO:
            raise damaged(Compression.SNAPPY, f"{len(data)} bytes cannot stand for {stated}")
        return bytes(cramjam.snappy.decompress_raw(data))
    except cramjam.DecompressionError as error:
        raise damaged(Compression.SNAPPY, error) from None


# -- Zstandard

_zstd_compressors: Final[list[Any]] = []
_zstd_decompressors: Final[list[Any]] = []
"""Not in use. Making one costs more than its work on a small message, and no two threads may use one at a time: who
needs one takes it out of the list meanwhile, which is atomic."""


def _compress_zstd(data: bytes) -> bytes:
    try:
        compressor = _zstd_compressors.pop()
    except IndexError:
        compressor = _module("zstandard").ZstdCompressor(level=ZSTD_LEVEL)
    packed: bytes = compressor.compress(data)
    if len(_zstd_compressors) < _MAX_IDLE:
        _zstd_compressors.append(compressor)
    return packed


def _decompress_zstd(data: bytes, max_bytes: int) -> bytes:
    zstandard = _module("zstandard")
    if not data.startswith(ZSTD_MAGIC):
        raise damaged(Compression.ZSTD, "it does not begin as a frame does")
    try:
        frame = zstandard.get_frame_parameters(data)
        # The library's max_output_size bounds only a frame that does not state its size: this bounds the other.
        has_size = frame.content_size != zstandard.CONTENTSIZE_UNKNOWN
        check_size(frame.content_size if has_size else 0, max_bytes)
        window_limit = max(max_bytes, MIN_WINDOW_BYTES)
        if frame.window_size > window_limit:
            raise ResourceExhausted(
                f"zstd data needs a window of {frame.window_size} bytes, the limit is {window_limit}: "
                "compress it at a lower level or raise max_message_bytes"
            )
        if not has_size or not frame.content_size:
            # The library overlooks what follows such a frame.
            room = max_bytes if not has_size else 0
            _check_zstd_end(data, zstandard.frame_header_size(data), frame.has_checksum, room)
        else:
            _check_worth(Compression.ZSTD, len(data), frame.content_size)
    except zstandard.ZstdError as error:
        raise damaged(Compression.ZSTD, error) from None
    try:
        decompressor = _zstd_decompressors.pop()
    except IndexError:
        decompressor = zstandard.ZstdDecompressor(max_window_size=2**31)
    try:
        plain: bytes = decompressor.decompress(data, max_output_size=max_bytes, allow_extra_data=False)
    except zstandard.ZstdError as error:
        if not has_size and "did not decompress full frame" in str(error):
            check_size(max_bytes + 1, max_bytes)  # the frame is whole, so it was the room that was lacking
        raise damaged(Compression.ZSTD, error) from None
    # One that has seen a great window keeps the room for it.
    if len(_zstd_decompressors) < _MAX_IDLE and frame.window_size <= MIN_WINDOW_BYTES:
        _zstd_decompressors.append(decompressor)
    return plain


def _check_zstd_end(data: bytes, position: int, has_checksum: bool, room: int) -> None:
    """Follows the headers of a frame's blocks (RFC 8878, 3.1.1.2) to its end, which has to be that of the data.

    What a compressed block holds is not stated; it counts as no more than the block itself. So as many blocks as would
    fill `room` are allowed beside.
    """
    blocks = -(room // _ZSTD_BLOCK_BYTES)
    held = 0
    is_last = False
    while not is_last:
        header = int.from_bytes(data[position : position + 3], "little")
        is_last = header & 1 == 1 or position >= len(data)
        position += 3 + (1 if header >> 1 & 3 == _ZSTD_RUN_BLOCK else header >> 3)
        held += header >> 3
        blocks += 1
        if blocks > ORDINARY_BLOCKS:
            check_blocks(Compression.ZSTD, blocks, held)
    position += 4 if has_checksum else 0
    if position > len(data):
        raise damaged(Compression.ZSTD, "it ends too early")
    if position < len(data):
        raise damaged(Compression.ZSTD, f"{len(data) - position} bytes follow the frame")


# -- gzip


def _compress_gzip(data: bytes) -> bytes:
    return zlib.compress(data, GZIP_LEVEL, _GZIP_WINDOW_BITS)


def _decompress_gzip(data: bytes, max_bytes: int) -> bytes:
    decompressor = zlib.decompressobj(_GZIP_WINDOW_BITS)
    rest = memoryview(data)
    pieces: list[bytes] = []
    size = 0
    while rest and not decompressor.eof:
        step, rest = rest[:_STEP_BYTES], rest[_STEP_BYTES:]
        try:
            piece = decompressor.decompress(step, max_bytes + 1 - size)
        except zlib.error as error:
            raise damaged(Compression.GZIP, error) from None
        pieces.append(piece)
        size += len(piece)
        check_size(size, max_bytes)
        _check_worth(Compression.GZIP, len(data) - len(rest), size)
    if not decompressor.eof:
        raise damaged(Compression.GZIP, "it ends too early")
    if left := len(rest) + len(decompressor.unused_data):
        raise damaged(Compression.GZIP, f"{left} bytes follow the member")
    return b"".join(pieces)


_ALGORITHMS: Final = {
    Compression.ZSTD: _Algorithm(("zstandard",), _compress_zstd, _decompress_zstd),
    Compression.LZ4: _Algorithm(("lz4",), _compress_lz4, _decompress_lz4),
    Compression.SNAPPY: _Algorithm(("cramjam",), _compress_snappy, _decompress_snappy),
    Compression.GZIP: _Algorithm((), _compress_gzip, _decompress_gzip),
}
