"""The client's end of a gRPC connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from eventflux_runtime.protocol.core.event import PEER_READY
from eventflux_runtime.protocol.driver.client import ClientConnectionBase
from eventflux_runtime.protocol.driver.encoding import Encode, Encoding
from eventflux_runtime.protocol.grpc.driver.encoding import ClientEncoding
from eventflux_runtime.protocol.grpc.http2.client_machine import ClientMachine
from eventflux_runtime.protocol.grpc.http2.event import SettingsReceived
from eventflux_runtime.rpc.metadata import Metadata
from eventflux_runtime.rpc.method import AnyMethod, Method, keep_for
from eventflux_runtime.rpc.rpc_error import RpcError
from eventflux_runtime.rpc.status import Status, StatusCode

if TYPE_CHECKING:
    from eventflux_runtime.carrier.api import Pipe
    from eventflux_runtime.net.reactor import Reactor
    from eventflux_runtime.rpc.config import ClientConfig
    from eventflux_runtime.rpc.endpoint import Endpoint

__all__ = ["GrpcClientConnection"]

_NOT_SERVED: Final = (
    # What servers answer that do not know the method: Go, ours and Python's among them; grpcio's core; Java; .NET.
    "unknown service ",
    "unknown method ",
    "Method not found!",
    "Method not found: ",
    "The server does not implement the method ",
)
"""gRPC has one status for a server that lacks a method and for a handler that refuses, so the text has to tell."""


class GrpcClientConnection(ClientConnectionBase):
    """A `ClientConnection` that speaks gRPC over HTTP/2."""

    def __init__(
        self, pipe: Pipe, core: ClientMachine, reactor: Reactor, endpoint: Endpoint, config: ClientConfig
    ) -> None:
        super().__init__(pipe, core, reactor, endpoint, config)
        self._http2 = core
        self._encodings: dict[AnyMethod, ClientEncoding] = {}
        self._handlers[PEER_READY] = self._on_settings

    def _on_settings(self, event: SettingsReceived) -> None:
        self.greeted(event.max_streams)

    def error_of(self, status: Status, method: AnyMethod) -> RpcError:
        """See `ClientSession.error_of`. A call of a method that the server lacks has reached no handler."""
        is_unserved = status.code is StatusCode.UNIMPLEMENTED and status.message.startswith(_NOT_SERVED)
        return method.error_of(status, unprocessed=is_unserved)

    def encoding_of(self, method: Method[Any, Any]) -> Encoding:
        """See `ClientConnectionBase.encoding_of`."""
        known = self._encodings.get(method)
        if known is not None:
            return known
        encoding = ClientEncoding(method, self._http2.route(method.path))
        encoding.tally = self.tallies.of(method.path)
        return keep_for(method, encoding, self._encodings)

    def open_stream(
        self,
        encoding: Encoding,
        timeout_us: int,
        metadata: Metadata,
        message: Any,
        encode: Encode | None,
        end: bool,
        compression_id: int,
    ) -> int:
        """See `ClientConnectionBase.open_stream`."""
        assert isinstance(encoding, ClientEncoding)
        return self._http2.open(encoding.route, timeout_us, metadata, message, encode, end, compression_id)
