"""How a gRPC call's end is read and written: statuses, their details, trailers, and the metadata around them.

Details travel as ``google.rpc.Status`` in the trailer ``grpc-status-details-bin``; its fields are those of
https://github.com/googleapis/googleapis/blob/master/google/rpc/status.proto.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory
from grpc import aio

from eventflux_runtime.grpcio.drain import NOTICE_KEY, notice_s_of
from eventflux_runtime.grpcio.option import MAX_METADATA_BYTES
from eventflux_runtime.grpcio.packed import ACCEPT_KEY
from eventflux_runtime.rpc.metadata import EMPTY_METADATA, RETRY_KEYS, Metadata, MetadataValue
from eventflux_runtime.rpc.rpc_error import RpcError
from eventflux_runtime.rpc.status import ErrorDetail, Status, StatusCode
from eventflux_runtime.rpc.status_part import encoded_bytes, fitted

__all__ = [
    "error_of",
    "fitted_ending",
    "grpc_code",
    "is_connection_failure",
    "metadata_of",
    "says_too_many_pings",
    "status_of",
    "trailing_pairs",
]

_DETAILS_KEY: Final = "grpc-status-details-bin"
_ANYBODY_BYTES: Final = 8 * 1024
"""The headers that gRPC clients take of a response unless they are told otherwise."""
_OWN_BYTES: Final = 512
"""Room for the headers that grpcio adds, and for what our server tells a client of ours."""
_ENTRY_BYTES: Final = 32
"""What HTTP/2 counts for each header beside its name and value."""
_COPIED_CHARACTERS: Final = 256
"""The longest text that stands in the details too."""
_SEEN_KEYS: Final = RETRY_KEYS | {"grpc-trace-bin"}
"""Keys of gRPC's own that are the application's too."""
_NOT_OURS: Final = ("grpc-", ":")
_HTTP2_KEYS: Final = frozenset({"user-agent", "te", "content-type", "accept-encoding", ACCEPT_KEY, NOTICE_KEY})

_CODES: Final = {code: StatusCode(code.value[0]) for code in grpc.StatusCode}
_GRPC_CODES: Final = {ours: theirs for theirs, ours in _CODES.items()}

_LOCAL: Final = "Stream removed ("
"""How grpcio's core begins its own account of a call that ended without a status from the server."""
_RESET: Final = "RST_STREAM (Received RST_STREAM with error code "
_REFUSED_STREAM: Final = f"{_LOCAL}{_RESET}7)"
_CANCEL: Final = f"{_LOCAL}{_RESET}8)"
_BARE_CANCEL: Final = "CANCELLED"
_NEVER_RAN: Final = (
    # No connection: the request stayed here.
    "failed to connect to all addresses",
    "errors resolving",
    "DNS resolution failed",
    "empty address list",
    # REFUSED_STREAM, or a GOAWAY whose last stream is below this call's: the server says so (RFC 9113, 6.8 and 8.7).
    _REFUSED_STREAM,
    f"{_LOCAL}GOAWAY received",
)
_NOT_SERVED: Final = (
    # What servers answer that do not know the method: grpcio's core, Go, Java, JavaScript, .NET.
    "Method not found!",
    "unknown service ",
    "unknown method ",
    "Method not found: ",
    "The server does not implement the method ",
    "Service is unimplemented.",
    "Method is unimplemented.",
)


def grpc_code(code: StatusCode) -> grpc.StatusCode:
    """The member that stands for a code in grpcio."""
    return _GRPC_CODES[code]


def metadata_of(raw: Iterable[tuple[str, Any]] | None) -> Metadata:
    """The application's part of what came off the wire; what belongs to gRPC or HTTP/2 is left out."""
    pairs: list[tuple[str, MetadataValue]] = []
    for key, value in raw or ():
        if key not in _HTTP2_KEYS and (not key.startswith(_NOT_OURS) or key in _SEEN_KEYS):
            pairs.append((key, _value(key, value)))
    return Metadata.from_trusted(tuple(pairs)) if pairs else EMPTY_METADATA


def _value(key: str, value: MetadataValue) -> MetadataValue:
    # grpcio leaves text that is not UTF-8 as bytes; under an ordinary key our callers were promised text.
    if isinstance(value, bytes) and not key.endswith("-bin"):
        return value.decode("latin-1")
    return value


def status_of(code: grpc.StatusCode, text: str | None, trailers: Iterable[tuple[str, Any]] | None) -> Status:
    """The status that a call ended with."""
    details: tuple[ErrorDetail, ...] = ()
    for key, value in trailers or ():
        if key == _DETAILS_KEY and isinstance(value, bytes):
            details = _decoded_details(value)
    return Status(_CODES.get(code, StatusCode.UNKNOWN), text or "", details, metadata_of(trailers))


