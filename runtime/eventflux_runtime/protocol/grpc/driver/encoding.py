"""How one method's messages travel on gRPC connections: as protobuf, under the method's path."""

from __future__ import annotations

from typing import final

from eventflux_runtime.protocol.driver.encoding import Encoding
from eventflux_runtime.protocol.grpc.http2.request_writer import Route
from eventflux_runtime.rpc.binding import AnyBinding
from eventflux_runtime.rpc.method import AnyMethod

__all__ = ["ClientEncoding", "server_encoding"]


@final
class ClientEncoding(Encoding):
    """A method as a client's connection calls it."""

    __slots__ = ("route",)

    def __init__(self, method: AnyMethod, route: Route) -> None:
        super().__init__(method, method.request.encode_protobuf, method.response.decode_protobuf)
        self.route = route


def server_encoding(binding: AnyBinding) -> Encoding:
    """A method as a server serves it."""
    method = binding.method
    return Encoding(method, method.response.encode_protobuf, method.request.decode_protobuf, binding)
