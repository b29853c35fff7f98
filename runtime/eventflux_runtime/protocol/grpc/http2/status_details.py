"""``grpc-status-details-bin``: a ``google.rpc.Status`` in protobuf's encoding, without protobuf.

Its fields are those of https://github.com/googleapis/googleapis/blob/master/google/rpc/status.proto, whose ``details``
are ``google.protobuf.Any``; the encoding is https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

from typing import Final, final

from librt.strings import BytesWriter

from eventflux_runtime.protocol.grpc.http2.binary_value import decode_binary, encode_binary
from eventflux_runtime.rpc.status import ErrorDetail, Status

__all__ = ["decode_details", "encode_details"]

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
GROUP: Final = 3
END_GROUP: Final = 4
FIXED32: Final = 5
CODE_TAG: Final = 1 << 3 | VARINT
MESSAGE_TAG: Final = 2 << 3 | BYTES
DETAIL_TAG: Final = 3 << 3 | BYTES
TYPE_URL_TAG: Final = 1 << 3 | BYTES
VALUE_TAG: Final = 2 << 3 | BYTES
MAX_VARINT_BYTES: Final = 10
MAX_DEPTH: Final = 100
COPIED_CHARACTERS: Final = 256
"""The longest text that stands here too: it has a field of its own, and would leave no room for the details."""


class _Unreadable(ValueError):
    """Bytes that are not protobuf's."""


def encode_details(status: Status) -> bytes:
    """The value of the field for a status that has details."""
    writer = BytesWriter()
    if status.code:
        writer.append(CODE_TAG)
        _write_varint(writer, int(status.code))
    if 0 < len(status.message) <= COPIED_CHARACTERS:
        _write_bytes(writer, MESSAGE_TAG, status.message.encode("utf-8", "replace"))
    for detail in status.details:
        inner = BytesWriter()
        if detail.type_url:
            _write_bytes(inner, TYPE_URL_TAG, detail.type_url.encode("utf-8", "replace"))
        if detail.value:
            _write_bytes(inner, VALUE_TAG, detail.value)
        _write_bytes(writer, DETAIL_TAG, inner.getvalue())
    return encode_binary(writer.getvalue())


def decode_details(value: bytes) -> tuple[ErrorDetail, ...]:
    """The details in the field's value; none where they cannot be read, since code and text stand elsewhere.

    The code and the text beside them are not looked at: those of ``grpc-status`` and ``grpc-message`` count.
    """
    decoded = decode_binary(value)
    if not decoded:
        return ()
    try:
        reader = _Reader(decoded[0])
        details: list[ErrorDetail] = []
        while not reader.is_at_end():
            tag = reader.varint()
            if tag == DETAIL_TAG:
                details.append(_detail(reader.chunk()))
            elif tag == MESSAGE_TAG:
                reader.chunk().decode("utf-8")
            else:
                reader.skip(tag, 0)
    except ValueError:
        return ()
    return tuple(details)


def _detail(data: bytes) -> ErrorDetail:
    reader = _Reader(data)
    type_url, value = "", b""
    while not reader.is_at_end():
        tag = reader.varint()
        if tag == TYPE_URL_TAG:
            type_url = reader.chunk().decode("utf-8")
        elif tag == VALUE_TAG:
            value = reader.chunk()
        else:
            reader.skip(tag, 0)
    return ErrorDetail(type_url, value)


@final
class _Reader:
    """Reads a message's fields in order. Its methods raise `_Unreadable`."""

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
        for place in range(MAX_VARINT_BYTES):
            if self.is_at_end():
                break
            byte = self._data[self._position]
            self._position += 1
            number |= (byte & 0x7F) << 7 * place
            if byte < 0x80:
                return number
        raise _Unreadable("a number is cut short or too long")

    def chunk(self) -> bytes:
        """Bytes behind their length."""
        return self._take(self.varint())

    def skip(self, tag: int, depth: int) -> None:
        """Passes over the value of a field that nobody knows."""
        kind = tag & 7
        if tag >> 3 == 0 or tag >= 1 << 32:
            raise _Unreadable("a field has a number that none can have")
        if kind == VARINT:
            self.varint()
        elif kind == BYTES:
            self.chunk()
        elif kind == FIXED64:
            self._take(8)
        elif kind == FIXED32:
            self._take(4)
        elif kind == GROUP and depth < MAX_DEPTH:
            self._skip_group(tag, depth + 1)
        else:
            raise _Unreadable("a field has a wire type that none can have")

    def _skip_group(self, begin: int, depth: int) -> None:
        tag = self.varint()
        while tag != begin + 1:
            self.skip(tag, depth)
            tag = self.varint()

    def _take(self, size: int) -> bytes:
        if size > len(self._data) - self._position:
            raise _Unreadable("a length is beyond the message")
        self._position += size
        return self._data[self._position - size : self._position]


def _write_varint(writer: BytesWriter, number: int) -> None:
    while number >= 0x80:
        writer.append(number & 0x7F | 0x80)
        number >>= 7
    writer.append(number)


def _write_bytes(writer: BytesWriter, tag: int, data: bytes) -> None:
    writer.append(tag)
    _write_varint(writer, len(data))
    writer.write(data)
