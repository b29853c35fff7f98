"""HPACK's Huffman code (RFC 7541, section 5.2 and appendix B).

The code is canonical: of each length the codes are consecutive, in the order of their symbols, and the first one of a
length follows the last one of the length before. So the lengths alone say everything.
"""

from __future__ import annotations

from typing import Final

from librt.strings import BytesWriter

from eventflux_runtime.loading.compiled import i64
from eventflux_runtime.protocol.grpc.http2.error import HpackError

__all__ = ["decode", "encode", "encoded_length"]

LENGTHS: Final[list[int]] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
]  # fmt: skip
"""The bits of each symbol's code: of the 256 bytes, and of the end of the string."""
END_OF_STRING: Final = 256
LONGEST: Final = 30
SHORT: Final = 8
"""Codes up to this many bits are looked up; they are those of what headers mostly consist of."""

ORDERED: Final[list[int]] = sorted(range(len(LENGTHS)), key=lambda symbol: (LENGTHS[symbol], symbol))
"""The symbols in the order of their codes."""


def _first_codes() -> list[int]:
    firsts = [0]
    for length in range(1, LONGEST + 1):
        firsts.append((firsts[-1] + LENGTHS.count(length - 1)) << 1)
    return firsts


FIRST_CODES: Final[list[int]] = _first_codes()
"""The first code of each length."""
COUNTS: Final[list[int]] = [LENGTHS.count(length) for length in range(LONGEST + 1)]
OFFSETS: Final[list[int]] = [sum(COUNTS[:length]) for length in range(LONGEST + 1)]
"""Where the symbols of each length begin in `ORDERED`."""


def _codes() -> list[int]:
    codes = [0] * len(LENGTHS)
    for place, symbol in enumerate(ORDERED):
        length = LENGTHS[symbol]
        codes[symbol] = FIRST_CODES[length] + place - OFFSETS[length]
    return codes


CODES: Final[list[int]] = _codes()
"""The code of each symbol."""


def _short_tables() -> tuple[bytes, bytes]:
    symbols, lengths = bytearray(1 << SHORT), bytearray(1 << SHORT)
    for symbol in ORDERED:
        length = LENGTHS[symbol]
        if length <= SHORT:
            begin, width = CODES[symbol] << SHORT - length, 1 << SHORT - length
            symbols[begin : begin + width] = bytes([symbol]) * width
            lengths[begin : begin + width] = bytes([length]) * width
    return bytes(symbols), bytes(lengths)


_SHORT_TABLES: Final = _short_tables()
SHORT_SYMBOLS: Final[bytes] = _SHORT_TABLES[0]
"""The symbol whose code the index begins with, for each number of eight bits."""
SHORT_LENGTHS: Final[bytes] = _SHORT_TABLES[1]
"""The length of that code; 0 where it is longer than eight bits."""


def decode(data: bytes, position: i64, end: i64) -> bytes:
    """The string that stands coded between two positions, at most 8/5 as long.

    Raises:
        HpackError: the end of the string is among its symbols, or what follows the last symbol is not up to seven ones.
    """
    writer = BytesWriter()
    bits: i64 = 0  # what was read and not decoded yet, below 2**38
    count: i64 = 0
    while position < end:
        bits = bits << 8 | data[position]
        count += 8
        position += 1
        while count >= 8:
            length: i64 = SHORT_LENGTHS[bits >> count - 8 & 0xFF]
            if length:
                writer.append(SHORT_SYMBOLS[bits >> count - 8 & 0xFF])
            else:
                length = _long_symbol(bits, count, writer)
                if length == 0:
                    break
            count -= length
            bits &= (1 << count) - 1
    return _finished(bits, count, writer)


def _long_symbol(bits: i64, count: i64, writer: BytesWriter) -> i64:
    """Appends the symbol that `count` bits begin with, and returns its code's length; 0 if they are too few."""
    length: i64 = SHORT + 1
    while length <= count and length <= LONGEST:
        place = (bits >> count - length) - FIRST_CODES[length]
        if place < COUNTS[length]:
            symbol = ORDERED[OFFSETS[length] + place]
            if symbol == END_OF_STRING:
                raise HpackError("a Huffman-coded string has the end of the string within it")
            writer.append(symbol)
            return length
        length += 1
    return 0


def _finished(bits: i64, count: i64, writer: BytesWriter) -> bytes:
    """Appends the symbols of the last bits, and looks at the padding behind them."""
    while 5 <= count <= 7:
        padded = (bits << 8 - count | 0xFF >> count) & 0xFF
        length: i64 = SHORT_LENGTHS[padded]
        if length == 0 or length > count:
            break
        writer.append(SHORT_SYMBOLS[padded])
        count -= length
        bits &= (1 << count) - 1
    if count > 7 or bits != (1 << count) - 1:
        raise HpackError("a Huffman-coded string does not end in up to seven bits of padding, all ones")
    return writer.getvalue()


def encoded_length(text: bytes) -> int:
    """The bytes that a string takes when it is coded."""
    bits = 7
    for symbol in text:
        bits += LENGTHS[symbol]
    return bits >> 3


def encode(text: bytes) -> bytes:
    """A string, coded and padded."""
    writer = BytesWriter()
    bits: i64 = 0
    count: i64 = 0
    for symbol in text:
        bits = bits << LENGTHS[symbol] | CODES[symbol]
        count += LENGTHS[symbol]
        while count >= 8:
            count -= 8
            writer.append(bits >> count & 0xFF)
        bits &= (1 << count) - 1
    if count:
        writer.append(bits << 8 - count & 0xFF | 0xFF >> count)
    return writer.getvalue()
