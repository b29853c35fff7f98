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
    "ServingStatus",
    "decode_request",
    "decode_response",
    "encode_request",
    "encode_response",
    "status_of",
]

_HEAD_BYTES: Final = 8
_STATUS_BYTES: Final = 4


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


def status_of(number: int) -> ServingStatus:
    """The member for a number off the wire."""
    return ServingStatus(number) if 0 <= number < len(ServingStatus) else ServingStatus.UNKNOWN


def encode_request(message: HealthCheckRequest, writer: BytesWriter) -> None:
    """Appends a request in the native layout. Raises CodecError."""
    try:
        text = message.service.encode()
    except (AttributeError, UnicodeEncodeError):
        raise CodecError(
            "HealthCheckRequest.service must be a str that UTF-8 can encode", field="HealthCheckRequest.service"
        ) from None
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


def _malformed(field: str, expected: str) -> CodecError:
    return CodecError(f"{field} takes {expected}", field=field, offset=0)
