"""HTTP/1 as wires and listeners know it: in front of the protocols of every port that has a host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from eventflux_runtime.protocol.http1.connection import Http1Connection, Lead
from eventflux_runtime.protocol.http1.site import Site
from eventflux_runtime.protocol.sniff import Sniff

if TYPE_CHECKING:
    from eventflux_runtime.carrier.api import Pipe
    from eventflux_runtime.net.limited_log import LimitedLog
    from eventflux_runtime.net.reactor import Reactor
    from eventflux_runtime.protocol.api import Dispatcher, Offer, ServerConnection
    from eventflux_runtime.rpc.config import ServerConfig
    from eventflux_runtime.rpc.endpoint import Endpoint

__all__ = ["PROTOCOL", "Http1Protocol", "Http1Server"]


class Http1Protocol:
    """A `FrontProtocol`."""

    alpn = "http/1.1"

    def server(
        self,
        endpoint: Endpoint,
        config: ServerConfig,
        dispatcher: Dispatcher,
        reactor: Reactor,
        log: LimitedLog,
        offers: Sequence[Offer],
    ) -> Http1Server:
        """See `FrontProtocol.server`."""
        return Http1Server(Site(endpoint, config, dispatcher, offers, log), config, reactor, log)


class Http1Server:
    """A `FrontServer`."""

    def __init__(self, site: Site, config: ServerConfig, reactor: Reactor, log: LimitedLog) -> None:
        self._site = site
        self._config = config
        self._reactor = reactor
        self._log = log

    def speaks(self, first: Sniff) -> bool:
        """See `FrontServer.speaks`."""
        return first is Sniff.HTTP1

    def connection(self, pipe: Pipe, on_lost: Callable[[ServerConnection], None], lead: Lead) -> Http1Connection:
        """See `FrontServer.connection`."""
        return Http1Connection(pipe, self._site, self._reactor, self._config, on_lost, lead, self._log)


PROTOCOL: Final = Http1Protocol()
