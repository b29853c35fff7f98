"""The messages of ``grpc.health.v1`` and their native layout, byte for byte what the generator would make of them."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import msgspec
from librt.strings import BytesWriter, read_i32_le, read_i64_le, write_i32_le, write_i64_le

from eventflux_runtime.rpc.errors import CodecError

__all__ = [
    "HealthCheckRequest",
    "HealthCheckResponse",
    "HealthListRequest",
    "HealthListResponse",
    "ServingStatus",
    "decode_list_request",
    "decode_list_response",
    "decode_request",
    "decode_response",
    "encode_list_request",
    "encode_list_response",
    "encode_request",
    "encode_response",
    "status_of",
    "text_bytes",
]

_HEAD_BYTES: Final = 8
_STATUS_BYTES: Final = 4
_ENTRY_BYTES: Final = _HEAD_BYTES + _STATUS_BYTES
"""The least that an entry of a list takes: that of the empty name."""
_STATUSES: Final = "HealthListResponse.statuses"


class ServingStatus(IntEnum):
    """Whether a service takes calls."""

    UNKNOWN = 0
    """Not known; also what a number that this version has no name for is read as."""
    SERVING = 1
    """Takes calls."""
    NOT_SERVING = 2
    """Runs, but should get no calls."""
    SERVICE_UNKNOWN = 3
    """The server knows no service of that name; only a watch says so."""


class HealthCheckRequest(msgspec.Struct, frozen=True):
    """Which service is asked after."""

    service: str = ""
    """The full name, as ``eventflux.transport.Transport``; empty: the server as a whole."""


class HealthCheckResponse(msgspec.Struct, frozen=True):
    """How that service is."""

    status: ServingStatus = ServingStatus.UNKNOWN


class HealthListRequest(msgspec.Struct, frozen=True):
    """Asks after all services at once."""


class HealthListResponse(msgspec.Struct, frozen=True):
    """How all services are that the server knows."""

    statuses: dict[str, ServingStatus] = msgspec.field(default_factory=dict)
    """By full name; the server as a whole is under the empty one. In the IDL each is a `HealthCheckResponse`."""


def status_of(number: int) -> ServingStatus:
    """The member for a number off the wire."""
    return ServingStatus(number) if 0 <= number < len(ServingStatus) else ServingStatus.UNKNOWN


def text_bytes(text: str, field: str) -> bytes:
    """A text as UTF-8. Raises CodecError, which names the field."""
    try:
        return text.encode()
    except (AttributeError, UnicodeEncodeError):
        raise CodecError(f"{field} must be a str that UTF-8 can encode", field=field) from None


def encode_request(message: HealthCheckRequest, writer: BytesWriter) -> None:
    """Appends a request in the native layout. Raises CodecError."""
    text = text_bytes(message.service, "HealthCheckRequest.service")
    write_i64_le(writer, len(text))
    writer.write(text)


def decode_request(data: bytes, start: int, end: int) -> HealthCheckRequest:
    """The request in ``data[start:end]``, native layout. Raises CodecError."""
    size = end - start - _HEAD_BYTES
    if size < 0 or read_i64_le(data, start) != size:
        raise _malformed("HealthCheckRequest.service", f"a length and as many bytes, not {end - start} bytes")
    try:
        return HealthCheckRequest(data[start + _HEAD_BYTES : end].decode())
    except UnicodeDecodeError as error:
        raise _malformed("HealthCheckRequest.service", f"UTF-8, which it is not: {error.reason}") from None


def encode_response(message: HealthCheckResponse, writer: BytesWriter) -> None:
    """Appends a response in the native layout."""
    write_i32_le(writer, int(message.status))


def decode_response(data: bytes, start: int, end: int) -> HealthCheckResponse:
    """The response in ``data[start:end]``, native layout. Raises CodecError."""
    if end - start != _STATUS_BYTES:
        raise _malformed("HealthCheckResponse.status", f"{_STATUS_BYTES} bytes, not {end - start}")
    return HealthCheckResponse(status_of(read_i32_le(data, start)))


def encode_list_request(message: HealthListRequest, writer: BytesWriter) -> None:
    """Appends a request for all services in the native layout, which is nothing."""


def decode_list_request(data: bytes, start: int, end: int) -> HealthListRequest:
    """The request in ``data[start:end]``, native layout. Raises CodecError."""
    if start != end:
        raise _malformed("HealthListRequest", f"0 bytes, not {end - start}")
    return HealthListRequest()


def encode_list_response(message: HealthListResponse, writer: BytesWriter) -> None:
    """Appends all statuses in the native layout. Raises CodecError."""
    write_i64_le(writer, len(message.statuses))
    for name, status in message.statuses.items():
        text = text_bytes(name, _STATUSES)
        write_i64_le(writer, len(text))
        writer.write(text)
        write_i32_le(writer, int(status))


def decode_list_response(data: bytes, start: int, end: int) -> HealthListResponse:
    """All statuses in ``data[start:end]``, native layout. Raises CodecError."""
    pos = start + _HEAD_BYTES
    if pos > end or not 0 <= read_i64_le(data, start) <= (end - pos) // _ENTRY_BYTES:
        raise _malformed(_STATUSES, f"a count and as many entries, which do not fit into {end - start} bytes")
    statuses: dict[str, ServingStatus] = {}
    for _ in range(read_i64_le(data, start)):
        begin = pos + _HEAD_BYTES
        room = end - begin - _STATUS_BYTES
        if room < 0 or not 0 <= read_i64_le(data, pos) <= room:
            raise _malformed(_STATUSES, "a name that ends before the input", pos - start)
        pos = begin + read_i64_le(data, pos)
        try:
            name = data[begin:pos].decode()
        except UnicodeDecodeError as error:
            offset = begin - start + error.start
            raise _malformed(_STATUSES, f"UTF-8, which it is not: {error.reason}", offset) from None
        statuses[name] = status_of(read_i32_le(data, pos))
        pos += _STATUS_BYTES
    if pos != end:
        raise _malformed(_STATUSES, f"{pos - start} bytes, not {end - start}", pos - start)
    return HealthListResponse(statuses)


def _malformed(field: str, expected: str, offset: int = 0) -> CodecError:
    return CodecError(f"{field} takes {expected}", field=field, offset=offset)
