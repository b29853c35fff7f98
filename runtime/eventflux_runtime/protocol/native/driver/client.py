"""The client's end of a native connection: methods by their number in the server's greeting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventflux_runtime.protocol.core.event import PEER_READY
from eventflux_runtime.protocol.driver.client import ClientConnectionBase
from eventflux_runtime.protocol.driver.encoding import Encode, Encoding
from eventflux_runtime.protocol.native.core.connection import Connection
from eventflux_runtime.protocol.native.core.event import HelloReceived
from eventflux_runtime.protocol.native.driver.client_methods import ClientMethods
from eventflux_runtime.protocol.native.driver.encoding import NativeEncoding
from eventflux_runtime.rpc.metadata import Metadata
from eventflux_runtime.rpc.method import Method

if TYPE_CHECKING:
    from eventflux_runtime.carrier.api import Pipe
    from eventflux_runtime.net.reactor import Reactor
    from eventflux_runtime.rpc.config import ClientConfig
    from eventflux_runtime.rpc.endpoint import Endpoint

__all__ = ["NativeClientConnection"]


class NativeClientConnection(ClientConnectionBase):
    """A `ClientConnection` that speaks the native protocol."""

    def __init__(
        self, pipe: Pipe, core: Connection, reactor: Reactor, endpoint: Endpoint, config: ClientConfig
    ) -> None:
        super().__init__(pipe, core, reactor, endpoint, config)
        self._native = core
        self._methods = ClientMethods(endpoint)
        self._handlers[PEER_READY] = self._on_hello

    def _on_hello(self, event: HelloReceived) -> None:
        self._methods.offer(event.settings)
        self.greeted(event.settings.max_streams)

    def encoding_of(self, method: Method[Any, Any]) -> Encoding:
        """See `ClientConnectionBase.encoding_of`."""
        encoding = self._methods.find(method)
        if encoding is None:
            encoding = self._methods.resolve(method)
            encoding.tally = self.tallies.of(method.path)
        return encoding

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
        assert isinstance(encoding, NativeEncoding)
        return self._native.open(
            encoding.method_id, timeout_us, metadata, message, encode, end, encoding.is_protobuf, compression_id
        )
