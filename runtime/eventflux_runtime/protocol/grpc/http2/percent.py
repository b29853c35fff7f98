"""``grpc-message``: UTF-8, percent-encoded ("Status-Message" in gRPC's PROTOCOL-HTTP2.md)."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote_to_bytes

__all__ = ["decode_percent", "encode_percent"]

PLAIN: Final = bytes(code for code in range(0x20, 0x7F) if code != ord("%"))
"""What may stand as it is."""
CODED: Final[list[bytes]] = [bytes([code]) if code in PLAIN else b"%%%02X" % code for code in range(256)]
CODED_SPACE: Final = b"%20"


def encode_percent(text: str) -> bytes:
    """A text as it is sent. Spaces at its ends are coded too, because HTTP/2 has none there (RFC 9113, 8.2.1)."""
    raw = text.encode("utf-8", "replace")
    if raw.translate(None, PLAIN):
        raw = b"".join([CODED[code] for code in raw])
    if raw.startswith(b" "):
        raw = CODED_SPACE + raw[1:]
    if raw.endswith(b" "):
        raw = raw[:-1] + CODED_SPACE
    return raw


def decode_percent(value: bytes) -> str:
    """The text that was sent; what is not percent-encoding stays as it is, and what is not UTF-8 is replaced."""
    raw = unquote_to_bytes(value) if b"%" in value else value
    return raw.decode("utf-8", "replace")
