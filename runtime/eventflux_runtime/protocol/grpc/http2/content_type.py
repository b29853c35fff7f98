"""``content-type`` as gRPC has it ("Content-Type" in PROTOCOL-HTTP2.md)."""

from __future__ import annotations

from typing import Final

__all__ = ["GRPC", "is_grpc"]

GRPC: Final = b"application/grpc"
"""What we send; without a subtype, messages are protobuf."""
KNOWN: Final = frozenset({GRPC, b"application/grpc+proto"})


def is_grpc(value: bytes) -> bool:
    """Whether a content type is gRPC with protobuf's messages, whatever its parameters."""
    return value in KNOWN or value.split(b";")[0].strip(b" \t").lower() in KNOWN
