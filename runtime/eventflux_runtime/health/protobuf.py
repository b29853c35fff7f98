"""The protobuf encoding of the health messages; what they have no field for is left out."""

from __future__ import annotations

from typing import Final

from librt.strings import BytesWriter

from eventflux_runtime.health.message import HealthCheckRequest, HealthCheckResponse, status_of
from eventflux_runtime.message.protobuf_refusal import bad_record
from eventflux_runtime.message.scalar import signed32
from eventflux_runtime.message.unknown import keep, skip_value
from eventflux_runtime.message.varint import long_size, long_tag, long_varint, write_block, write_varint
from eventflux_runtime.rpc.errors import CodecError

__all__ = [
    "decode_request_protobuf",
    "decode_response_protobuf",
    "encode_request_protobuf",
    "encode_response_protobuf",
]

_SERVICE: Final = 0x0A
"""The tag of ``HealthCheckRequest.service``: field 1, with a length."""
_STATUS: Final = 0x08
"""The tag of ``HealthCheckResponse.status``: field 1, a varint."""


def encode_request_protobuf(message: HealthCheckRequest, writer: BytesWriter) -> None:
    """Appends a request. Raises CodecError."""
    try:
        text = message.service.encode()
    except (AttributeError, UnicodeEncodeError):
        raise CodecError(
            "HealthCheckRequest.service must be a str that UTF-8 can encode", field="HealthCheckRequest.service"
        ) from None
    if text:
        writer.append(_SERVICE)
        write_block(writer, text)


def decode_request_protobuf(data: bytes, start: int, end: int) -> HealthCheckRequest:
    """The request in ``data[start:end]``. Raises CodecError."""
    data, pos, record, service = data[start:end], 0, 0, ""
    try:
        while pos < len(data):
            record = pos
            tag, pos = long_tag(data, pos)
            if tag == _SERVICE:
                size, begin = long_size(data, pos)
                pos = begin + size
                if pos <= len(data):
                    service = data[begin:pos].decode()
            else:
                pos = _skipped(data, record, pos, tag)
        _require_end(data, pos)
    except (IndexError, ValueError) as error:
        raise bad_record("HealthCheckRequest.service", record, pos, len(data), error) from None
    return HealthCheckRequest(service)


def encode_response_protobuf(message: HealthCheckResponse, writer: BytesWriter) -> None:
    """Appends a response."""
    status = int(message.status)
    if status:
        writer.append(_STATUS)
        write_varint(writer, status)


def decode_response_protobuf(data: bytes, start: int, end: int) -> HealthCheckResponse:
    """The response in ``data[start:end]``. Raises CodecError."""
    data, pos, record, status = data[start:end], 0, 0, 0
    try:
        while pos < len(data):
            record = pos
            tag, pos = long_tag(data, pos)
            if tag == _STATUS:
                number, pos = long_varint(data, pos)
                status = signed32(number)
            else:
                pos = _skipped(data, record, pos, tag)
        _require_end(data, pos)
    except (IndexError, ValueError) as error:
        raise bad_record("HealthCheckResponse.status", record, pos, len(data), error) from None
    return HealthCheckResponse(status_of(status))


def _skipped(data: bytes, record: int, pos: int, tag: int) -> int:
    end = skip_value(data, pos, len(data), tag, 0)
    keep(None, data, record, end, tag)
    return end


def _require_end(data: bytes, pos: int) -> None:
    if pos != len(data):
        raise IndexError
