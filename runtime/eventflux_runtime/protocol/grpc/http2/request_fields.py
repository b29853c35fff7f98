"""From the fields of a request's header block to its head ("Request-Headers" in gRPC's PROTOCOL-HTTP2.md)."""

from __future__ import annotations

from typing import Final

from eventflux_runtime.protocol.grpc.http2.content_type import is_grpc
from eventflux_runtime.protocol.grpc.http2.encoding_name import accepted_of, encoding_id_of
from eventflux_runtime.protocol.grpc.http2.field import (
    ACCEPT_ENCODING,
    AUTHORITY,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    ENCODING,
    HOST,
    METHOD,
    PATH,
    SCHEME,
    TIMEOUT,
    Field,
)
from eventflux_runtime.protocol.grpc.http2.field_rule import REQUEST_PSEUDO, malformation
from eventflux_runtime.protocol.grpc.http2.head import RequestHead
from eventflux_runtime.protocol.grpc.http2.metadata_field import metadata_of
from eventflux_runtime.protocol.grpc.http2.timeout import decode_timeout
from eventflux_runtime.rpc.status import Status, StatusCode

__all__ = ["request_head"]

REQUIRED: Final = 1 << METHOD | 1 << SCHEME | 1 << PATH
CONNECT_PSEUDO: Final = 1 << METHOD | 1 << AUTHORITY
METHOD_NOT_ALLOWED: Final = 405
UNSUPPORTED_MEDIA_TYPE: Final = 415

_POST: Final = b"POST"
_CONNECT: Final = b"CONNECT"
_SHOWN_BYTES: Final = 64


def request_head(fields: list[Field], excess_bytes: int) -> RequestHead:
    """The head that fields make.

    Args:
        fields: a whole block's, or its beginning if it is over the limit.
        excess_bytes: by how much it is.
    """
    head = RequestHead()
    if excess_bytes > 0:
        text = f"the list of header fields is {excess_bytes} bytes over this server's limit: send less metadata"
        head.refusal = Status(StatusCode.RESOURCE_EXHAUSTED, text)
        return head
    error = malformation(fields, REQUEST_PSEUDO, REQUIRED)
    if error:
        if _is_connect(fields):
            _refuse_method(head, _CONNECT)
        else:
            head.error = error
        return head
    method, content_type = _read(head, fields)
    if not head.path:
        head.error = "the pseudo-header field ':path' is empty"
    head.metadata, broken = metadata_of(fields)
    if broken:
        head.refusal = Status(StatusCode.INTERNAL, f"the value of metadata key {broken!r} is not Base64")
    if method != _POST:
        _refuse_method(head, method)
    elif not is_grpc(content_type):
        _refuse_content_type(head, content_type)
    return head


def _is_connect(fields: list[Field]) -> bool:
    """Whether a request is a CONNECT as it has to be, which is without scheme and path (RFC 9113, 8.5)."""
    method = [field.value for field in fields if field.kind == METHOD]
    return method == [_CONNECT] and not malformation(fields, CONNECT_PSEUDO, CONNECT_PSEUDO)


def _read(head: RequestHead, fields: list[Field]) -> tuple[bytes, bytes]:
    """Reads all but metadata into the head, and returns the method and the content type."""
    method = b""
    content_type = b""
    host = b""
    for field in fields:
        kind = field.kind
        if kind == PATH:
            head.path = field.value.decode("latin-1")
        elif kind == METHOD:
            method = field.value
        elif kind == AUTHORITY:
            head.authority = field.value.decode("latin-1")
        elif kind == CONTENT_TYPE:
            content_type = field.value
        elif kind == HOST:
            host = field.value
        elif kind == TIMEOUT:
            _read_timeout(head, field.value)
        elif kind == ENCODING:
            head.encoding_id = encoding_id_of(field.value)
            head.encoding = field.value.decode("latin-1")
        elif kind == ACCEPT_ENCODING:
            accepted = accepted_of(field.value)
            head.accepted = head.accepted | accepted if head.accepted else accepted
        elif kind == CONTENT_LENGTH:
            head.length = int(field.value)
    if not head.authority and host:
        head.authority = host.decode("latin-1")
    return method, content_type


def _read_timeout(head: RequestHead, value: bytes) -> None:
    timeout_us = decode_timeout(value)
    if timeout_us < 0:
        # A call without the limit that its client meant could run for ever.
        head.refusal = Status(StatusCode.INTERNAL, f"grpc-timeout {_shown(value)} is not up to 8 digits and a unit")
    head.timeout_us = timeout_us


def _refuse_method(head: RequestHead, method: bytes) -> None:
    head.http_status = METHOD_NOT_ALLOWED
    head.refusal = Status(StatusCode.INTERNAL, f"the HTTP method of a gRPC call is POST, not {_shown(method)}")


def _refuse_content_type(head: RequestHead, content_type: bytes) -> None:
    head.http_status = UNSUPPORTED_MEDIA_TYPE
    head.refusal = Status(
        StatusCode.INVALID_ARGUMENT,
        f"content-type {_shown(content_type)} is not supported: send application/grpc or application/grpc+proto",
    )


def _shown(value: bytes) -> str:
    return repr(value[:_SHOWN_BYTES].decode("latin-1"))
