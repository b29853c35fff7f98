"""A server on the event loop of a thread of its own, for clients that block."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio.from_thread import BlockingPortal

from eventflux_runtime import ClientConfig, Context, InvalidArgument, Server, ServerConfig, Service, blocking
from eventflux_runtime.blocking import BlockingChannel
from eventflux_transport import TransportBlockingClient
from inventory_sdk import (
    ChangeSummary,
    GetItemRequest,
    InventoryService,
    Item,
    Reservation,
    ReservationResult,
    StockChange,
    WatchRequest,
)
from tests.support.probe import Probe
from tests.support.wires import address, client_config, serve

PATIENCE_S = 50
"""Below the limit of a test: a machine may be busy."""
AT_ONCE = ServerConfig(drain_grace_s=0)


class Inventory(InventoryService):
    """Has a method of each kind; its client-streaming one is what the shipped IDL lacks."""

    async def get_item(self, request: GetItemRequest, context: Context) -> Item:
        return Item(sku=request.sku)

    async def record_changes(self, requests: AsyncIterator[StockChange], context: Context) -> ChangeSummary:
        await context.send_initial_metadata({"seen": "soon"})
        count = 0
        async for request in requests:
            if not request.sku:
                raise InvalidArgument("a change needs a sku")
            count += 1
        context.set_trailers({"count": str(count)})
        return ChangeSummary(changes=count)

    async def watch_items(self, request: WatchRequest, context: Context) -> AsyncIterator[StockChange]:
        yield StockChange()

    async def reserve(self, requests: AsyncIterator[Reservation], context: Context) -> AsyncIterator[ReservationResult]:
        yield ReservationResult()


@dataclass
class Served:
    """A probe that is served, and a blocking client of it."""

    portal: BlockingPortal
    service: Probe
    server: Server
    url: str
    channel: BlockingChannel
    client: TransportBlockingClient

    def wait(self, event: anyio.Event) -> None:
        """Waits for an event of the service."""
        self.portal.call(within, event)


async def within(event: anyio.Event) -> None:
    """Waits for an event, but not for ever."""
    with anyio.fail_after(PATIENCE_S):
        await event.wait()


@contextmanager
def serving(
    portal: BlockingPortal, services: Sequence[Service], *urls: str, config: ServerConfig = AT_ONCE
) -> Iterator[Server]:
    """A server that runs on the portal's loop."""

    async def start() -> Server:
        return await serve(services, *urls, config=config).open()

    server = portal.call(start)
    try:
        yield server
    finally:
        portal.call(server.aclose)


@contextmanager
def served(
    portal: BlockingPortal,
    wire: str,
    tmp_path: Path,
    config: ClientConfig | None = None,
    server_config: ServerConfig = AT_ONCE,
) -> Iterator[Served]:
    """A probe on a wire, and an open channel to it."""
    service = Probe()
    with serving(portal, [service, Inventory()], address(wire, tmp_path), config=server_config) as server:
        url = server.endpoints[0]
        with blocking.connect(url, config=client_config(config, url)) as channel:
            yield Served(portal, service, server, url, channel, TransportBlockingClient(channel))
