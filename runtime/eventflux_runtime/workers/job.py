"""What every worker serves, and how that travels into a new process."""

from __future__ import annotations

import pickle
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from eventflux_runtime.net.event_loop import Backend
from eventflux_runtime.rpc.config import ServerConfig
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.server.interceptor import ServerInterceptor
from eventflux_runtime.server.service_source import ServiceSource
from eventflux_runtime.workers.order import Orders

__all__ = ["Job", "OnServing", "Serving", "unpack"]

OnServing: TypeAlias = Callable[[Sequence[str]], None]
"""Takes the URLs that a worker serves, once all of them are bound."""

Serving: TypeAlias = "Callable[[Job, Orders, OnServing], Awaitable[None]]"
"""Serves a job in a worker until it has drained."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a worker serves, and on which kind of event loop."""

    serving: Serving
    services: ServiceSource
    endpoints: tuple[str, ...]
    config: ServerConfig
    interceptors: tuple[ServerInterceptor, ...]
    on_draining: Callable[[], None] | None
    backend: Backend

    def pack(self) -> bytes:
        """The job as bytes, in which classes and functions stand by their names.

        Raises:
            ConfigError: a part of it cannot leave this process.
        """
        try:
            return pickle.dumps(self)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise ConfigError(
                f"workers are processes of their own, and this cannot be sent to them: {error}; pass a function of a "
                "module, which makes the services in each worker"
            ) from error


def unpack(packed: bytes) -> Job:
    """The job that was packed in another process.

    Raises:
        ConfigError: what it names is not there.
    """
    try:
        job = pickle.loads(packed)
    except (AttributeError, ImportError) as error:
        raise ConfigError(
            f"what it is to serve cannot be found: {error}; services, and functions that make them, have to be in a "
            "module that can be imported"
        ) from error
    assert isinstance(job, Job)
    return job
