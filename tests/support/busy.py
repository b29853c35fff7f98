"""An inventory that serves its stats, and is called all the time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import anyio
from anyio.from_thread import start_blocking_portal

from eventflux_runtime import NotFound, ServerConfig, connect, serve
from inventory_sdk import GetItemRequest, InventoryClient
from tests.support.shop import Shop

__all__ = ["busy_shop"]

_PAUSE_S = 0.01


@contextmanager
def busy_shop() -> Iterator[str]:
    """A server in a thread, which gets a call that succeeds and one that fails, again and again; its URL."""
    config = ServerConfig(stats=True, drain_grace_s=0)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(serve([Shop()], "tcp://127.0.0.1:0", config=config)) as server,
        portal.wrap_async_context_manager(_calling(server.endpoints[0])),
    ):
        yield server.endpoints[0]


@asynccontextmanager
async def _calling(url: str) -> AsyncGenerator[None]:
    async def call(client: InventoryClient) -> None:
        while True:
            await client.get_item(GetItemRequest(sku="bolt"))
            with suppress(NotFound):
                await client.get_item(GetItemRequest(sku="missing"))
            await anyio.sleep(_PAUSE_S)

    async with connect(url) as channel, anyio.create_task_group() as tasks:
        tasks.start_soon(call, InventoryClient(channel))
        yield
        tasks.cancel_scope.cancel()
