"""TLS as a layer over any pipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventflux_runtime.carrier.api import Pipe, Upgrade
from eventflux_runtime.carrier.tls_pipe import TlsPipe
from eventflux_runtime.net.tls import client_source, expected_name, server_source, warn_unverified
from eventflux_runtime.rpc.config import ClientConfig, ServerConfig, TlsConfig
from eventflux_runtime.rpc.endpoint import Endpoint

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor

__all__ = ["LAYER", "TlsLayer"]


class TlsLayer:
    """A `PipeLayer`."""

    name = "TLS"

    def of_client(self, endpoint: Endpoint, config: ClientConfig, protocols: tuple[str, ...]) -> Upgrade:
        """See `PipeLayer.of_client`."""
        tls = config.tls if config.tls is not None else TlsConfig()
        source = client_source(tls, protocols)

        async def upgrade(lower: Pipe, reactor: Reactor) -> Pipe:
            try:
                warn_unverified(tls)
                pipe = TlsPipe(
                    lower,
                    source.current(),
                    reactor,
                    protocols,
                    is_server=False,
                    server_name=expected_name(tls, endpoint),
                )
            except BaseException:
                lower.abort()
                raise
            await pipe.handshake()
            return pipe

        return upgrade

    def of_server(self, config: ServerConfig, protocols: tuple[str, ...]) -> Upgrade:
        """See `PipeLayer.of_server`."""
        source = server_source(config.tls, protocols)

        async def upgrade(lower: Pipe, reactor: Reactor) -> Pipe:
            try:
                pipe = TlsPipe(lower, source.current(), reactor, protocols, is_server=True)
            except BaseException:
                lower.abort()
                raise
            await pipe.handshake()
            return pipe

        return upgrade


LAYER: Final = TlsLayer()
