"""The connections of one listening endpoint, of whichever protocols are spoken there."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import anyio

from eventflux_runtime.carrier.api import Pipe, PipeHandler
from eventflux_runtime.net.limited_log import LimitedLog
from eventflux_runtime.net.wheel import Alarm
from eventflux_runtime.protocol.api import Dispatcher, ServerConnection, ServerProtocol, ServingProtocol
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
    ) -> None:
        """An acceptor of some protocols, the first of which also answers peers of none.

        Raises:
            ConfigError: the configuration does not fit one of them.
        """
        self.endpoint = endpoint
        self.log = LimitedLog(_log, reactor.now)
        self.is_draining = False
        self._config = config
        self._reactor = reactor
        made = [protocol.server(config, dispatcher, reactor, self.log) for protocol in protocols]
        self._first, *self._others = (server for server in made if server is not None)
        self._connections: dict[ServerConnection, Alarm | None] = {}

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
            self.log.warning("refused a connection on %s: max_connections (%d) are open", self.endpoint, limit)
            pipe.abort()
            return
        connection = self._connect(self._first, pipe)
        if self._others:
            connection.start(ProtocolDetector(connection, lambda first: self._chosen(first, connection, pipe)))
        else:
            connection.start()

    def _chosen(self, first: Sniff, stand_in: ServerConnection, pipe: Pipe) -> PipeHandler:
        """Who speaks with a peer that begins so."""
        for protocol in self._others:
            if protocol.speaks(first):
                self._on_lost(stand_in)
                stand_in.step_aside()
                return self._connect(protocol, pipe)
        return stand_in

    def _connect(self, protocol: ServerProtocol, pipe: Pipe) -> ServerConnection:
        connection = protocol.connection(pipe, self._on_lost)
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
