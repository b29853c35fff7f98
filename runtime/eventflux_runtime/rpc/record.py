"""The records of protobuf's encoding, for the few messages that the runtime itself reads and writes beside a status.

https://protobuf.dev/programming-guides/encoding/ is the specification. What a generated package carries has a codec of
its own, which is faster and knows its fields.
"""

from __future__ import annotations

from typing import Final, final

from librt.strings import BytesWriter

__all__ = ["BYTES", "VARINT", "RecordReader", "write_block", "write_varint"]

VARINT: Final = 0
BYTES: Final = 2
_FIXED64: Final = 1
_GROUP: Final = 3
_FIXED32: Final = 5
_MAX_VARINT_BYTES: Final = 10
_MAX_DEPTH: Final = 100


@final
class RecordReader:
    """Reads a message's records in order. Its methods raise ValueError for bytes that are not protobuf's."""

    __slots__ = ("_data", "_position")

    def __init__(self, data: bytes) -> None:
        self._data: Final = data
        self._position: int = 0

    def is_at_end(self) -> bool:
        """Whether all was read."""
        return self._position >= len(self._data)

    def varint(self) -> int:
        """An unsigned number."""
        number = 0
        for place in range(_MAX_VARINT_BYTES):
            if self.is_at_end():
                break
            byte = self._data[self._position]
            self._position += 1
            number |= (byte & 0x7F) << 7 * place
            if byte < 0x80:
                return number
        raise ValueError("a number is cut short or too long")

    def chunk(self) -> bytes:
        """Bytes behind their length."""
        return self._take(self.varint())

    def text(self) -> str:
        """The same as text."""
        return self.chunk().decode("utf-8")

    def skip(self, tag: int, depth: int = 0) -> None:
        """Passes over the value of a field that nobody knows."""
        kind = tag & 7
        if tag >> 3 == 0 or tag >= 1 << 32:
            raise ValueError("a field has a number that none can have")
        if kind == VARINT:
            self.varint()
        elif kind == BYTES:
            self.chunk()
        elif kind == _FIXED64:
            self._take(8)
        elif kind == _FIXED32:
            self._take(4)
        elif kind == _GROUP and depth < _MAX_DEPTH:
            self._skip_group(tag, depth + 1)
        else:
            raise ValueError("a field has a wire type that none can have")

    def _skip_group(self, begin: int, depth: int) -> None:
        tag = self.varint()
        while tag != begin + 1:
            self.skip(tag, depth)
            tag = self.varint()

    def _take(self, size: int) -> bytes:
        if size > len(self._data) - self._position:
            raise ValueError("a length is beyond the message")
        self._position += size
        return self._data[self._position - size : self._position]


def write_varint(writer: BytesWriter, number: int) -> None:
    """Appends an unsigned number."""
    while number >= 0x80:
        writer.append(number & 0x7F | 0x80)
        number >>= 7
    writer.append(number)


def write_block(writer: BytesWriter, tag: int, data: bytes) -> None:
    """Appends a record of bytes: a tag below 128, a length, and as many bytes."""
    writer.append(tag)
    write_varint(writer, len(data))
    writer.write(data)
