"""``memory://``: the native protocol between a client and a server of one event loop, with no socket between them."""

from __future__ import annotations

from typing import Final

from anyio.lowlevel import current_token

from eventflux_runtime.carrier.memory_pipe import memory_pipe_pair
from eventflux_runtime.net.reactor import Reactor
from eventflux_runtime.protocol.api import ClientConnection, Dispatcher, Listener
from eventflux_runtime.protocol.native.driver.bootstrap import Acceptor, connecting, shake_hands
from eventflux_runtime.rpc.config import ClientConfig, ServerConfig
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.errors import ConfigError

__all__ = ["TRANSPORT", "MemoryTransport"]


class MemoryTransport:
    """A `Transport` inside one process. A name is known to the event loop that listens on it, and to no other."""

    schemes = frozenset({"memory"})

    def __init__(self) -> None:
        self._listeners: dict[str, _MemoryListener] = {}

    async def open(self, endpoint: Endpoint, config: ClientConfig, reactor: Reactor) -> ClientConnection:
        """See `Transport.open`."""
        with connecting(endpoint, config):
            listener = self._listeners.get(endpoint.path)
            if listener is None or listener.loop != current_token():
                raise ConnectionRefusedError
            client, server = memory_pipe_pair(reactor, listener.reactor, str(endpoint))
            listener.acceptor.accept(server)
            return await shake_hands(client, endpoint, config, reactor)

    async def listen(
        self, endpoint: Endpoint, config: ServerConfig, dispatcher: Dispatcher, reactor: Reactor
    ) -> Listener:
        """See `Transport.listen`."""
        known = self._listeners.get(endpoint.path)
        if known is not None and known.loop == current_token():
            raise ConfigError(f"cannot listen on {endpoint}: another server in this process does; choose another name")
        listener = _MemoryListener(self, Acceptor(endpoint, config, dispatcher, reactor), reactor)
        self._listeners[endpoint.path] = listener
        return listener

    def remove(self, listener: _MemoryListener) -> None:
        """Forgets a listener that has stopped accepting."""
        if self._listeners.get(listener.endpoint.path) is listener:
            del self._listeners[listener.endpoint.path]


class _MemoryListener:
    def __init__(self, transport: MemoryTransport, acceptor: Acceptor, reactor: Reactor) -> None:
        self._transport = transport
        self.acceptor = acceptor
        self.reactor = reactor
        self.loop = current_token()

    @property
    def endpoint(self) -> Endpoint:
        return self.acceptor.endpoint

    @property
    def active_calls(self) -> int:
        return self.acceptor.active_calls

    def drain(self) -> None:
        self._transport.remove(self)
        self.acceptor.drain()

    async def aclose(self) -> None:
        self._transport.remove(self)
        await self.acceptor.aclose()


TRANSPORT: Final = MemoryTransport()
