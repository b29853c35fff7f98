"""`serve` and `serve_forever`: from services and URLs to a server, in this process or in several."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, overload

import anyio

from eventflux_runtime.health.board import Health
from eventflux_runtime.health.method import HEALTH_SERVICE
from eventflux_runtime.net.event_loop import running_backend
from eventflux_runtime.net.stop_signal import STOP_SIGNALS, handlers_kept
from eventflux_runtime.rpc.config import ServerConfig
from eventflux_runtime.server.argument import checked_arguments
from eventflux_runtime.server.dispatch import ServiceDispatcher
from eventflux_runtime.server.health_service import HealthService
from eventflux_runtime.server.interceptor import ServerInterceptor
from eventflux_runtime.server.reflection_service import reflection_of
from eventflux_runtime.server.server import Server
from eventflux_runtime.server.service import Service
from eventflux_runtime.server.service_source import ServiceSource, made_services
from eventflux_runtime.telemetry.report import Reporter
from eventflux_runtime.wire.registry import wire_of

if TYPE_CHECKING:
    from eventflux_runtime.workers.job import Job, OnServing
    from eventflux_runtime.workers.order import Orders
    from eventflux_runtime.workers.supervisor import Workers

__all__ = ["serve", "serve_forever"]

_STATS_SERVICE: Final = "eventflux.stats.v1.Stats"


def serve(
    services: Sequence[Service],
    *endpoints: str,
    config: ServerConfig | None = None,
    interceptors: Sequence[ServerInterceptor] = (),
) -> Server:
    """A server of services on endpoints; enter it with ``async with``.

    Health, stats and reflection are served beside them, as the configuration has it; with an empty list, they alone.
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
    reporter = Reporter()
    dispatcher = ServiceDispatcher(_with_our_own(given, health, settings, reporter), wrappers, health)
    server = Server(dispatcher, parsed, _with_metrics(settings, reporter), health, wire_of)
    reporter.read = server.stats
    return server


def _names(services: Sequence[Service]) -> list[str]:
    """The full names of the services."""
    return list(dict.fromkeys(binding.method.service for service in services for binding in service._bindings()))


def _with_our_own(
    services: Sequence[Service], health: Health, config: ServerConfig, reporter: Reporter
) -> Sequence[Service]:
    """The services with those that the runtime adds; one of the same name among them takes the place of ours."""
    names = _names(services)
    if config.health and HEALTH_SERVICE not in names:
        services = (*services, HealthService(health))
    if config.stats and _STATS_SERVICE not in names:
        from eventflux_runtime.telemetry.service import StatsService  # noqa: PLC0415 - few servers load it

        services = (*services, StatsService(reporter, health))
    return (*services, *reflection_of(services, config.reflection))


def _with_metrics(config: ServerConfig, reporter: Reporter) -> ServerConfig:
    """The configuration with the page of metrics among its pages, where one is asked for."""
    web = config.web
    if web is None or web.metrics is None:
        return config
    from eventflux_runtime.telemetry.page import metrics_page  # noqa: PLC0415 - few servers load it

    pages = {**web.pages, web.metrics: lambda: metrics_page(reporter.read())}
    return replace(config, web=replace(web, metrics=None, pages=pages))


@overload
async def serve_forever(
    services: ServiceSource,
    *endpoints: str,
    config: ServerConfig | None = None,
    interceptors: Sequence[ServerInterceptor] = (),
    on_started: Callable[[Server], None] | None = None,
    on_draining: Callable[[], None] | None = None,
    workers: None = None,
) -> None: ...


@overload
async def serve_forever(
    services: ServiceSource,
    *endpoints: str,
    config: ServerConfig | None = None,
    interceptors: Sequence[ServerInterceptor] = (),
    on_started: Callable[[Workers], None] | None = None,
    on_draining: Callable[[], None] | None = None,
    workers: int,
) -> None: ...


async def serve_forever(
    services: ServiceSource,
    *endpoints: str,
    config: ServerConfig | None = None,
    interceptors: Sequence[ServerInterceptor] = (),
    on_started: Callable[[Server], None] | Callable[[Workers], None] | None = None,
    on_draining: Callable[[], None] | None = None,
    workers: int | None = None,
) -> None:
    """Serves until SIGTERM or SIGINT, then drains; a second signal stops at once.

    With `workers`, so many processes serve on the same addresses, each on an event loop of the kind that runs here.
    This process serves nothing; it replaces workers that die, drains all of them at a signal, and at SIGHUP puts new
    ones in their places, one by one. They are spawned, not forked: what they are given has to be picklable, and the
    program that calls this must do so below ``if __name__ == "__main__":``.

    Args:
        services: as `serve` takes them; or a function that makes them, or the async context manager of them, on the
            event loop that serves them: in each worker, if there are any.
        endpoints: as `serve` takes them.
        config: as `serve` takes it.
        interceptors: as `serve` takes them.
        on_started: called once every endpoint is bound, by all workers if there are any: in this process, with the
            `Server` or the `Workers`.
        on_draining: called at the first signal, to end what would not end by itself, such as subscriptions; in each
            worker, if there are any.
        workers: how many processes serve; None: this one does.

    Raises:
        ConfigError: as `serve`; or a worker cannot serve, or cannot be sent what it is to serve.
    """
    if workers is not None:
        from eventflux_runtime.workers.run import checked_job, run_workers  # noqa: PLC0415 - multiprocessing loads slowly

        job = checked_job(_serve_as_worker, services, endpoints, config, interceptors, on_draining, running_backend())
        await run_workers(job, workers, on_started)  # type: ignore[arg-type] # as the overloads have it
        return
    with handlers_kept(*STOP_SIGNALS), anyio.open_signal_receiver(*STOP_SIGNALS) as signals:
        async with (
            made_services(services) as made,
            serve(made, *endpoints, config=config, interceptors=interceptors) as server,
        ):
            if on_started is not None:
                on_started(server)  # type: ignore[arg-type] # as the overloads have it
            await _serve_until_told(server, signals, on_draining)


async def _serve_as_worker(job: Job, orders: Orders, on_serving: OnServing) -> None:
    """Serves one worker's part of `serve_forever`."""
    async with (
        made_services(job.services) as made,
        serve(made, *job.endpoints, config=job.config, interceptors=job.interceptors) as server,
    ):
        on_serving(server.endpoints)
        await _serve_until_told(server, orders, job.on_draining)


async def _serve_until_told(
    server: Server, stops: AsyncIterator[object], on_draining: Callable[[], None] | None
) -> None:
    """Until the first item drains the server and another one, if it comes, stops it at once."""
    async for _ in stops:
        break
    if on_draining is not None:
        on_draining()
    async with anyio.create_task_group() as tasks:

        async def stop_at_once() -> None:
            async for _ in stops:
                tasks.cancel_scope.cancel()

        tasks.start_soon(stop_at_once)
        await server.drain()
        await server._end(math.inf)
        tasks.cancel_scope.cancel()
    await server.stop()
