"""The server's end of a gRPC connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from eventflux_runtime.net.limited_log import LimitedLog
from eventflux_runtime.protocol.api import Dispatcher, ServerConnection
from eventflux_runtime.protocol.core.event import StreamOpened
from eventflux_runtime.protocol.driver.encoding import Encoding
from eventflux_runtime.protocol.driver.server import ServerConnectionBase
from eventflux_runtime.protocol.grpc.driver.encoding import server_encoding
from eventflux_runtime.protocol.grpc.http2.event import RequestOpened
from eventflux_runtime.protocol.grpc.http2.server_machine import ServerMachine
from eventflux_runtime.rpc.config import ServerConfig
from eventflux_runtime.rpc.status import StatusCode
from eventflux_runtime.rpc.status_part import escaped

if TYPE_CHECKING:
    from eventflux_runtime.carrier.api import Pipe
    from eventflux_runtime.net.reactor import Reactor

__all__ = ["GrpcServerConnection"]


class GrpcServerConnection(ServerConnectionBase):
    """A `ServerConnection` that speaks gRPC over HTTP/2."""

    def __init__(
        self,
        pipe: Pipe,
        core: ServerMachine,
        reactor: Reactor,
        dispatcher: Dispatcher,
        config: ServerConfig,
        on_lost: Callable[[ServerConnection], None],
        log: LimitedLog,
        *,
        encodings: dict[str, Encoding],
    ) -> None:
        """A connection of an endpoint, all of which share the `encodings` of its methods, by path."""
        super().__init__(pipe, core, reactor, dispatcher, config, on_lost, log)
        self.protocol = "grpc"
        self._find = dispatcher.find
        self._encodings = encodings

    def encoding_of(self, event: StreamOpened) -> Encoding | None:
        """See `ServerConnectionBase.encoding_of`."""
        assert isinstance(event, RequestOpened)
        path = event.head.path
        encoding = self._encodings.get(path)
        return encoding if encoding is not None else self._resolve(event, path)

    def _resolve(self, event: StreamOpened, path: str) -> Encoding | None:
        binding = self._find(path)
        if binding is None:
            self.refuse(event, StatusCode.UNIMPLEMENTED, f"unknown method {escaped(path)}: nothing here serves it")
            return None
        encoding = server_encoding(binding)
        self.adopt(encoding, binding)
        self._encodings[path] = encoding
        return encoding
