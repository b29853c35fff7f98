"""HPACK's decoder (RFC 7541): header blocks become fields, within limits that hold while they are decoded."""

from __future__ import annotations

from typing import Final, final

from eventflux_runtime.loading.compiled import i64
from eventflux_runtime.protocol.grpc.http2 import huffman
from eventflux_runtime.protocol.grpc.http2.error import HpackError
from eventflux_runtime.protocol.grpc.http2.field import Field
from eventflux_runtime.protocol.grpc.http2.static_table import DEFAULT_TABLE_BYTES, FIRST_DYNAMIC, STATIC_ENTRIES

__all__ = ["Decoder"]

MAX_CONTINUED_SHIFT: Final = 21
"""An integer has four bytes behind its prefix at most, so it stays below 2**28 + 2**7."""
STATIC_FIELDS: Final[list[Field]] = [Field(b"", b""), *[Field(name, value) for name, value in STATIC_ENTRIES]]


@final
class Decoder:
    """The table of one direction of a connection, and the blocks that refer to it.

    Invariants: `table_bytes` is the sum of the sizes in `_table`, whose newest entry is the last, and at most
    `_capacity`. `changes` counts what changed the table: while it stands, equal
    blocks mean equal fields. `list_bytes` is the size of the last block's whole list, whatever was kept of it.
    """

    __slots__ = (
        "_block",
        "_capacity",
        "_end",
        "_position",
        "_table",
        "changes",
        "list_bytes",
        "max_list_bytes",
        "max_table_bytes",
        "table_bytes",
    )

    def __init__(self, max_list_bytes: int, max_table_bytes: int = DEFAULT_TABLE_BYTES) -> None:
        self._table: list[Field] = []
        self._capacity: int = DEFAULT_TABLE_BYTES
        self._block: bytes = b""
        self._position: i64 = 0
        self._end: i64 = 0
        self.table_bytes: int = 0
        self.max_table_bytes: int = max_table_bytes
        self.max_list_bytes: int = max_list_bytes
        self.list_bytes: int = 0
        self.changes: int = 0

    def excess_bytes(self) -> int:
        """By how much the last block's list is over the limit; 0: it is not."""
        return max(0, self.list_bytes - self.max_list_bytes)

    def decode(self, block: bytes) -> list[Field]:
        """The fields of a whole block, in order.

        Of a list over `max_list_bytes` only the first fields are there, and `excess_bytes` is not 0: the rest counts,
        and has its effect on the table, but takes no memory.

        Raises:
            HpackError: the block breaks RFC 7541. The decoder is of no use any more.
        """
        self._block = block
        self._position = 0
        self._end = len(block)
        self.list_bytes = 0
        fields: list[Field] = []
        while self._position < self._end:
            first: i64 = block[self._position]
            self._position += 1
            if first >= 0x80:
                field = self._lookup(self._integer(first, 0x7F))
            elif first >= 0x40:
                field = self._literal(self._integer(first, 0x3F))
                self._insert(field)
            elif first < 0x20:
                field = self._literal(self._integer(first, 0x0F))
            else:
                self._resize(self._integer(first, 0x1F))
                continue
            self.list_bytes += field.size
            if self.list_bytes <= self.max_list_bytes:
                fields.append(field)
        return fields

    def _integer(self, first: i64, mask: i64) -> i64:
        """The integer whose first byte is `first`, with a prefix of as many bits as `mask` has (RFC 7541, 5.1)."""
        value = first & mask
        if value < mask:
            return value
        shift: i64 = 0
        while self._position < self._end:
            byte: i64 = self._block[self._position]
            self._position += 1
            value += (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > MAX_CONTINUED_SHIFT:
                raise HpackError("an integer in a header block is over the limit of 4 bytes behind its prefix")
        raise HpackError("a header block ends within an integer")

    def _string(self) -> bytes:
        """The string at the position (RFC 7541, 5.2)."""
        begin = self._position
        if begin >= self._end:
            raise HpackError("a header block ends where a string has to follow")
        first: i64 = self._block[begin]
        self._position = begin + 1
        size = self._integer(first, 0x7F)
        begin = self._position
        end = begin + size
        if end > self._end:
            raise HpackError(f"a string of {size} bytes in a header block with {self._end - begin} left")
        self._position = end
        return self._block[begin:end] if first < 0x80 else huffman.decode(self._block, begin, end)

    def _literal(self, index: i64) -> Field:
        """The field whose name is that of an index, or with 0 stands in the block (RFC 7541, 6.2)."""
        name = self._lookup(index).name if index else self._string()
        return Field(name, self._string())

    def _lookup(self, index: i64) -> Field:
        if 0 < index < FIRST_DYNAMIC:
            return STATIC_FIELDS[index]
        place = len(self._table) - 1 - (index - FIRST_DYNAMIC)
        if index == 0 or place < 0:
            raise HpackError(f"index {index} in a header block, whose tables have {len(self._table) + 61} entries")
        return self._table[place]

    def _insert(self, field: Field) -> None:
        """Makes a field the newest entry; one that is too large empties the table (RFC 7541, 4.4)."""
        self.changes += 1
        self._table.append(field)
        self.table_bytes += field.size
        if self.table_bytes > self._capacity:
            self._evict()

    def _resize(self, capacity: i64) -> None:
        """Does what a size update says (RFC 7541, 4.2 and 6.3)."""
        if self.list_bytes:
            raise HpackError("a table size update stands behind a field; it has to begin a header block")
        if capacity > self.max_table_bytes:
            raise HpackError(f"a table size update to {capacity} bytes is over our limit of {self.max_table_bytes}")
        self.changes += 1
        self._capacity = capacity
        self._evict()

    def _evict(self) -> None:
        gone: i64 = 0
        while self.table_bytes > self._capacity:
            self.table_bytes -= self._table[gone].size
            gone += 1
        del self._table[:gone]
