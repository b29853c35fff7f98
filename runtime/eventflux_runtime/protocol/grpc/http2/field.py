"""One header field, and what its name means to gRPC."""

from __future__ import annotations

from typing import Final, final

from eventflux_runtime.loading.compiled import mypyc_attr
from eventflux_runtime.protocol.grpc.http2.static_table import ENTRY_BYTES

__all__ = ["Field"]

CUSTOM: Final = 0
"""The application's metadata."""
CUSTOM_BINARY: Final = 1
METHOD: Final = 2
SCHEME: Final = 3
PATH: Final = 4
AUTHORITY: Final = 5
STATUS: Final = 6
LAST_PSEUDO: Final = STATUS
"""Kinds from METHOD to this one are pseudo-header fields."""
CONTENT_TYPE: Final = 7
TIMEOUT: Final = 8
ENCODING: Final = 9
ACCEPT_ENCODING: Final = 10
GRPC_STATUS: Final = 11
GRPC_MESSAGE: Final = 12
GRPC_DETAILS: Final = 13
TE: Final = 14
HOST: Final = 15
CONTENT_LENGTH: Final = 16
UNSEEN: Final = 17
"""Belongs to HTTP, gRPC or the engine, and nobody here reads it."""
FIRST_WRONG: Final = 18
"""Kinds from here on make a message malformed (RFC 9113, 8.1.1)."""
CONNECTION_SPECIFIC: Final = 18
UNKNOWN_PSEUDO: Final = 19
BAD_NAME: Final = 20
BAD_VALUE: Final = 21

KINDS: Final[dict[bytes, int]] = {
    b":method": METHOD,
    b":scheme": SCHEME,
    b":path": PATH,
    b":authority": AUTHORITY,
    b":status": STATUS,
    b"content-type": CONTENT_TYPE,
    b"grpc-timeout": TIMEOUT,
    b"grpc-encoding": ENCODING,
    b"grpc-accept-encoding": ACCEPT_ENCODING,
    b"grpc-status": GRPC_STATUS,
    b"grpc-message": GRPC_MESSAGE,
    b"grpc-status-details-bin": GRPC_DETAILS,
    b"te": TE,
    b"host": HOST,
    b"user-agent": UNSEEN,
    b"accept-encoding": UNSEEN,
    b"content-length": CONTENT_LENGTH,
    # gRPC's own that are the application's too: its proposal A6, and the tracing of census.
    b"grpc-retry-pushback-ms": CUSTOM,
    b"grpc-previous-rpc-attempts": CUSTOM,
    b"grpc-trace-bin": CUSTOM_BINARY,
    b"connection": CONNECTION_SPECIFIC,
    b"keep-alive": CONNECTION_SPECIFIC,
    b"proxy-connection": CONNECTION_SPECIFIC,
    b"transfer-encoding": CONNECTION_SPECIFIC,
    b"upgrade": CONNECTION_SPECIFIC,
}
KEY_CHARACTERS: Final = b"0123456789abcdefghijklmnopqrstuvwxyz_.-"
"""A key of gRPC's metadata, "Header-Name" in PROTOCOL-HTTP2.md."""
NAME_CHARACTERS: Final = KEY_CHARACTERS + b"!#$%&'*+^`|~"
"""A field name of HTTP/2: RFC 9110's token without upper case (RFC 9113, 8.2.1)."""
NUL: Final = 0x00
LINE_FEED: Final = 0x0A
CARRIAGE_RETURN: Final = 0x0D


@mypyc_attr(acyclic=True)
@final
class Field:
    """A header field. Not to be changed: tables and blocks share it.

    Attributes:
        name: as it came.
        value: as it came.
        kind: what it is to gRPC, or why it is malformed; one of the numbers above.
        size: the bytes that it counts in a table and in a header list.
    """

    __slots__ = ("kind", "name", "size", "value")

    def __init__(self, name: bytes, value: bytes) -> None:
        self.name: Final = name
        self.value: Final = value
        self.kind: Final = _kind(name, value)
        self.size: Final = len(name) + len(value) + ENTRY_BYTES

    def __repr__(self) -> str:
        return f"Field({self.name!r}, {self.value!r})"


def _kind(name: bytes, value: bytes) -> int:
    if NUL in value or CARRIAGE_RETURN in value or LINE_FEED in value:  # RFC 9113, 8.2.1
        return BAD_VALUE
    kind = KINDS.get(name, -1)
    return kind if kind >= 0 else _custom_kind(name)


def _custom_kind(name: bytes) -> int:
    if not name or name.translate(None, KEY_CHARACTERS):
        return _odd_kind(name)
    if name.startswith(b"grpc-"):
        return UNSEEN
    return CUSTOM_BINARY if name.endswith(b"-bin") else CUSTOM


def _odd_kind(name: bytes) -> int:
    """The kind of a name that is no key of gRPC's metadata."""
    if name.startswith(b":"):
        return UNKNOWN_PSEUDO
    return BAD_NAME if not name or name.translate(None, NAME_CHARACTERS) else UNSEEN
