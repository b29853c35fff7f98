"""The native protocol as wires and listeners know it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from eventflux_runtime.compression.algorithm import require_compression
from eventflux_runtime.protocol.core.machine import Role
from eventflux_runtime.protocol.driver.settings import client_limits, server_limits
from eventflux_runtime.protocol.native.core.connection import Connection
from eventflux_runtime.protocol.native.core.settings import MethodEntry, Settings
from eventflux_runtime.protocol.native.driver.client import NativeClientConnection
from eventflux_runtime.protocol.native.driver.server import NativeServerConnection
from eventflux_runtime.protocol.sniff import Sniff
from eventflux_runtime.rpc.config import Compression

if TYPE_CHECKING:
    from eventflux_runtime.carrier.api import Pipe
    from eventflux_runtime.net.limited_log import LimitedLog
    from eventflux_runtime.net.reactor import Reactor
    from eventflux_runtime.protocol.api import Dispatcher, ServerConnection
    from eventflux_runtime.rpc.config import ClientConfig, ServerConfig
    from eventflux_runtime.rpc.endpoint import Endpoint

__all__ = ["PROTOCOL", "NativeProtocol", "NativeServer"]


class NativeProtocol:
    """A `StreamProtocol`."""

    alpn = "eft/1"

    async def connect(
        self, pipe: Pipe, endpoint: Endpoint, config: ClientConfig, reactor: Reactor
    ) -> NativeClientConnection:
        """See `StreamProtocol.connect`."""
        try:
            settings = Settings(**client_limits(config, endpoint), has_protobuf=True)
            core = Connection(Role.CLIENT, settings, now=reactor.now())
            connection = NativeClientConnection(pipe, core, reactor, endpoint, config)
            await connection.handshake()
        except BaseException:
            pipe.abort()
            raise
        return connection

    def server(self, config: ServerConfig, dispatcher: Dispatcher, reactor: Reactor, log: LimitedLog) -> NativeServer:
        """See `ServingProtocol.server`."""
        return NativeServer(config, dispatcher, reactor, log)


class NativeServer:
    """A `ServerProtocol`."""

    def __init__(self, config: ServerConfig, dispatcher: Dispatcher, reactor: Reactor, log: LimitedLog) -> None:
        for binding in dispatcher.bindings:
            require_compression(binding.method.compression or Compression.NONE)
        self._config = config
        self._settings = Settings(**server_limits(config), has_protobuf=True)
        self._dispatcher = dispatcher
        self._reactor = reactor
        self._log = log
        self._methods = tuple(MethodEntry(b.method.path, b.method.fingerprint) for b in dispatcher.bindings)

    def speaks(self, first: Sniff) -> bool:
        """See `ServerProtocol.speaks`."""
        return first is Sniff.NATIVE

    def connection(self, pipe: Pipe, on_lost: Callable[[ServerConnection], None]) -> NativeServerConnection:
        """See `ServerProtocol.connection`."""
        core = Connection(Role.SERVER, self._settings, self._methods, now=self._reactor.now())
        return NativeServerConnection(pipe, core, self._reactor, self._dispatcher, self._config, on_lost, self._log)


PROTOCOL: Final = NativeProtocol()
