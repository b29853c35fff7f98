"""How a call's end and the metadata around it are read and written in grpcio's terms.

Details travel as ``google.rpc.Status`` in the trailer ``grpc-status-details-bin``; its fields are those of
https://github.com/googleapis/googleapis/blob/master/google/rpc/status.proto.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import grpc
from google.protobuf import descriptor_pool, message, message_factory, text_format
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from eventflux_runtime.rpc.metadata import EMPTY_METADATA, RETRY_KEYS, Metadata, MetadataValue
from eventflux_runtime.rpc.status import ErrorDetail, Status, StatusCode
from eventflux_runtime.rpc.status_part import encoded_bytes, fitted

__all__ = ["GRPC_CODES", "fitted_ending", "metadata_of", "status_of", "trailing_pairs"]

_DETAILS_KEY: Final = "grpc-status-details-bin"
_MAX_BYTES: Final = 8 * 1024 - 512
"""The headers that any gRPC client takes of a response, less room for those that grpcio adds."""
_COPIED_CHARACTERS: Final = 256
"""The longest text that stands in the details too; it has a header of its own."""
_SEEN_KEYS: Final = RETRY_KEYS | {"grpc-trace-bin"}
"""Keys of gRPC's own that are the application's too."""
_HTTP2_KEYS: Final = {"user-agent", "te", "content-type", "accept-encoding"}
_CODES: Final = {code: StatusCode(code.value[0]) for code in grpc.StatusCode}
GRPC_CODES: Final = {ours: theirs for theirs, ours in _CODES.items()}
"""The members that stand for our codes in grpcio."""
_DEFINITION: Final = """
    name: "google/rpc/status.proto" package: "google.rpc" syntax: "proto3"
    message_type { name: "Status"
      field { name: "code" number: 1 type: TYPE_INT32 label: LABEL_OPTIONAL }
      field { name: "message" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL }
      field { name: "details" number: 3 type: TYPE_MESSAGE label: LABEL_REPEATED type_name: ".google.rpc.Status.Any" }
      nested_type { name: "Any"
        field { name: "type_url" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
        field { name: "value" number: 2 type: TYPE_BYTES label: LABEL_OPTIONAL }
      }
    }
"""
"""Details are declared in place with the two fields of ``google.protobuf.Any``, which encode alike."""
_POOL: Final = descriptor_pool.DescriptorPool()
"""A pool of its own, so that it neither needs nor clashes with googleapis' package."""
_POOL.Add(text_format.Parse(_DEFINITION, FileDescriptorProto()))
_RPC_STATUS: Final[Any] = message_factory.GetMessageClass(_POOL.FindMessageTypeByName("google.rpc.Status"))


def metadata_of(raw: Iterable[tuple[str, Any]] | None) -> Metadata:
    """The application's part of what came off the wire; what belongs to gRPC or HTTP/2 is left out."""
    pairs: list[tuple[str, MetadataValue]] = []
    for key, value in raw or ():
        if key in _SEEN_KEYS or not (key in _HTTP2_KEYS or key.startswith(("grpc-", ":"))):
            # grpcio leaves text that is not UTF-8 as bytes; under an ordinary key our callers were promised text.
            is_raw = isinstance(value, bytes) and not key.endswith("-bin")
            pairs.append((key, value.decode("latin-1") if is_raw else value))
    return Metadata.from_trusted(tuple(pairs)) if pairs else EMPTY_METADATA


def status_of(code: grpc.StatusCode, text: str | None, trailers: Iterable[tuple[str, Any]] | None) -> Status:
    """The status that a call ended with."""
    details: tuple[ErrorDetail, ...] = ()
    for key, value in trailers or ():
        if key == _DETAILS_KEY and isinstance(value, bytes):
            details = _decoded_details(value)
    return Status(_CODES.get(code, StatusCode.UNKNOWN), text or "", details, metadata_of(trailers))


def fitted_ending(status: Status) -> Status:
    """The status as far as any client takes it: grpcio's core fails a call of longer headers. A text alone fits."""
    return fitted(status, _header_bytes, _MAX_BYTES) if status.details or status.trailers else status


def _header_bytes(status: Status) -> int:
    """What a status takes of a list of headers, as HTTP/2 counts it: 32 more for each (RFC 9113, 6.5.2)."""
    size = encoded_bytes(status.message)
    for key, value in trailing_pairs(status):
        size += 32 + len(key) + (len(value) * 4 // 3 + 4 if isinstance(value, bytes) else len(value))
    return size


def trailing_pairs(status: Status) -> tuple[tuple[str, MetadataValue], ...]:
    """The trailing metadata that carries a status' trailers and details."""
    if not status.details:
        return status.trailers.pairs
    packed = [{"type_url": detail.type_url, "value": detail.value} for detail in status.details]
    text = status.message if len(status.message) <= _COPIED_CHARACTERS else ""
    encoded: bytes = _RPC_STATUS(code=int(status.code), message=text, details=packed).SerializeToString()
    return (*status.trailers.pairs, (_DETAILS_KEY, encoded))


def _decoded_details(data: bytes) -> tuple[ErrorDetail, ...]:
    decoded: Any = _RPC_STATUS()
    try:
        decoded.ParseFromString(data)
    except message.DecodeError:
        return ()  # the code and the text still stand; details that nobody can read are no reason to lose them
    return tuple(ErrorDetail(detail.type_url, detail.value) for detail in decoded.details)
