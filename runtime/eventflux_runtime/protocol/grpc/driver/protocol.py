"""gRPC over HTTP/2 as wires and listeners know it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from eventflux_runtime.compression.algorithm import require_compression
from eventflux_runtime.protocol.driver.settings import client_limits, server_limits
from eventflux_runtime.protocol.grpc.driver.client import GrpcClientConnection
from eventflux_runtime.protocol.grpc.driver.server import GrpcServerConnection
from eventflux_runtime.protocol.grpc.http2.client_machine import ClientMachine
from eventflux_runtime.protocol.grpc.http2.server_machine import ServerMachine
from eventflux_runtime.protocol.grpc.http2.settings import Settings
from eventflux_runtime.protocol.sniff import Sniff
from eventflux_runtime.rpc.config import Compression

if TYPE_CHECKING:
    from eventflux_runtime.carrier.api import Pipe
    from eventflux_runtime.net.limited_log import LimitedLog
    from eventflux_runtime.net.reactor import Reactor
    from eventflux_runtime.protocol.api import Dispatcher, ServerConnection
    from eventflux_runtime.protocol.driver.encoding import Encoding
    from eventflux_runtime.rpc.config import ClientConfig, ServerConfig
    from eventflux_runtime.rpc.endpoint import Endpoint

__all__ = ["PROTOCOL", "GrpcProtocol", "GrpcServer"]

USER_AGENT: Final = "grpc-python-eventflux/0.1"
"""As gRPC's PROTOCOL-HTTP2.md has it: the language and the variant of the implementation, and its version."""


class GrpcProtocol:
    """A `StreamProtocol`."""

    alpn = "h2"

    async def connect(
        self, pipe: Pipe, endpoint: Endpoint, config: ClientConfig, reactor: Reactor
    ) -> GrpcClientConnection:
        """See `StreamProtocol.connect`."""
        try:
            core = ClientMachine(
                Settings(**client_limits(config, endpoint)),
                scheme="https" if endpoint.is_tls else "http",
                authority=endpoint.authority,
                user_agent=USER_AGENT,
                now=reactor.now(),
            )
            connection = GrpcClientConnection(pipe, core, reactor, endpoint, config)
            await connection.handshake()
        except BaseException:
            pipe.abort()
            raise
        return connection

    def server(self, config: ServerConfig, dispatcher: Dispatcher, reactor: Reactor, log: LimitedLog) -> GrpcServer:
        """See `ServingProtocol.server`."""
        return GrpcServer(config, dispatcher, reactor, log)


class GrpcServer:
    """A `ServerProtocol`."""

    def __init__(self, config: ServerConfig, dispatcher: Dispatcher, reactor: Reactor, log: LimitedLog) -> None:
        for binding in dispatcher.bindings:
            require_compression(binding.method.compression or Compression.NONE)
        self._config = config
        self._settings = Settings(**server_limits(config))
        self._dispatcher = dispatcher
        self._reactor = reactor
        self._log = log
        self._encodings: dict[str, Encoding] = {}

    def speaks(self, first: Sniff) -> bool:
        """See `ServerProtocol.speaks`."""
        return first is Sniff.HTTP2

    def connection(self, pipe: Pipe, on_lost: Callable[[ServerConnection], None]) -> GrpcServerConnection:
        """See `ServerProtocol.connection`."""
        core = ServerMachine(self._settings, now=self._reactor.now())
        return GrpcServerConnection(
            pipe,
            core,
            self._reactor,
            self._dispatcher,
            self._config,
            on_lost,
            self._log,
            encodings=self._encodings,
        )


PROTOCOL: Final = GrpcProtocol()
