"""What an HTTP status means where gRPC's own is missing.

https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from eventflux_runtime.rpc.status import Status, StatusCode

__all__ = ["http_failure"]

STATUS_CODES: Final[dict[int, StatusCode]] = {
    400: StatusCode.INTERNAL,
    401: StatusCode.UNAUTHENTICATED,
    403: StatusCode.PERMISSION_DENIED,
    404: StatusCode.UNIMPLEMENTED,
    429: StatusCode.UNAVAILABLE,
    431: StatusCode.INTERNAL,
    502: StatusCode.UNAVAILABLE,
    503: StatusCode.UNAVAILABLE,
    504: StatusCode.UNAVAILABLE,
}
"""All others mean UNKNOWN."""
PHRASES: Final[dict[int, str]] = {int(status): status.phrase for status in HTTPStatus}
_SHOWN_BYTES: Final = 64


def http_failure(http_status: int, content_type: bytes) -> Status:
    """The status of a call whose response is not gRPC."""
    phrase = PHRASES.get(http_status, "")
    named = f"HTTP {http_status} {phrase}".rstrip()
    came = repr(content_type[:_SHOWN_BYTES].decode("latin-1")) if content_type else "none"
    text = f"the response is not gRPC: {named}, content-type {came}; is there a proxy, or another server?"
    return Status(STATUS_CODES.get(http_status, StatusCode.UNKNOWN), text)