def error_of(error: aio.AioRpcError) -> RpcError:
    """Our exception for grpcio's, marked where the call provably never reached a handler.

    grpcio's own account of a failure is put in other words, so that whoever passes the error on to a client of his own
    does not seem to speak of that client's call.
    """
    code, text = error.code(), error.details() or ""
    is_unprocessed = code is grpc.StatusCode.UNAVAILABLE and (
        text.startswith(_NEVER_RAN) or notice_s_of(error.trailing_metadata()) is not None
    )
    if code is grpc.StatusCode.CANCELLED and (text == _BARE_CANCEL or text.startswith(_CANCEL)):
        # Nobody cancelled here: a server that shuts down resets so, without a status, what reaches it too late.
        code, text = grpc.StatusCode.UNAVAILABLE, "the server broke off the call without a status; is it shutting down?"
    elif is_unprocessed:
        text = f"the call never ran: {text}"
    elif text.startswith(_LOCAL):
        text = f"the call was lost: {text.removeprefix(_LOCAL).removesuffix(')')}"
    is_unprocessed |= code is grpc.StatusCode.UNIMPLEMENTED and text.startswith(_NOT_SERVED)
    return RpcError.from_status(status_of(code, text, error.trailing_metadata()), unprocessed=is_unprocessed)


def is_connection_failure(error: aio.AioRpcError) -> bool:
    """Whether a call failed because its connection did, rather than by the word of the server."""
    text = error.details() or ""
    if error.code() is not grpc.StatusCode.UNAVAILABLE:
        return False
    return text.startswith(_LOCAL) and not text.startswith(f"{_LOCAL}{_RESET}")


def says_too_many_pings(error: aio.AioRpcError) -> bool:
    """Whether a server closed the connection because of our keepalive (gRPC's proposal A8)."""
    text = f"{error.details()} {error.debug_error_string()}".lower()
    return "too_many_pings" in text or "too many pings" in text


def fitted_ending(status: Status, is_to_ours: bool) -> Status:
    """The status as far as its client takes it: grpcio's core fails a call whose headers are longer."""
    limit = (MAX_METADATA_BYTES if is_to_ours else _ANYBODY_BYTES) - _OWN_BYTES
    # Few are near to a limit, so the exact count is for those alone.
    if not status.details and not status.trailers and len(status.message) * 12 <= limit:
        return status
    return fitted(status, _header_bytes, limit)


def _header_bytes(status: Status) -> int:
    """What a status takes of a list of headers, as HTTP/2 counts it (RFC 9113, 6.5.2)."""
    size = encoded_bytes(status.message)
    for key, value in trailing_pairs(status):
        size += _ENTRY_BYTES + len(key) + (len(value) * 4 // 3 + 4 if isinstance(value, bytes) else len(value))
    return size


def trailing_pairs(status: Status) -> tuple[tuple[str, MetadataValue], ...]:
    """The trailing metadata that carries a status' trailers and details."""
    if not status.details:
        return status.trailers.pairs
    return (*status.trailers.pairs, (_DETAILS_KEY, _encoded_details(status)))


def _encoded_details(status: Status) -> bytes:
    packed = [{"type_url": detail.type_url, "value": detail.value} for detail in status.details]
    # The text stands in a header of its own; a copy of a long one would leave no room for the details.
    text = status.message if len(status.message) <= _COPIED_CHARACTERS else ""
    made = _RPC_STATUS(code=int(status.code), message=text, details=packed)
    encoded: bytes = made.SerializeToString()
    return encoded


def _decoded_details(data: bytes) -> tuple[ErrorDetail, ...]:
    decoded: Any = _RPC_STATUS()
    try:
        decoded.ParseFromString(data)
    except message.DecodeError:
        return ()  # the code and the text still stand; details that nobody can read are no reason to lose them
    return tuple(ErrorDetail(detail.type_url, detail.value) for detail in decoded.details)


def _rpc_status_class() -> Any:
    """``google.rpc.Status`` in a pool of its own, so that it neither needs nor clashes with googleapis' package.

    Its details are declared in place with the two fields of ``google.protobuf.Any``, which encode alike.
    """
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="google/rpc/status.proto", package="google.rpc", syntax="proto3")
    status = file.message_type.add(name="Status")
    status.field.add(name="code", number=1, type=field.TYPE_INT32, label=field.LABEL_OPTIONAL)
    status.field.add(name="message", number=2, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    status.field.add(
        name="details",
        number=3,
        type=field.TYPE_MESSAGE,
        label=field.LABEL_REPEATED,
        type_name=".google.rpc.Status.Any",
    )
    detail = status.nested_type.add(name="Any")
    detail.field.add(name="type_url", number=1, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    detail.field.add(name="value", number=2, type=field.TYPE_BYTES, label=field.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("google.rpc.Status"))


_RPC_STATUS: Final = _rpc_status_class()
