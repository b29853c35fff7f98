"""From the fields of a response's header blocks to its head and its status ("Responses" in PROTOCOL-HTTP2.md)."""

from __future__ import annotations

from typing import Final

from eventflux_runtime.protocol.grpc.http2.content_type import is_grpc
from eventflux_runtime.protocol.grpc.http2.encoding_name import accepted_of, encoding_id_of
from eventflux_runtime.protocol.grpc.http2.field import (
    ACCEPT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    ENCODING,
    GRPC_DETAILS,
    GRPC_MESSAGE,
    GRPC_STATUS,
    STATUS,
    Field,
)
from eventflux_runtime.protocol.grpc.http2.field_rule import NO_PSEUDO, RESPONSE_PSEUDO, malformation
from eventflux_runtime.protocol.grpc.http2.head import ResponseHead, Trailers
from eventflux_runtime.protocol.grpc.http2.http_status import http_failure
from eventflux_runtime.protocol.grpc.http2.metadata_field import metadata_of
from eventflux_runtime.protocol.grpc.http2.percent import decode_percent
from eventflux_runtime.protocol.grpc.http2.status_details import decode_details
from eventflux_runtime.rpc.metadata import EMPTY_METADATA
from eventflux_runtime.rpc.status import OK_STATUS, ErrorDetail, Status, StatusCode

__all__ = ["response_head", "response_trailers"]

OK_TRAILERS: Final = Trailers()
_ZERO: Final = b"0"
_MAX_DIGITS: Final = 9
_SHOWN_BYTES: Final = 64


def response_head(fields: list[Field], excess_bytes: int) -> ResponseHead:
    """The head that fields make.

    Args:
        fields: a whole block's, or its beginning if it is over the limit.
        excess_bytes: by how much it is.
    """
    head = ResponseHead()
    if excess_bytes > 0:
        head.failure = _too_large(excess_bytes)
        return head
    head.error = malformation(fields, RESPONSE_PSEUDO, RESPONSE_PSEUDO) or _bad_status(fields)
    if head.error:
        return head
    content_type = _read(head, fields)
    head.is_informational = head.http_status < 200
    head.metadata, _ = metadata_of(fields)
    if not head.is_informational and (head.http_status != 200 or not is_grpc(content_type)):
        head.failure = _status_of(fields) or http_failure(head.http_status, content_type)
    return head


def response_trailers(fields: list[Field], excess_bytes: int, *, is_whole_response: bool) -> Trailers:
    """The end of a call that fields make.

    Args:
        fields: a whole block's, or its beginning if it is over the limit.
        excess_bytes: by how much it is.
        is_whole_response: no head came before, so the HTTP status is in this block.
    """
    if excess_bytes > 0:
        return Trailers(_too_large(excess_bytes))
    if not is_whole_response:
        if len(fields) == 1 and fields[0].kind == GRPC_STATUS and fields[0].value == _ZERO:
            return OK_TRAILERS
        error = malformation(fields, NO_PSEUDO, NO_PSEUDO)
        return Trailers(OK_STATUS, error) if error else Trailers(_status_of(fields) or _no_status())
    head = response_head(fields, 0)
    if head.error:
        return Trailers(OK_STATUS, head.error)
    if head.is_informational:
        return Trailers(OK_STATUS, f"HTTP status {head.http_status} cannot end a response")
    return Trailers(_status_of(fields) or head.failure or _no_status(), "", head.accepted)


def _read(head: ResponseHead, fields: list[Field]) -> bytes:
    """Reads all but metadata into the head, and returns the content type."""
    content_type = b""
    for field in fields:
        kind = field.kind
        if kind == STATUS:
            head.http_status = int(field.value)
        elif kind == CONTENT_TYPE:
            content_type = field.value
        elif kind == ENCODING:
            head.encoding_id = encoding_id_of(field.value)
            head.encoding = field.value.decode("latin-1")
        elif kind == ACCEPT_ENCODING:
            accepted = accepted_of(field.value)
            head.accepted = accepted if head.accepted is None else head.accepted | accepted
        elif kind == CONTENT_LENGTH:
            head.length = int(field.value)
    return content_type


def _bad_status(fields: list[Field]) -> str:
    """Why the HTTP status is none; "" if it is one (RFC 9110, 15)."""
    for field in fields:
        value = field.value
        if field.kind == STATUS and not (len(value) == 3 and value.isdigit() and value >= b"100"):
            return f"HTTP status {_shown(value)} is not three digits"
    return ""


def _status_of(fields: list[Field]) -> Status | None:
    """The status that a server sent; None if it sent none."""
    number = b""
    message = b""
    details: tuple[ErrorDetail, ...] = ()
    for field in fields:
        kind = field.kind
        if kind == GRPC_STATUS:
            number = field.value
        elif kind == GRPC_MESSAGE:
            message = field.value
        elif kind == GRPC_DETAILS:
            details = decode_details(field.value)
    if not number:
        return None
    text = decode_percent(message)
    # The call has run: a value that cannot be read is no reason to lose its outcome.
    trailers, _ = metadata_of(fields)
    if not number.isdigit() or len(number) > _MAX_DIGITS:
        text = f"the server sent grpc-status {_shown(number)}, which is no number: {text}".removesuffix(": ")
        return Status(StatusCode.UNKNOWN, text, details, trailers)
    if number == _ZERO and not text and not details and trailers is EMPTY_METADATA:
        return OK_STATUS
    return Status(StatusCode.from_number(int(number)), text, details, trailers)


def _no_status() -> Status:
    return Status(StatusCode.UNKNOWN, "the server ended the call without a grpc-status")


def _too_large(excess_bytes: int) -> Status:
    text = f"the list of header fields in the response is {excess_bytes} bytes over our limit"
    return Status(StatusCode.RESOURCE_EXHAUSTED, text)


def _shown(value: bytes) -> str:
    return repr(value[:_SHOWN_BYTES].decode("latin-1"))
