"""HPACK's encoder (RFC 7541): fields that repeat become indices, all others are written as they are."""

from __future__ import annotations

from typing import Final, final

from librt.strings import BytesWriter

from eventflux_runtime.loading.compiled import i64
from eventflux_runtime.protocol.grpc.http2 import huffman
from eventflux_runtime.protocol.grpc.http2.static_table import (
    DEFAULT_TABLE_BYTES,
    ENTRY_BYTES,
    FIRST_DYNAMIC,
    STATIC_NAMES,
    STATIC_PAIRS,
)

__all__ = ["Encoder", "literal_name", "write_integer", "write_shortest", "write_text"]

INDEXED: Final = 0x80
INSERTED: Final = 0x40
SIZE_UPDATE: Final = 0x20
NEVER_INDEXED: Final = 0x10
NOT_INDEXED: Final = 0x00
LARGEST_SHARE: Final = 4
"""A field that takes more than this part of the table stays out of it."""


@final
class Encoder:
    """The table of one direction of a connection, and the fields that it stands for.

    The table fills up and then stays as it is: an entry is evicted only where the peer makes the table smaller. So the
    blocks of calls that repeat stay the same, however many other methods and values there are.

    Invariants: `_entries` has the oldest entry first, and `_places` which insertion each one was. `table_bytes` is the
    sum of their sizes and at most `capacity`. A block that inserted nothing is right again, byte for byte, while
    `generation` stands and `has_update` is false.
    """

    __slots__ = (
        "_entries",
        "_inserted",
        "_lowest",
        "_places",
        "_told",
        "capacity",
        "generation",
        "has_update",
        "table_bytes",
    )

    def __init__(self) -> None:
        self._entries: list[tuple[bytes, bytes]] = []
        self._places: dict[tuple[bytes, bytes], int] = {}
        self._inserted: int = 0
        self._told: int = DEFAULT_TABLE_BYTES  # the capacity as the peer's decoder knows it
        self._lowest: int = DEFAULT_TABLE_BYTES  # the least capacity since then
        self.capacity: int = DEFAULT_TABLE_BYTES
        self.table_bytes: int = 0
        self.generation: int = 0
        self.has_update: bool = False

    def limit(self, max_bytes: int) -> None:
        """Takes over what the peer lets the table hold (SETTINGS_HEADER_TABLE_SIZE); we use up to 4 KiB of it."""
        self.capacity = min(max_bytes, DEFAULT_TABLE_BYTES)
        self._lowest = min(self._lowest, self.capacity)
        self.has_update = self._lowest < self._told or self.capacity != self._told
        while self.table_bytes > self.capacity:
            name, value = self._entries.pop(0)
            del self._places[name, value]
            self.table_bytes -= len(name) + len(value) + ENTRY_BYTES
            self.generation += 1

    def begin(self, writer: BytesWriter) -> None:
        """Begins a block: tells the peer how large the table is, where that changed (RFC 7541, 4.2)."""
        if not self.has_update:
            return
        if self._lowest < min(self._told, self.capacity):
            write_integer(writer, SIZE_UPDATE, 0x1F, self._lowest)
            self._told = self._lowest
        if self.capacity != self._told:
            write_integer(writer, SIZE_UPDATE, 0x1F, self.capacity)
        self._told = self.capacity
        self._lowest = self.capacity
        self.has_update = False

    def repeat(self, writer: BytesWriter, name: bytes, value: bytes, kept_free: int = 0) -> None:
        """Appends a field that is likely to come again: by an index, or inserted, or as it is where the table is full.

        Args:
            writer: has the block.
            name: in lower case.
            value: no secret.
            kept_free: the bytes of the table that an insertion must not use.
        """
        index = self.index_of(name, value)
        if index:
            write_integer(writer, INDEXED, 0x7F, index)
            return
        size = len(name) + len(value) + ENTRY_BYTES
        is_inserted = size <= self.capacity // LARGEST_SHARE and self.table_bytes + size <= self.capacity - kept_free
        name_index = STATIC_NAMES.get(name, 0)
        if is_inserted:
            write_integer(writer, INSERTED, 0x3F, name_index)
        else:
            write_integer(writer, NOT_INDEXED, 0x0F, name_index)
        if not name_index:
            write_shortest(writer, name)
        write_shortest(writer, value)
        if is_inserted:
            self._insert(name, value, size)

    def index_of(self, name: bytes, value: bytes) -> int:
        """The index of a field; 0 where neither table has it."""
        pair = (name, value)
        place = self._places.get(pair, 0)
        return FIRST_DYNAMIC + self._inserted - place if place else STATIC_PAIRS.get(pair, 0)

    def _insert(self, name: bytes, value: bytes, size: int) -> None:
        self._inserted += 1
        self._places[name, value] = self._inserted
        self._entries.append((name, value))
        self.table_bytes += size
        self.generation += 1


def literal_name(name: bytes, *, is_secret: bool = False) -> bytes:
    """The beginning of a field that enters no table, as it is read fastest; its value has to follow by `write_text`.

    Args:
        name: in lower case.
        is_secret: tells whoever passes the field on to keep it out of tables as well (RFC 7541, 7.1.3).
    """
    writer = BytesWriter()
    index = STATIC_NAMES.get(name, 0)
    write_integer(writer, NEVER_INDEXED if is_secret else NOT_INDEXED, 0x0F, index)
    if not index:
        write_text(writer, name)
    return writer.getvalue()


def write_text(writer: BytesWriter, text: bytes) -> None:
    """Appends a string as it is, which costs less time than Huffman's code, on both sides."""
    write_integer(writer, 0, 0x7F, len(text))
    writer.write(text)


def write_shortest(writer: BytesWriter, text: bytes) -> None:
    """Appends a string in the shorter one of its two forms, for what is written once and sent again and again."""
    size = huffman.encoded_length(text)
    if size < len(text):
        write_integer(writer, 0x80, 0x7F, size)
        writer.write(huffman.encode(text))
    else:
        write_text(writer, text)


def write_integer(writer: BytesWriter, flags: i64, mask: i64, value: i64) -> None:
    """Appends an integer with a prefix of as many bits as `mask` has, behind `flags` (RFC 7541, 5.1)."""
    if value < mask:
        writer.append(flags | value)
        return
    writer.append(flags | mask)
    value -= mask
    while value >= 0x80:
        writer.append(value & 0x7F | 0x80)
        value >>= 7
    writer.append(value)
