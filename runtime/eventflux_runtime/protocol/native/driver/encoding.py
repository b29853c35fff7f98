"""How one method's messages travel on a native connection: in the native layout, or as protobuf."""

from __future__ import annotations

import importlib.util
from functools import cache
from typing import Any, final

from librt.strings import BytesWriter

from eventflux_runtime.protocol.driver.encoding import Decode, Encode, Encoding
from eventflux_runtime.rpc.binding import AnyBinding
from eventflux_runtime.rpc.errors import MissingExtraError
from eventflux_runtime.rpc.method import AnyMethod, MessageCodec

__all__ = ["NativeEncoding", "has_protobuf"]


@cache
def has_protobuf() -> bool:
    """Whether this process can speak protobuf, which a method needs whose layouts differ on the two sides."""
    try:
        return importlib.util.find_spec("google.protobuf") is not None
    except ModuleNotFoundError:
        return False


@final
class NativeEncoding(Encoding):
    """A method as a native connection numbers it; its messages are in the native layout, or protobuf."""

    __slots__ = ("is_protobuf", "method_id")

    def __init__(
        self,
        method: AnyMethod,
        method_id: int,
        sent: MessageCodec[Any],
        received: MessageCodec[Any],
        is_protobuf: bool,
        binding: AnyBinding | None = None,
    ) -> None:
        encode: Encode = _protobuf_encoder(sent) if is_protobuf else sent.encode
        decode: Decode = _protobuf_decoder(received) if is_protobuf else received.decode
        super().__init__(method, encode, decode, binding)
        self.method_id = method_id
        self.is_protobuf = is_protobuf

    @classmethod
    def of_client(cls, method: AnyMethod, method_id: int, is_protobuf: bool) -> NativeEncoding:
        """The encoding that a client uses for a method."""
        return cls(method, method_id, method.request, method.response, is_protobuf)

    @classmethod
    def of_server(cls, binding: AnyBinding, method_id: int, is_protobuf: bool) -> NativeEncoding:
        """The encoding that a server uses for a method.

        Raises:
            MissingExtraError: the client asks for protobuf, which is not installed here.
        """
        method = binding.method
        if is_protobuf and not has_protobuf():
            raise MissingExtraError(f"protobuf for {method.path}, whose layout differs from the client's,", "grpc")
        return cls(method, method_id, method.response, method.request, is_protobuf, binding)


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
