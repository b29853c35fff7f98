"""`serve` and `serve_forever`: from services and URLs to a server."""

from __future__ import annotations

import math
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import anyio

from eventflux_runtime.health.board import Health
from eventflux_runtime.health.method import HEALTH_SERVICE
from eventflux_runtime.rpc.config import ServerConfig
from eventflux_runtime.server.argument import checked_arguments
from eventflux_runtime.server.dispatch import ServiceDispatcher
from eventflux_runtime.server.health_service import HealthService
from eventflux_runtime.server.interceptor import ServerInterceptor
from eventflux_runtime.server.reflection_service import reflection_of
from eventflux_runtime.server.server import Server
from eventflux_runtime.server.service import Service
from eventflux_runtime.wire.registry import wire_of

__all__ = ["serve", "serve_forever"]


def serve(
    services: Sequence[Service],
    *endpoints: str,
    config: ServerConfig | None = None,
    interceptors: Sequence[ServerInterceptor] = (),
) -> Server:
    """A server of services on endpoints; enter it with ``async with``.

    Health and reflection are served beside them, as the configuration has it; with an empty list, they alone.
    Leaving it drains: calls in flight have ``config.drain_grace_s`` seconds to finish, then they are cancelled.
    Leaving it by an error or a cancellation stops at once.

    Raises:
        ConfigError: a URL is wrong, two services serve one method, an argument is not what it should be, or the
            configuration has certificates and no endpoint is encrypted; when it is entered: an address cannot be bound.
        MissingExtraError: a wire, or reflection that is asked for, needs a package that is not installed; the message
            names the command.
    """
    given, parsed, settings, wrappers = checked_arguments(services, endpoints, config, interceptors)
    health = Health(_names(given))
    dispatcher = ServiceDispatcher(_with_our_own(given, health, settings), wrappers, health)
    return Server(dispatcher, parsed, settings, health, wire_of)


def _names(services: Sequence[Service]) -> list[str]:
    """The full names of the services."""
    return list(dict.fromkeys(binding.method.service for service in services for binding in service._bindings()))


def _with_our_own(services: Sequence[Service], health: Health, config: ServerConfig) -> Sequence[Service]:
    """The services with those that the runtime adds; one of the same name among them takes the place of ours."""
    if config.health and HEALTH_SERVICE not in _names(services):
        services = (*services, HealthService(health))
    return (*services, *reflection_of(services, config.reflection))


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
    with _handlers_kept(), anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
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
                await server._end(math.inf)
                tasks.cancel_scope.cancel()
            await server.stop()


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Leaves both signals to whoever had them: asyncio puts defaults in their place, also where one was ignored."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not signal.getsignal(number) and handler is not None:  # None: set by no Python code
                signal.signal(number, handler)
