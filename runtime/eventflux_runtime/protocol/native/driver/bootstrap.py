"""From a connected pipe to a native connection, on either side: the handshake, the limits, the set of connections."""

from __future__ import annotations

import logging
import random
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import anyio

from eventflux_runtime.compression.algorithm import require_compression
from eventflux_runtime.net.limited_log import LimitedLog
from eventflux_runtime.net.tls import explain_tls
from eventflux_runtime.net.wheel import Alarm
from eventflux_runtime.protocol.api import Dispatcher
from eventflux_runtime.protocol.detector import Doorway
from eventflux_runtime.protocol.eventflux.connection import EventFluxConnection, peer_binding
from eventflux_runtime.protocol.native.core.connection import Connection
from eventflux_runtime.protocol.native.core.settings import MethodEntry, Role
from eventflux_runtime.protocol.native.driver.client import NativeClientConnection
from eventflux_runtime.protocol.native.driver.server import NativeServerConnection
from eventflux_runtime.protocol.native.driver.settings import client_settings, server_settings
from eventflux_runtime.rpc.config import ClientConfig, Compression, ServerConfig
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.errors import TransportError
from eventflux_runtime.rpc.rpc_error import Unavailable

if TYPE_CHECKING:
    from eventflux_runtime.carrier.api import Pipe
    from eventflux_runtime.net.reactor import Reactor

__all__ = ["Acceptor", "connecting", "shake_hands"]

_log: Final = logging.getLogger("eventflux_runtime.server")


async def shake_hands(pipe: Pipe, endpoint: Endpoint, config: ClientConfig, reactor: Reactor) -> NativeClientConnection:
    """The client's connection over a fresh pipe, once the server has answered.

    Raises:
        Unavailable: it closed instead, or speaks another protocol. The pipe is closed then.
    """
    core = Connection(Role.CLIENT, client_settings(config, endpoint), now=reactor.now())
    connection = NativeClientConnection(pipe, core, reactor, endpoint, config)
    try:
        await connection.handshake()
    except BaseException:
        pipe.abort()
        raise
    return connection


class Acceptor:
    """The connections of one listening endpoint.

    Invariants: every connection accepted stands in the set until it is lost; a draining acceptor takes none.
    """

    def __init__(self, endpoint: Endpoint, config: ServerConfig, dispatcher: Dispatcher, reactor: Reactor) -> None:
        self.endpoint = endpoint
        self.max_connections = config.max_connections
        self.log = LimitedLog(_log, reactor.now)
        self._config = config
        self._settings = server_settings(config)
        self._dispatcher = dispatcher
        self._reactor = reactor
        for binding in dispatcher.bindings:
            require_compression(binding.method.compression or Compression.NONE)
        self._methods = tuple(MethodEntry(b.method.path, b.method.fingerprint) for b in dispatcher.bindings)
        self._peer_binding = peer_binding(dispatcher)
        self._connections: dict[NativeServerConnection | EventFluxConnection, Alarm | None] = {}
        self.is_draining = False

    @property
    def active_calls(self) -> int:
        """See `Listener.active_calls`."""
        return sum(connection.active_calls for connection in self._connections)

    def accept(self, pipe: Pipe) -> None:
        """Serves a new pipe, or refuses it."""
        if self.is_draining:
            pipe.abort()
            return
        if len(self._connections) >= self._config.max_connections:
            self.log.warning(
                "refused a connection on %s: max_connections (%d) are open", self.endpoint, self._config.max_connections
            )
            pipe.abort()
            return
        core = Connection(Role.SERVER, self._settings, self._methods, now=self._reactor.now())
        connection = NativeServerConnection(
            pipe, core, self._reactor, self._dispatcher, self._config, self._on_lost, self.log
        )
        self._connections[connection] = self._age_of(connection)
        if self._peer_binding is None:
            connection.start()
        else:
            connection.start(Doorway(connection, lambda: self._turn(connection)))

    def _turn(self, native: NativeServerConnection) -> EventFluxConnection:
        """Puts an EventFlux connection in the place of a native one that has not begun."""
        assert self._peer_binding is not None
        self._on_lost(native)
        self._reactor.wheel.discard(native)
        connection = EventFluxConnection(
            native.pipe, self._peer_binding, self._reactor, self._dispatcher, self._config, self._on_lost, self.log
        )
        self._connections[connection] = self._age_of(connection)
        return connection

    def _age_of(self, connection: NativeServerConnection | EventFluxConnection) -> Alarm | None:
        if self._config.max_connection_age_s is None:
            return None
        now = self._reactor.now()
        age = Alarm(now + self._config.max_connection_age_s * random.uniform(0.9, 1.1), connection.drain)
        self._reactor.wheel.add(age, now)
        return age

    def _on_lost(self, connection: NativeServerConnection | EventFluxConnection) -> None:
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


@contextmanager
def connecting(endpoint: Endpoint, config: ClientConfig) -> Iterator[None]:
    """Bounds an attempt by ``config.connect_timeout_s`` and turns what the system raises into Unavailable."""
    try:
        with anyio.fail_after(config.connect_timeout_s):
            yield
    except TimeoutError:
        limit = f"connect_timeout_s={config.connect_timeout_s:g}"
        raise _unreachable(endpoint, f"nothing answered within {limit}; check the address and firewalls") from None
    except ssl.SSLError as error:
        raise _unreachable(endpoint, explain_tls(error, "the server")) from None
    except TransportError:
        raise
    except Exception as error:  # an OSError, or what a resolver or a loop raises that is none
        raise _unreachable(endpoint, _reason(error, endpoint)) from error


def _reason(error: BaseException, endpoint: Endpoint) -> str:
    while True:
        if isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        elif error.__cause__ is not None and not (isinstance(error, OSError) and error.errno):
            error = error.__cause__  # anyio wraps what the system said
        else:
            break
    if isinstance(error, FileNotFoundError):
        return f"no such socket: {endpoint.path}; is the server running?"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused; is a server listening there?"
    if isinstance(error, socket.gaierror):
        return "the host name is not known; check its spelling and DNS"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    if isinstance(error, UnicodeError):
        return f"the host name is not valid ({error}); check its spelling"
    return str(error) or "the connection was closed during the handshake"


def _unreachable(endpoint: Endpoint, reason: str) -> Unavailable:
    return Unavailable(f"cannot connect to {endpoint}: {reason}")
