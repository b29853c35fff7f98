"""A full status on the wire: code, text, details, and the metadata block of the trailers.

u8 code; u32 length and text; u16 count of details, each u16 length and type URL, u32 length and value; then the block.
"""

from __future__ import annotations

from typing import Final

from librt.strings import BytesWriter, write_i16_le, write_i32_le

from eventflux_runtime.protocol.core.error import RemoteProtocolError
from eventflux_runtime.protocol.native.core.frame import read_u16, read_u32
from eventflux_runtime.protocol.native.core.metadata_block import (
    MAX_KEY_BYTES,
    MAX_PAIRS,
    block_bytes,
    decode_metadata,
    encode_metadata,
)
from eventflux_runtime.rpc.status import ErrorDetail, Status, StatusCode
from eventflux_runtime.rpc.status_part import fitted

__all__ = ["decode_status", "encode_status"]

MAX_TYPE_URL_BYTES: Final = 0x7FFF
MAX_DETAILS: Final = 0x7FFF
FIXED_BYTES: Final = 1 + 4 + 2 + 4 + 2
"""A status block without text, details and trailers."""


def encode_status(status: Status, writer: BytesWriter, max_block: int, max_metadata: int) -> None:
    """Appends a status, within `max_block` bytes.

    A status over a limit still has to end its call, so what does not fit is left out, and the text says so.
    """
    if _block_bytes(status, max_block, max_metadata) > max_block:
        status = fitted(status, lambda made: _block_bytes(made, max_block, max_metadata), max_block)
    text = status.message.encode("utf-8", "replace")
    writer.append(int(status.code))
    write_i32_le(writer, len(text))
    writer.write(text)
    write_i16_le(writer, len(status.details))
    for detail in status.details:
        url = detail.type_url.encode("utf-8", "replace")
        write_i16_le(writer, len(url))
        writer.write(url)
        write_i32_le(writer, len(detail.value))
        writer.write(detail.value)
    encode_metadata(status.trailers, writer, max_metadata)


def _block_bytes(status: Status, max_block: int, max_metadata: int) -> int:
    """The length of a status block; more than `max_block` where one of its parts is over a limit of its own."""
    trailers = status.trailers
    size = FIXED_BYTES - 2 + block_bytes(trailers) + len(status.message.encode("utf-8", "replace"))
    for detail in status.details:
        url_bytes = len(detail.type_url.encode("utf-8", "replace"))
        size += 6 + url_bytes + len(detail.value)
        if url_bytes > MAX_TYPE_URL_BYTES:
            return max_block + 1
    if len(status.details) > MAX_DETAILS or len(trailers) > MAX_PAIRS or block_bytes(trailers) > max_metadata:
        return max_block + 1
    for key, _ in trailers.pairs:
        if len(key) > MAX_KEY_BYTES:
            return max_block + 1
    return size


def decode_status(data: bytes, position: int, end: int, max_metadata: int) -> tuple[Status, int]:
    """The status at `position` of a frame that ends at `end`, and the position behind it.

    Raises:
        RemoteProtocolError: it is cut short, its lengths contradict the frame, or a text is not UTF-8.
    """
    if end - position < FIXED_BYTES:
        raise RemoteProtocolError(f"status cut short: {end - position} bytes are left, it takes at least {FIXED_BYTES}")
    code = StatusCode.from_number(data[position])
    message, position = _long(data, position + 1, end, "status text")
    if end - position < 2:
        raise RemoteProtocolError("status ends before its count of details")
    count = read_u16(data, position)
    position += 2
    details: list[ErrorDetail] = []
    for _ in range(count):
        if end - position < 2:
            raise RemoteProtocolError(f"status ends before its detail {len(details) + 1} of {count}")
        url_end = position + 2 + (read_u16(data, position))
        if url_end > end:
            raise RemoteProtocolError("status ends within the type URL of a detail")
        url = data[position + 2 : url_end]
        value, position = _long(data, url_end, end, "status detail")
        details.append(ErrorDetail(_text(url, "type URL of a detail"), value))
    trailers, position = decode_metadata(data, position, end, max_metadata)
    return Status(code, _text(message, "status text"), tuple(details), trailers), position


def _long(data: bytes, position: int, end: int, what: str) -> tuple[bytes, int]:
    if end - position < 4:
        raise RemoteProtocolError(f"{what} cut short: its length takes 4 bytes, {end - position} are left")
    size = read_u32(data, position)
    if size > end - position - 4:
        raise RemoteProtocolError(f"{what} of {size} bytes in a frame with {end - position - 4} left")
    return data[position + 4 : position + 4 + size], position + 4 + size


def _text(raw: bytes, what: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RemoteProtocolError(f"{what} is not UTF-8: {error}") from error
