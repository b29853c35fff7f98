"""QUIC as a carrier: pipes are streams, and connections that a client has to one address share a QUIC connection."""

from __future__ import annotations

import logging
import weakref
from typing import TYPE_CHECKING, Final

from eventflux_runtime.carrier.api import Pipe
from eventflux_runtime.carrier.quic.client import Lanes
from eventflux_runtime.carrier.quic.listener import QuicListener
from eventflux_runtime.carrier.quic.tls import server_credentials
from eventflux_runtime.net.socket import bind_udp
from eventflux_runtime.net.udp import prepare_udp
from eventflux_runtime.rpc.config import ClientConfig, ServerConfig
from eventflux_runtime.rpc.endpoint import Endpoint

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor

__all__ = ["CARRIER", "QuicCarrier"]

_library_log: Final = logging.getLogger("quic")
if _library_log.level == logging.NOTSET:
    # Each peer that leaves in an orderly way would be a warning of qh3's. What matters of it is raised here, or logged.
    _library_log.setLevel(logging.ERROR)


class QuicCarrier:
    """A `Carrier`."""

    def __init__(self) -> None:
        self._lanes: weakref.WeakKeyDictionary[Reactor, Lanes] = weakref.WeakKeyDictionary()

    async def connect(
        self, endpoint: Endpoint, config: ClientConfig, protocols: tuple[str, ...], reactor: Reactor
    ) -> Pipe:
        """See `Carrier.connect`."""
        lanes = self._lanes.get(reactor)
        if lanes is None:
            lanes = self._lanes[reactor] = Lanes(reactor)
        return await lanes.open(endpoint, config, protocols)

    async def bind(
        self, endpoint: Endpoint, config: ServerConfig, protocols: tuple[str, ...], reactor: Reactor
    ) -> QuicListener:
        """See `Carrier.bind`."""
        source = server_credentials(config.tls, protocols)
        sockets = await bind_udp(endpoint, config.socket, is_shared=config.reuse_port)
        for sock in sockets:
            prepare_udp(sock, config.socket)
        return QuicListener(
            endpoint.with_port(sockets[0].getsockname()[1]), sockets, config, source, protocols, reactor
        )


CARRIER: Final = QuicCarrier()
