"""The reactor that suits the running event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from eventflux_runtime.net.reactor import Reactor

__all__ = ["Backend", "open_reactor", "running_backend", "start_reactor"]

Backend: TypeAlias = tuple[str, dict[str, Any]]
"""What `anyio.run` takes as `backend` and `backend_options`."""


def running_backend() -> Backend:
    """The kind of the event loop that runs here, to start another of its kind."""
    if not _is_asyncio():
        return "trio", {}
    is_uvloop = type(asyncio.get_running_loop()).__module__.partition(".")[0] == "uvloop"
    return "asyncio", {"use_uvloop": is_uvloop}


async def start_reactor() -> Reactor:
    """A reactor on the running event loop.

    asyncio and uvloop get the one that works on the loop's own futures, tasks and protocols; trio gets its own.
    """
    if _is_asyncio():
        from eventflux_runtime.net.asyncio_reactor import AsyncioReactor  # noqa: PLC0415 - the other is not loaded

        return AsyncioReactor()
    from eventflux_runtime.net.trio_reactor import start_trio_reactor  # noqa: PLC0415 - only trio's users have trio

    return await start_trio_reactor()


@asynccontextmanager
async def open_reactor() -> AsyncIterator[Reactor]:
    """A reactor that is closed when the context is left."""
    reactor = await start_reactor()
    try:
        yield reactor
    finally:
        await reactor.aclose()


def _is_asyncio() -> bool:
    # A running loop is not enough: trio in guest mode has one too, but no current task on it.
    try:
        return asyncio.current_task() is not None
    except RuntimeError:
        return False
