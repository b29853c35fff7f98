"""The gRPC `Wire`: grpcio on asyncio as it is, on every other event loop behind a thread that runs asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventflux_runtime.grpcio.connect import open_connection
from eventflux_runtime.grpcio.listener import open_listener
from eventflux_runtime.protocol.api import ClientConnection, Dispatcher, Listener
from eventflux_runtime.rpc.config import ClientConfig, ServerConfig
from eventflux_runtime.rpc.endpoint import Endpoint

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor

__all__ = ["GrpcWire"]


class GrpcWire:
    """A `Wire` over grpcio."""

    async def open(self, endpoint: Endpoint, config: ClientConfig, reactor: Reactor) -> ClientConnection:
        """See `Wire.open`."""
        if reactor.is_asyncio:
            return await open_connection(endpoint, config, reactor)
        # The bridge imports trio, which only its users have.
        from eventflux_runtime.grpcio.bridged_client import open_bridged_connection  # noqa: PLC0415 - see above

        return await open_bridged_connection(endpoint, config, reactor)

    async def listen(
        self, endpoint: Endpoint, config: ServerConfig, dispatcher: Dispatcher, reactor: Reactor
    ) -> Listener:
        """See `Wire.listen`."""
        if reactor.is_asyncio:
            return await open_listener(endpoint, config, dispatcher, reactor)
        from eventflux_runtime.grpcio.bridged_server import open_bridged_listener  # noqa: PLC0415 - as in open

        return await open_bridged_listener(endpoint, config, dispatcher, reactor)
