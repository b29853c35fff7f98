"""How one method's messages travel on a native connection: in the native layout, or as protobuf."""

from __future__ import annotations

from typing import Any, final

from eventflux_runtime.protocol.driver.encoding import Decode, Encode, Encoding
from eventflux_runtime.rpc.binding import AnyBinding
from eventflux_runtime.rpc.method import AnyMethod, MessageCodec

__all__ = ["NativeEncoding"]


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
        encode: Encode = sent.encode_protobuf if is_protobuf else sent.encode
        decode: Decode = received.decode_protobuf if is_protobuf else received.decode
        super().__init__(method, encode, decode, binding)
        self.method_id = method_id
        self.is_protobuf = is_protobuf

    @classmethod
    def of_client(cls, method: AnyMethod, method_id: int, is_protobuf: bool) -> NativeEncoding:
        """The encoding that a client uses for a method."""
        return cls(method, method_id, method.request, method.response, is_protobuf)

    @classmethod
    def of_server(cls, binding: AnyBinding, method_id: int, is_protobuf: bool) -> NativeEncoding:
        """The encoding that a server uses for a method."""
        method = binding.method
        return cls(method, method_id, method.response, method.request, is_protobuf, binding)
