"""Values of ``-bin`` keys: Base64, padded or not, several of them joined by commas.

"Binary-Header" in https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md.
"""

from __future__ import annotations

from binascii import Error, a2b_base64, b2a_base64

__all__ = ["decode_binary", "encode_binary"]


def decode_binary(value: bytes) -> list[bytes] | None:
    """The byte strings of a value; None if one of them is no Base64."""
    try:
        return [_decoded(part.strip(b" \t")) for part in value.split(b",")]
    except Error:
        return None


def _decoded(part: bytes) -> bytes:
    return a2b_base64(part + b"==="[: -len(part) % 4], strict_mode=True) if part else b""


def encode_binary(value: bytes) -> bytes:
    """A byte string in Base64 without padding."""
    return b2a_base64(value, newline=False).rstrip(b"=")
