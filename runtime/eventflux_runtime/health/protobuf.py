"""The protobuf encoding of the health messages; what they have no field for is left out."""

from __future__ import annotations

from typing import Final

from librt.strings import BytesWriter

from eventflux_runtime.health.message import (
    HealthCheckRequest,
    HealthCheckResponse,
    HealthListRequest,
    HealthListResponse,
    ServingStatus,
    status_of,
    text_bytes,
)
from eventflux_runtime.message.protobuf_refusal import bad_record
from eventflux_runtime.message.scalar import signed32
from eventflux_runtime.message.unknown import keep, keep_any, skip_value
from eventflux_runtime.message.varint import block_size, long_size, long_tag, long_varint, write_block, write_varint
from eventflux_runtime.rpc.errors import CodecError

__all__ = [
    "decode_list_request_protobuf",
    "decode_list_response_protobuf",
    "decode_request_protobuf",
    "decode_response_protobuf",
    "encode_list_request_protobuf",
    "encode_list_response_protobuf",
    "encode_request_protobuf",
    "encode_response_protobuf",
]

_SERVICE: Final = 0x0A
"""The tag of ``HealthCheckRequest.service``: field 1, with a length."""
_STATUS: Final = 0x08
"""The tag of ``HealthCheckResponse.status``: field 1, a varint."""
_ENTRY: Final = 0x0A
"""The tag of ``HealthListResponse.statuses``: field 1, with a length."""
_KEY: Final = 0x0A
_VALUE: Final = 0x12
"""The tags within an entry: fields 1 and 2, each with a length."""
_STATUSES: Final = "HealthListResponse.statuses"


def encode_request_protobuf(message: HealthCheckRequest, writer: BytesWriter) -> None:
    """Appends a request. Raises CodecError."""
    text = text_bytes(message.service, "HealthCheckRequest.service")
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


def encode_list_request_protobuf(message: HealthListRequest, writer: BytesWriter) -> None:
    """Appends a request for all services, which is nothing."""


def decode_list_request_protobuf(data: bytes, start: int, end: int) -> HealthListRequest:
    """The request in ``data[start:end]``. Raises CodecError."""
    data, pos, record = data[start:end], 0, 0
    try:
        while pos < len(data):
            record = pos
            tag, pos = long_tag(data, pos)
            pos = skip_value(data, pos, len(data), tag, 0)
            keep_any(None, data, record, pos)
        _require_end(data, pos)
    except (IndexError, ValueError) as error:
        raise bad_record("HealthListRequest", record, pos, len(data), error) from None
    return HealthListRequest()


def encode_list_response_protobuf(message: HealthListResponse, writer: BytesWriter) -> None:
    """Appends all statuses. Raises CodecError."""
    for name, status in message.statuses.items():
        text = text_bytes(name, _STATUSES)
        part = BytesWriter()
        encode_response_protobuf(HealthCheckResponse(status), part)
        value = part.getvalue()
        writer.append(_ENTRY)
        write_varint(writer, block_size(text) + block_size(value) + 2)
        writer.append(_KEY)
        write_block(writer, text)
        writer.append(_VALUE)
        write_block(writer, value)


def decode_list_response_protobuf(data: bytes, start: int, end: int) -> HealthListResponse:
    """All statuses in ``data[start:end]``. Raises CodecError."""
    data, pos, record = data[start:end], 0, 0
    statuses: dict[str, ServingStatus] = {}
    try:
        while pos < len(data):
            record = pos
            tag, pos = long_tag(data, pos)
            if tag == _ENTRY:
                size, begin = long_size(data, pos)
                pos = begin + size
                if pos <= len(data):
                    _enter(statuses, data[begin:pos])
            else:
                pos = _skipped(data, record, pos, tag)
        _require_end(data, pos)
    except CodecError as error:
        raise CodecError(
            f"{_STATUSES}: in the entry at byte {record}, {error}", field=_STATUSES, offset=record
        ) from None
    except (IndexError, ValueError) as wrong:
        raise bad_record(_STATUSES, record, pos, len(data), wrong) from None
    return HealthListResponse(statuses)


def _enter(statuses: dict[str, ServingStatus], entry: bytes) -> None:
    """Takes an entry of the map. One with more than key and value is none to protobuf, and is left out here too."""
    pos, record, name, value, is_plain = 0, 0, "", b"", True
    try:
        while pos < len(entry):
            record = pos
            tag, pos = long_tag(entry, pos)
            if tag in (_KEY, _VALUE):
                size, begin = long_size(entry, pos)
                pos = begin + size
                if tag == _KEY and pos <= len(entry):
                    name = entry[begin:pos].decode()
                elif tag == _VALUE:
                    decode_response_protobuf(entry, begin, pos)  # each part is to be whole records
                    value += entry[begin:pos]
            else:
                pos, is_plain = _skipped(entry, record, pos, tag), False
        _require_end(entry, pos)
    except (IndexError, ValueError) as error:
        raise bad_record(_STATUSES, record, pos, len(entry), error) from None
    if is_plain:
        statuses[name] = decode_response_protobuf(value, 0, len(value)).status


def _skipped(data: bytes, record: int, pos: int, tag: int) -> int:
    end = skip_value(data, pos, len(data), tag, 0)
    keep(None, data, record, end, tag)
    return end


def _require_end(data: bytes, pos: int) -> None:
    if pos != len(data):
        raise IndexError
