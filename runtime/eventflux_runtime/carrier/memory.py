"""Memory as a carrier: between a client and a server of one process, with no socket between them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from anyio.lowlevel import current_token

from eventflux_runtime.carrier.api import Pipe
from eventflux_runtime.carrier.memory_pipe import memory_pipe_pair
from eventflux_runtime.rpc.config import ClientConfig, ServerConfig
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.errors import ConfigError

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor

__all__ = ["CARRIER", "MemoryCarrier"]


class MemoryCarrier:
    """A `Carrier` inside one process.

    A name belongs to the event loop that listens on it last; other loops, in other threads, reach it there.
    """

    def __init__(self) -> None:
        self._listeners: dict[str, _MemoryListener] = {}

    async def connect(
        self, endpoint: Endpoint, config: ClientConfig, protocols: tuple[str, ...], reactor: Reactor
    ) -> Pipe:
        """See `Carrier.connect`."""
        listener = self._listeners.get(endpoint.path)
        if listener is None or listener.reactor.is_over:
            raise ConnectionRefusedError
        client, server = memory_pipe_pair(reactor, listener.reactor, str(endpoint))
        if listener.loop == current_token():
            listener.on_pipe(server)
        else:
            listener.reactor.post(lambda: listener.on_pipe(server))
        return client

    def forget_all(self) -> None:
        """In a forked child: those who listened are the parent's."""
        self._listeners.clear()

    async def bind(
        self, endpoint: Endpoint, config: ServerConfig, protocols: tuple[str, ...], reactor: Reactor
    ) -> _MemoryListener:
        """See `Carrier.bind`."""
        known = self._listeners.get(endpoint.path)
        if known is not None and known.loop == current_token():
            raise ConfigError(f"cannot listen on {endpoint}: another server in this process does; choose another name")
        return _MemoryListener(endpoint, self._listeners, reactor)


class _MemoryListener:
    def __init__(self, endpoint: Endpoint, listeners: dict[str, _MemoryListener], reactor: Reactor) -> None:
        self.endpoint = endpoint
        self.reactor = reactor
        self.loop = current_token()
        self.on_pipe: Callable[[Pipe], None]
        self._listeners = listeners

    def start(self, on_pipe: Callable[[Pipe], None]) -> None:
        self.on_pipe = on_pipe
        self._listeners[self.endpoint.path] = self

    def stop_accepting(self) -> None:
        if self._listeners.get(self.endpoint.path) is self:
            del self._listeners[self.endpoint.path]

    async def aclose(self) -> None:
        self.stop_accepting()


CARRIER: Final = MemoryCarrier()
os.register_at_fork(after_in_child=CARRIER.forget_all)
