"""Servers: services on one endpoint or several, for a scope or for the life of a process."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

import anyio

from eventflux_runtime.config import ServerConfig
from eventflux_runtime.endpoint import parse_endpoint
from eventflux_runtime.errors import ConfigError
from eventflux_runtime.health.board import Health
from eventflux_runtime.health.method import HEALTH_SERVICE
from eventflux_runtime.health.service import HealthService
from eventflux_runtime.net.reactor import open_reactor
from eventflux_runtime.server.dispatch import ServiceDispatcher
from eventflux_runtime.server.interceptor import ServerInterceptor
from eventflux_runtime.server.service import Service
from eventflux_runtime.transport_api import Listener
from eventflux_runtime.transports.registry import transport_for

__all__ = ["Server", "serve", "serve_forever"]

_LAST_WORD_S: Final = 1.0
"""Seconds that a drain waits at most for those who watch the server's health to have taken that it is not serving."""
_TURN_S: Final = 0.005
"""Seconds between two looks at calls that no handler has, in a drain: they last a turn of the event loop or two."""


class Server:
    """A running server. Made by `serve`."""

    def __init__(
        self, dispatcher: ServiceDispatcher, listeners: Sequence[Listener], config: ServerConfig, health: Health
    ) -> None:
        self.health: Final = health
        """What ``grpc.health.v1.Health`` answers: ``server.health.set(name, ServingStatus.NOT_SERVING)``. Every
        service is SERVING from the start, and so is the server as a whole, whose name is empty."""
        self._dispatcher = dispatcher
        self._listeners = tuple(listeners)
        self._config = config
        self._is_draining = False

    def __repr__(self) -> str:
        state = "draining" if self._is_draining else "serving"
        return f"<Server {state} {', '.join(self.endpoints)}; {self.active_calls} active>"

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The URLs really bound, in the order they were given."""
        return tuple(str(listener.endpoint) for listener in self._listeners)

    @property
    def active_calls(self) -> int:
        """Calls whose handlers run now."""
        return self._dispatcher.active_calls

    async def drain(self, grace_s: float | None = None) -> bool:
        """Accepts nothing more, tells clients to go elsewhere, and waits for calls in flight.

        First `health` turns to NOT_SERVING and those who watch it are told; then clients are sent elsewhere on every
        endpoint.

        Args:
            grace_s: seconds to wait; None: ``ServerConfig.drain_grace_s``.

        Returns:
            whether every call ended in time.
        """
        self._is_draining = True
        self.health.close()
        with anyio.move_on_after(_LAST_WORD_S):
            await self.health.wait_unwatched()
        for listener in self._listeners:
            listener.drain()
        with anyio.move_on_after(self._config.drain_grace_s if grace_s is None else grace_s) as scope:
            await self._dispatcher.wait_idle()
            # A call that has just come in has no handler yet, and one whose handler has ended may still be answering.
            while any(listener.active_calls for listener in self._listeners):
                await anyio.sleep(_TURN_S)
                await self._dispatcher.wait_idle()
        return not scope.cancelled_caught


@asynccontextmanager
async def serve(
    services: Sequence[Service],
    *endpoints: str,
    config: ServerConfig | None = None,
    interceptors: Sequence[ServerInterceptor] = (),
) -> AsyncIterator[Server]:
    """Serves services on endpoints while the context is open.

    Leaving it drains: calls in flight have ``config.drain_grace_s`` seconds to finish, then they are cancelled.
    Leaving it by an error or a cancellation stops at once.

    Raises:
        ConfigError: a URL is wrong, an address cannot be bound, or two services serve one method.
    """
    if isinstance(services, Service):
        raise ConfigError("services is a list: write serve([service], ...)")
    if not endpoints:
        raise ConfigError("no endpoint given: pass a URL such as tcp://127.0.0.1:7070")
    settings = config if config is not None else ServerConfig()
    health = Health(_names(services))
    dispatcher = ServiceDispatcher(_with_health(services, health, settings), interceptors)
    parsed = [parse_endpoint(url) for url in endpoints]
    async with open_reactor() as reactor:
        listeners: list[Listener] = []
        try:
            for endpoint in parsed:
                transport = transport_for(endpoint)
                listeners.append(await transport.listen(endpoint, settings, dispatcher, reactor))
            server = Server(dispatcher, listeners, settings, health)
            yield server
            await server.drain()
        finally:
            with anyio.CancelScope(shield=True):
                for listener in listeners:
                    await listener.aclose()


def _names(services: Sequence[Service]) -> list[str]:
    """The full names of the services."""
    return list(dict.fromkeys(binding.method.service for service in services for binding in service._bindings()))


def _with_health(services: Sequence[Service], health: Health, config: ServerConfig) -> Sequence[Service]:
    if not config.health or HEALTH_SERVICE in _names(services):
        return services
    return (*services, HealthService(health))


async def serve_forever(
    services: Sequence[Service],
    *endpoints: str,
    config: ServerConfig | None = None,
    interceptors: Sequence[ServerInterceptor] = (),
    on_started: Callable[[Server], None] | None = None,
    on_draining: Callable[[], None] | None = None,
) -> None:
    """Serves until SIGTERM or SIGINT, then drains; a second signal stops at once.

    The arguments are those of `serve`; `on_started` is called once every endpoint is bound, and `on_draining` at the
    first signal, to end what would not end by itself, such as subscriptions.

    Raises:
        ConfigError: as `serve`.
    """
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with serve(services, *endpoints, config=config, interceptors=interceptors) as server:
            if on_started is not None:
                on_started(server)
            async for _ in signals:
                break
            if on_draining is not None:
                on_draining()
            async with anyio.create_task_group() as tasks:

                async def stop_at_second_signal() -> None:
                    async for _ in signals:
                        tasks.cancel_scope.cancel()

                tasks.start_soon(stop_at_second_signal)
                await server.drain()
                tasks.cancel_scope.cancel()
            for listener in server._listeners:
                await listener.aclose()
