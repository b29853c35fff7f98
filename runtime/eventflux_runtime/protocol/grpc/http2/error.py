"""HTTP/2's error codes, what they mean to gRPC, and the errors that a peer's bytes raise.

The codes are those of RFC 9113, section 7; what they mean to gRPC is "Errors" in
https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md.
"""

from __future__ import annotations

from typing import Any, Final

from eventflux_runtime.protocol.core.error import RemoteProtocolError
from eventflux_runtime.rpc.status import StatusCode

__all__ = ["HpackError", "Http2Error", "error_code_of", "error_name", "status_code_of"]

NO_ERROR: Final = 0x0
PROTOCOL_ERROR: Final = 0x1
INTERNAL_ERROR: Final = 0x2
FLOW_CONTROL_ERROR: Final = 0x3
SETTINGS_TIMEOUT: Final = 0x4
STREAM_CLOSED: Final = 0x5
FRAME_SIZE_ERROR: Final = 0x6
REFUSED_STREAM: Final = 0x7
CANCEL: Final = 0x8
COMPRESSION_ERROR: Final = 0x9
CONNECT_ERROR: Final = 0xA
ENHANCE_YOUR_CALM: Final = 0xB
INADEQUATE_SECURITY: Final = 0xC
HTTP_1_1_REQUIRED: Final = 0xD

NAMES: Final = (
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
)
STATUS_CODES: Final[dict[int, StatusCode]] = {
    REFUSED_STREAM: StatusCode.UNAVAILABLE,
    CANCEL: StatusCode.CANCELLED,
    ENHANCE_YOUR_CALM: StatusCode.RESOURCE_EXHAUSTED,
    INADEQUATE_SECURITY: StatusCode.PERMISSION_DENIED,
}
"""The error codes of a reset that do not mean INTERNAL."""
ERROR_CODES: Final[dict[StatusCode, int]] = {
    StatusCode.OK: NO_ERROR,
    StatusCode.CANCELLED: CANCEL,
    StatusCode.DEADLINE_EXCEEDED: CANCEL,
    StatusCode.RESOURCE_EXHAUSTED: ENHANCE_YOUR_CALM,
    StatusCode.PERMISSION_DENIED: INADEQUATE_SECURITY,
}
"""The statuses for which a reset has a word; all others are INTERNAL_ERROR."""


class Http2Error(RemoteProtocolError):
    """The peer broke HTTP/2; the connection is lost with it.

    Attributes:
        error_code: the HTTP/2 error code of the GOAWAY that tells the peer.
    """

    def __init__(self, message: str, error_code: int = PROTOCOL_ERROR) -> None:
        super().__init__(message, status_code_of(error_code))
        self.error_code: int = error_code

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.error_code)


class HpackError(Http2Error):
    """A header block cannot be decoded, so that the tables of both sides differ from now on (RFC 9113, 4.3)."""

    def __init__(self, message: str) -> None:
        super().__init__(message, COMPRESSION_ERROR)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self),)


def error_name(error_code: int) -> str:
    """The name of an error code, or the number where it has none."""
    return NAMES[error_code] if 0 <= error_code < len(NAMES) else f"error code {error_code}"


def status_code_of(error_code: int) -> StatusCode:
    """The status of a call that was reset with an error code; INTERNAL for codes nobody knows."""
    return STATUS_CODES.get(error_code, StatusCode.INTERNAL)


def error_code_of(code: StatusCode, *, is_unprocessed: bool = False) -> int:
    """The error code of a reset in place of a status.

    PROTOCOL-HTTP2.md maps the other way only, and this is its reverse. REFUSED_STREAM promises that no handler has seen
    the call (RFC 9113, 8.7), so it does not follow from UNAVAILABLE, but from `is_unprocessed`.
    """
    return REFUSED_STREAM if is_unprocessed else ERROR_CODES.get(code, INTERNAL_ERROR)
