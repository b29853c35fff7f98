"""How one method's messages travel on one connection: bincode or protobuf, and compressed or plain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from librt.strings import BytesWriter

from eventflux_runtime.rpc.config import Compression
from eventflux_runtime.rpc.method import AnyMethod, MessageCodec

__all__ = ["Decode", "Encode", "Encoding", "known_paths"]

Encode = Callable[[Any, BytesWriter], None]
Decode = Callable[[bytes, int, int], Any]


class Encoding:
    """The codec functions of one method as one side of a connection uses them."""

    __slots__ = ("compression", "decode", "encode", "has_one_response", "is_protobuf", "method", "method_id")

    def __init__(
        self, method: AnyMethod, method_id: int, sent: MessageCodec[Any], received: MessageCodec[Any], is_protobuf: bool
    ) -> None:
        self.method = method
        self.method_id = method_id
        self.is_protobuf = is_protobuf
        self.has_one_response = not method.kind.streams_responses
        self.compression = Compression.NONE
        """A server's, for its responses; a client's calls bring their own."""
        self.encode: Encode = sent.encode_protobuf if is_protobuf else sent.encode
        self.decode: Decode = received.decode_protobuf if is_protobuf else received.decode

    @classmethod
    def of_client(cls, method: AnyMethod, method_id: int, is_protobuf: bool) -> Encoding:
        """The encoding that a client uses for a method."""
        return cls(method, method_id, method.request, method.response, is_protobuf)

    @classmethod
    def of_server(cls, method: AnyMethod, method_id: int, is_protobuf: bool) -> Encoding:
        """The encoding that a server uses for a method."""
        return cls(method, method_id, method.response, method.request, is_protobuf)


def known_paths(methods: Sequence[str], limit: int = 8) -> str:
    """Some of a server's methods, for an error message."""
    if not methods:
        return "nothing"
    shown = ", ".join(methods[:limit])
    return shown if len(methods) <= limit else f"{shown} and {len(methods) - limit} more"
