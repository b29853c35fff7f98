"""How one method's messages travel on a connection: the functions that write and read them, and how they are packed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from librt.strings import BytesWriter

from eventflux_runtime.rpc.binding import AnyBinding
from eventflux_runtime.rpc.call_tally import CallTally
from eventflux_runtime.rpc.config import Compression
from eventflux_runtime.rpc.method import AnyMethod, MethodKind

__all__ = ["Decode", "Encode", "Encoding", "known_paths"]

Encode = Callable[[Any, BytesWriter], None]
Decode = Callable[[bytes, int, int], Any]


class Encoding:
    """The codec functions of one method as one side of a connection uses them. Each protocol adds what names it."""

    __slots__ = ("binding", "compression", "decode", "encode", "has_one_response", "is_unary", "method", "tally")

    def __init__(self, method: AnyMethod, encode: Encode, decode: Decode, binding: AnyBinding | None = None) -> None:
        self.method = method
        self.encode = encode
        self.decode = decode
        self.binding = binding
        """A server's: where its calls go."""
        self.has_one_response = not method.kind.streams_responses
        self.is_unary = method.kind is MethodKind.UNARY
        self.compression = Compression.NONE
        """A server's, for its responses; a client's calls bring their own."""
        self.tally = CallTally()
        """Where calls are counted; whoever has one for the method puts it in this one's place."""


def known_paths(methods: Sequence[str], limit: int = 8) -> str:
    """Some of a server's methods, for an error message."""
    if not methods:
        return "nothing"
    shown = ", ".join(methods[:limit])
    return shown if len(methods) <= limit else f"{shown} and {len(methods) - limit} more"
