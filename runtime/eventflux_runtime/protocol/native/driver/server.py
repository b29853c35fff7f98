"""The server's end of a native connection: methods by their number in this side's greeting."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from eventflux_runtime.net.limited_log import LimitedLog
from eventflux_runtime.protocol.api import Dispatcher, ServerConnection
from eventflux_runtime.protocol.core.event import StreamOpened
from eventflux_runtime.protocol.driver.encoding import Encoding
from eventflux_runtime.protocol.driver.server import ServerConnectionBase
from eventflux_runtime.protocol.native.core.connection import Connection
from eventflux_runtime.protocol.native.core.event import MethodOpened
from eventflux_runtime.protocol.native.driver.encoding import NativeEncoding
from eventflux_runtime.rpc.config import ServerConfig
from eventflux_runtime.rpc.status import StatusCode

if TYPE_CHECKING:
    from eventflux_runtime.carrier.api import Pipe
    from eventflux_runtime.net.reactor import Reactor

__all__ = ["NativeServerConnection"]


class NativeServerConnection(ServerConnectionBase):
    """A `ServerConnection` that speaks the native protocol."""

    def __init__(
        self,
        pipe: Pipe,
        core: Connection,
        reactor: Reactor,
        dispatcher: Dispatcher,
        config: ServerConfig,
        on_lost: Callable[[ServerConnection], None],
        log: LimitedLog,
    ) -> None:
        super().__init__(pipe, core, reactor, dispatcher, config, on_lost, log)
        self.protocol = "native"
        self._native = core
        self._bindings = tuple(dispatcher.bindings)
        self._encodings: dict[int, NativeEncoding] = {}

    def encoding_of(self, event: StreamOpened) -> Encoding | None:
        """See `ServerConnectionBase.encoding_of`."""
        assert isinstance(event, MethodOpened)
        encoding = self._encodings.get(-event.method_id - 1 if event.protobuf else event.method_id)
        return encoding if encoding is not None else self._resolve(event)

    def _resolve(self, event: MethodOpened) -> Encoding | None:
        method_id = event.method_id
        if method_id >= len(self._bindings):
            self.refuse(event, StatusCode.UNIMPLEMENTED, f"no method has id {method_id} on this connection")
            return None
        if event.protobuf and not self._can_protobuf():
            reason = "protobuf is asked for by a client that has not announced it: set bit 0 of its features"
            self.refuse(event, StatusCode.UNIMPLEMENTED, reason)
            return None
        binding = self._bindings[method_id]
        encoding = NativeEncoding.of_server(binding, method_id, event.protobuf)
        self.adopt(encoding, binding)
        self._encodings[-method_id - 1 if event.protobuf else method_id] = encoding
        return encoding

    def _can_protobuf(self) -> bool:
        peer = self._native.peer_settings
        return peer is not None and peer.has_protobuf
