"""``grpc-status-details-bin``: a ``google.rpc.Status`` in protobuf's encoding, without protobuf.

Its fields are those of https://github.com/googleapis/googleapis/blob/master/google/rpc/status.proto, whose ``details``
are ``google.protobuf.Any``; the encoding is https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

from typing import Final

from librt.strings import BytesWriter

from eventflux_runtime.protocol.grpc.http2.binary_value import decode_binary, encode_binary
from eventflux_runtime.rpc.record import BYTES, VARINT, RecordReader, write_block, write_varint
from eventflux_runtime.rpc.status import ErrorDetail, Status

__all__ = ["decode_details", "encode_details"]

CODE_TAG: Final = 1 << 3 | VARINT
MESSAGE_TAG: Final = 2 << 3 | BYTES
DETAIL_TAG: Final = 3 << 3 | BYTES
TYPE_URL_TAG: Final = 1 << 3 | BYTES
VALUE_TAG: Final = 2 << 3 | BYTES
COPIED_CHARACTERS: Final = 256
"""The longest text that stands here too: it has a field of its own, and would leave no room for the details."""


def encode_details(status: Status) -> bytes:
    """The value of the field for a status that has details."""
    writer = BytesWriter()
    if status.code:
        writer.append(CODE_TAG)
        write_varint(writer, int(status.code))
    if 0 < len(status.message) <= COPIED_CHARACTERS:
        write_block(writer, MESSAGE_TAG, status.message.encode("utf-8", "replace"))
    for detail in status.details:
        inner = BytesWriter()
        if detail.type_url:
            write_block(inner, TYPE_URL_TAG, detail.type_url.encode("utf-8", "replace"))
        if detail.value:
            write_block(inner, VALUE_TAG, detail.value)
        write_block(writer, DETAIL_TAG, inner.getvalue())
    return encode_binary(writer.getvalue())


def decode_details(value: bytes) -> tuple[ErrorDetail, ...]:
    """The details in the field's value; none where they cannot be read, since code and text stand elsewhere.

    The code and the text beside them are not looked at: those of ``grpc-status`` and ``grpc-message`` count.
    """
    decoded = decode_binary(value)
    if not decoded:
        return ()
    try:
        reader = RecordReader(decoded[0])
        details: list[ErrorDetail] = []
        while not reader.is_at_end():
            tag = reader.varint()
            if tag == DETAIL_TAG:
                details.append(_detail(reader.chunk()))
            elif tag == MESSAGE_TAG:
                reader.text()
            else:
                reader.skip(tag)
    except ValueError:
        return ()
    return tuple(details)


def _detail(data: bytes) -> ErrorDetail:
    reader = RecordReader(data)
    type_url, value = "", b""
    while not reader.is_at_end():
        tag = reader.varint()
        if tag == TYPE_URL_TAG:
            type_url = reader.text()
        elif tag == VALUE_TAG:
            value = reader.chunk()
        else:
            reader.skip(tag)
    return ErrorDetail(type_url, value)
