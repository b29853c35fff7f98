"""A full status on the wire: code, text, details, and the metadata block of the trailers.

u8 code; u32 length and text; u16 count of details, each u16 length and type URL, u32 length and value; then the block.
"""

from __future__ import annotations

from typing import Final

from librt.strings import BytesWriter, write_i16_le, write_i32_le

from eventflux_runtime.metadata import EMPTY_METADATA
from eventflux_runtime.status import ErrorDetail, Status, StatusCode
from eventflux_runtime.wire.error import WireError
from eventflux_runtime.wire.frame import read_u16, read_u32
from eventflux_runtime.wire.metadata_block import (
    MAX_KEY_BYTES,
    MAX_PAIRS,
    block_bytes,
    decode_metadata,
    encode_metadata,
)

__all__ = ["decode_status", "encode_status"]

MAX_TYPE_URL_BYTES: Final = 0x7FFF
MAX_DETAILS: Final = 0x7FFF
FIXED_BYTES: Final = 1 + 4 + 2 + 4 + 2
"""A status block without text, details and trailers."""


def encode_status(status: Status, writer: BytesWriter, max_block: int, max_metadata: int) -> None:
    """Appends a status, within `max_block` bytes.

    A status over a limit still has to end its call, so what does not fit is left out, and the text says so.
    """
    text = status.message.encode("utf-8", "replace")
    details = [(detail.type_url.encode("utf-8", "replace"), detail.value) for detail in status.details]
    trailers = status.trailers
    size = FIXED_BYTES + len(text) + sum(6 + len(url) + len(value) for url, value in details)
    trailer_bytes = block_bytes(trailers) - 2
    fits_metadata = (
        trailer_bytes + 2 <= max_metadata
        and len(trailers) <= MAX_PAIRS
        and all(len(key) <= MAX_KEY_BYTES for key, _ in trailers.pairs)
    )
    fits_details = len(details) <= MAX_DETAILS and all(len(url) <= MAX_TYPE_URL_BYTES for url, _ in details)
    if size + trailer_bytes > max_block or not fits_metadata or not fits_details:
        note = f" (details and trailers of {size + trailer_bytes} bytes left out: over the peer's limits)".encode()
        text = text[: min(1024, max_block - FIXED_BYTES - len(note))].decode("utf-8", "ignore").encode() + note
        details = []
        trailers = EMPTY_METADATA
    writer.append(int(status.code))
    write_i32_le(writer, len(text))
    writer.write(text)
    write_i16_le(writer, len(details))
    for url, value in details:
        write_i16_le(writer, len(url))
        writer.write(url)
        write_i32_le(writer, len(value))
        writer.write(value)
    encode_metadata(trailers, writer, max_metadata)


def decode_status(data: bytes, position: int, end: int, max_metadata: int) -> tuple[Status, int]:
    """The status at `position` of a frame that ends at `end`, and the position behind it.

    Raises:
        WireError: it is cut short, its lengths contradict the frame, or a text is not UTF-8.
    """
    if end - position < FIXED_BYTES:
        raise WireError(f"status cut short: {end - position} bytes are left, it takes at least {FIXED_BYTES}")
    code = StatusCode.from_number(data[position])
    message, position = _long(data, position + 1, end, "status text")
    if end - position < 2:
        raise WireError("status ends before its count of details")
    count = read_u16(data, position)
    position += 2
    details: list[ErrorDetail] = []
    for _ in range(count):
        if end - position < 2:
            raise WireError(f"status ends before its detail {len(details) + 1} of {count}")
        url_end = position + 2 + (read_u16(data, position))
        if url_end > end:
            raise WireError("status ends within the type URL of a detail")
        url = data[position + 2 : url_end]
        value, position = _long(data, url_end, end, "status detail")
        details.append(ErrorDetail(_text(url, "type URL of a detail"), value))
    trailers, position = decode_metadata(data, position, end, max_metadata)
    return Status(code, _text(message, "status text"), tuple(details), trailers), position


def _long(data: bytes, position: int, end: int, what: str) -> tuple[bytes, int]:
    if end - position < 4:
        raise WireError(f"{what} cut short: its length takes 4 bytes, {end - position} are left")
    size = read_u32(data, position)
    if size > end - position - 4:
        raise WireError(f"{what} of {size} bytes in a frame with {end - position - 4} left")
    return data[position + 4 : position + 4 + size], position + 4 + size


def _text(raw: bytes, what: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise WireError(f"{what} is not UTF-8: {error}") from error
