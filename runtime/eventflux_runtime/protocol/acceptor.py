"""The connections of one listening endpoint, of whichever protocols are spoken there."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import anyio

from eventflux_runtime.carrier.api import HttpUpgraded, Pipe, PipeHandler, Relay
from eventflux_runtime.net.limited_log import LimitedLog
from eventflux_runtime.net.wheel import Alarm
from eventflux_runtime.protocol.api import (
    Dispatcher,
    FrontProtocol,
    FrontServer,
    Offer,
    ServerConnection,
    ServerProtocol,
    ServingProtocol,
)
from eventflux_runtime.protocol.detector import ProtocolDetector
from eventflux_runtime.protocol.sniff import Sniff
from eventflux_runtime.rpc.config import ServerConfig
from eventflux_runtime.rpc.endpoint import Endpoint

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor

__all__ = ["Acceptor"]

_log: Final = logging.getLogger("eventflux_runtime.server")


class Acceptor:
    """Gives each accepted pipe to the protocol that its peer speaks.

    Invariants: every connection accepted stands in `_connections` until it is lost; a draining acceptor takes none.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        config: ServerConfig,
        dispatcher: Dispatcher,
        reactor: Reactor,
        protocols: Sequence[ServingProtocol],
        front: FrontProtocol | None = None,
        offers: Sequence[Offer] = (),
    ) -> None:
        """An acceptor of some protocols, the first of which also answers peers of none; the front, where there is none.

        Args:
            endpoint: where they are spoken.
            config: the server's.
            dispatcher: where calls go.
            reactor: whose tasks serve.
            protocols: told apart by the first bytes.
            front: what answers HTTP/1; None: nothing does.
            offers: what requests of HTTP/1 may lead to.

        Raises:
            ConfigError: the configuration does not fit one of them.
        """
        self.endpoint = endpoint
        self.log = LimitedLog(_log, reactor.now)
        self.is_draining = False
        self.accepted = 0
        self.refused = 0
        self._config = config
        self._reactor = reactor
        self._direct = [server for protocol in protocols if (server := self._server(protocol, dispatcher)) is not None]
        self._behind: dict[Offer, ServerProtocol] = {}
        for offer in offers:
            server = self._server(offer.protocol, dispatcher)
            if server is not None:
                self._behind[offer] = server
        self._front: FrontServer | None = None
        if front is not None:
            self._front = front.server(endpoint, config, dispatcher, reactor, self.log, tuple(self._behind))
        self._connections: dict[ServerConnection, Alarm | None] = {}

    def _server(self, protocol: ServingProtocol, dispatcher: Dispatcher) -> ServerProtocol | None:
        return protocol.server(self._config, dispatcher, self._reactor, self.log)

    @property
    def connections(self) -> int:
        """Those that are open."""
        return len(self._connections)

    @property
    def active_calls(self) -> int:
        """See `Listener.active_calls`."""
        return sum(connection.active_calls for connection in self._connections)

    def accept(self, pipe: Pipe) -> None:
        """Serves a new pipe, or refuses it."""
        if self.is_draining:
            pipe.abort()
            return
        limit = self._config.max_connections
        if len(self._connections) >= limit:
            self.refused += 1
            self.log.warning("refused a connection on %s: max_connections (%d) are open", self.endpoint, limit)
            pipe.abort()
            return
        self.accepted += 1
        self.log.debug("a connection from %s on %s", pipe.peer.address, self.endpoint)
        if not self._direct:
            relay = Relay()
            request = self._answer(pipe, relay)
            relay.forward_to(request)
            request.start(relay)
            return
        connection = self._keep(self._direct[0].connection(pipe, self._on_lost))
        if len(self._direct) > 1 or self._front is not None:
            connection.start(
                ProtocolDetector(connection, lambda first, relay: self._chosen(first, relay, connection, pipe))
            )
        else:
            connection.start()

    def _chosen(self, first: Sniff, relay: Relay, stand_in: ServerConnection, pipe: Pipe) -> PipeHandler:
        """Who speaks with a peer that begins so."""
        if self._direct[0].speaks(first):
            return stand_in
        for protocol in self._direct[1:]:
            if protocol.speaks(first):
                self._replace(stand_in)
                return self._keep(protocol.connection(pipe, self._on_lost))
        if self._front is not None and self._front.speaks(first):
            self._replace(stand_in)
            return self._answer(pipe, relay)
        return stand_in

    def _replace(self, stand_in: ServerConnection) -> None:
        self._on_lost(stand_in)
        stand_in.step_aside()

    def _answer(self, pipe: Pipe, relay: Relay) -> ServerConnection:
        """A connection of HTTP/1, whose request may lead to another protocol."""

        def lead(request: ServerConnection, offer: Offer, upgraded: HttpUpgraded, rest: bytes) -> None:
            self._replace(request)
            connection = self._keep(self._behind[offer].connection(upgraded.pipe, self._on_lost))
            relay.forward_to(upgraded.pipe)
            connection.start()
            if rest:
                upgraded.pipe.on_data(rest)

        assert self._front is not None
        return self._keep(self._front.connection(pipe, self._on_lost, lead))

    def _keep(self, connection: ServerConnection) -> ServerConnection:
        connection.endpoint = self.endpoint
        self._connections[connection] = self._age_of(connection)
        return connection

    def _age_of(self, connection: ServerConnection) -> Alarm | None:
        if self._config.max_connection_age_s is None:
            return None
        now = self._reactor.now()
        age = Alarm(now + self._config.max_connection_age_s * random.uniform(0.9, 1.1), connection.drain)
        self._reactor.wheel.add(age, now)
        return age

    def _on_lost(self, connection: ServerConnection) -> None:
        age = self._connections.pop(connection, None)
        if age is not None:
            self._reactor.wheel.discard(age)

    def drain(self) -> None:
        """See `Listener.drain`."""
        self.is_draining = True
        for connection in list(self._connections):
            connection.drain()

    async def aclose(self) -> None:
        """Ends every connection."""
        self.is_draining = True
        async with anyio.create_task_group() as tasks:
            for connection in list(self._connections):
                tasks.start_soon(connection.aclose)
