"""Where the services of a server come from: a list, or a function that makes them where they are served."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

from eventflux_runtime.rpc.checked import shown
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.server.service import Service

__all__ = ["ServiceFactory", "ServiceSource", "check_source", "made_services"]

ServiceFactory: TypeAlias = Callable[[], Sequence[Service] | AbstractAsyncContextManager[Sequence[Service]]]
"""Makes services on the event loop that will serve them. As an async context manager it also cleans up after them: what
it has opened, such as connections to a database, is left once the last call has ended."""

ServiceSource: TypeAlias = Sequence[Service] | ServiceFactory
"""What `serve_forever` takes: services, or what makes them."""


def check_source(source: object) -> None:
    """Checks a factory as far as that can be done without calling it.

    Raises:
        ConfigError: it is an ``async def``, which gives neither a list nor a context.
    """
    if inspect.iscoroutinefunction(source) or inspect.isasyncgenfunction(source):
        raise ConfigError(
            f"{shown(source)} makes services, so it is a plain function that returns a list of them, or has "
            "@contextlib.asynccontextmanager and yields that list once"
        )


@asynccontextmanager
async def made_services(source: ServiceSource) -> AsyncIterator[Sequence[Service]]:
    """The services of a source, for as long as the context is open.

    Raises:
        ConfigError: as `check_source`.
    """
    if not callable(source):
        yield source
        return
    check_source(source)
    made = source()
    if isinstance(made, AbstractAsyncContextManager):
        async with made as services:
            yield services
    else:
        yield made
