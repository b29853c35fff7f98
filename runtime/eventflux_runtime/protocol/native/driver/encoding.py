"""How one method's messages travel on one connection: bincode or protobuf, and compressed or plain."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from librt.strings import BytesWriter

from eventflux_runtime.rpc.config import Compression
from eventflux_runtime.rpc.errors import MissingExtraError
from eventflux_runtime.rpc.method import AnyMethod, MessageCodec

__all__ = ["Decode", "Encode", "Encoding", "has_protobuf", "known_paths"]

Encode = Callable[[Any, BytesWriter], None]
Decode = Callable[[bytes, int, int], Any]


@cache
def has_protobuf() -> bool:
    """Whether this process can speak protobuf, which a method needs whose layouts differ on the two sides."""
    try:
        return importlib.util.find_spec("google.protobuf") is not None
    except ModuleNotFoundError:
        return False


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
        self.encode: Encode = _protobuf_encoder(sent) if is_protobuf else sent.encode
        self.decode: Decode = _protobuf_decoder(received) if is_protobuf else received.decode

    @classmethod
    def of_client(cls, method: AnyMethod, method_id: int, is_protobuf: bool) -> Encoding:
        """The encoding that a client uses for a method."""
        return cls(method, method_id, method.request, method.response, is_protobuf)

    @classmethod
    def of_server(cls, method: AnyMethod, method_id: int, is_protobuf: bool) -> Encoding:
        """The encoding that a server uses for a method.

        Raises:
            MissingExtraError: the client asks for protobuf, which is not installed here.
        """
        if is_protobuf and not has_protobuf():
            raise MissingExtraError(f"protobuf for {method.path}, whose layout differs from the client's,", "grpc")
        return cls(method, method_id, method.response, method.request, is_protobuf)


def _protobuf_encoder(codec: MessageCodec[Any]) -> Encode:
    to_protobuf = codec.to_protobuf

    def encode(message: Any, writer: BytesWriter) -> None:
        writer.write(to_protobuf(message))

    return encode


def _protobuf_decoder(codec: MessageCodec[Any]) -> Decode:
    from_protobuf = codec.from_protobuf

    def decode(data: bytes, start: int, end: int) -> Any:
        return from_protobuf(data[start:end])

    return decode


def known_paths(methods: Sequence[str], limit: int = 8) -> str:
    """Some of a server's methods, for an error message."""
    if not methods:
        return "nothing"
    shown = ", ".join(methods[:limit])
    return shown if len(methods) <= limit else f"{shown} and {len(methods) - limit} more"
