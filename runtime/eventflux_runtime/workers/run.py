"""From what `serve_forever` is given to workers that serve it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated, Final, TypeAlias

from eventflux_runtime.net.event_loop import Backend
from eventflux_runtime.rpc.checked import Limits, checked_value
from eventflux_runtime.rpc.config import ServerConfig
from eventflux_runtime.rpc.endpoint import parse_endpoint
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.web import WebConfig
from eventflux_runtime.server.argument import checked_arguments, checked_surroundings
from eventflux_runtime.server.interceptor import ServerInterceptor
from eventflux_runtime.server.service_source import ServiceSource, check_source
from eventflux_runtime.workers.job import Job, Serving
from eventflux_runtime.workers.reservation import Reservation
from eventflux_runtime.workers.supervisor import Supervisor, Workers

__all__ = ["MAX_WORKERS", "checked_job", "run_workers"]

MAX_WORKERS: Final = 1024
"""More than any machine has cores for, and few enough for a table of processes."""
_WorkerCount: TypeAlias = Annotated[int, Limits(1, MAX_WORKERS)]


def checked_job(
    serving: Serving,
    services: ServiceSource,
    urls: Sequence[str],
    config: ServerConfig | None,
    interceptors: Sequence[ServerInterceptor],
    on_draining: Callable[[], None] | None,
    backend: Backend,
) -> Job:
    """What each worker is to serve.

    Raises:
        ConfigError: an argument is not what it should be.
    """
    check_source(services)
    if callable(services):
        surroundings = checked_surroundings(urls, config, interceptors)
    else:
        surroundings = checked_arguments(services, urls, config, interceptors)
    return Job(
        serving=serving,
        services=services,
        endpoints=tuple(map(str, surroundings.endpoints)),
        config=replace(surroundings.config, reuse_port=True),
        interceptors=surroundings.interceptors,
        on_draining=on_draining,
        backend=backend,
    )


async def run_workers(job: Job, count: int, on_started: Callable[[Workers], None] | None) -> None:
    """Serves a job by so many workers until a signal ends them.

    Raises:
        ConfigError: an address cannot be bound, or a worker cannot serve.
    """
    count = checked_value("workers", count, _WorkerCount)
    _refuse_shared_metrics(job.config.web, count)
    held = await Reservation.of([parse_endpoint(url) for url in job.endpoints], job.config.socket)
    try:
        packed = replace(job, endpoints=tuple(held.urls)).pack()
        await Supervisor(packed, count, held, job.config.drain_grace_s, on_started).run()
    finally:
        held.close()


def _refuse_shared_metrics(web: WebConfig | None, count: int) -> None:
    """Each worker counts for itself, and Prometheus would read now this one's counters and now that one's."""
    if web is not None and web.metrics is not None and count > 1:
        raise ConfigError(
            f"WebConfig.metrics is set, and {count} workers would answer on one port in turn, each with counters of "
            "its own: leave it out, and have each worker send its metrics, by eventflux_runtime.otel for example"
        )
