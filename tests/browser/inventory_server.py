"""A server of all four kinds of call, and of the page that makes them; a program that runs until it is killed.

python -m tests.browser.inventory_server FOLDER    FOLDER has the page
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import anyio

from eventflux_node.service import NodeService
from eventflux_runtime import Context, NotFound, Page, Server, ServerConfig, WebConfig, serve_forever
from inventory_sdk import (
    ChangeSummary,
    GetItemRequest,
    InventoryService,
    Item,
    ItemOriginPlant,
    Plant,
    Reservation,
    ReservationResult,
    ReservationResultOutcomeConfirmation,
    StockChange,
    StockChangeChangeAdded,
    WatchRequest,
)

__all__ = ["GREATEST", "Inventory"]

GREATEST: Final = 2**63 - 1
_FIRST_CHANGES: Final = 100_000


class Inventory(InventoryService):
    """Answers by what it is asked for: an item is a ladder, ``slow``, unknown, or what the server has counted."""

    def __init__(self) -> None:
        self._left = 0
        self._cut_off = 0

    async def get_item(self, request: GetItemRequest, context: Context) -> Item:
        """One item, or the count of calls that clients have left or that ran out of time."""
        if "echo" in context.metadata:
            await context.send_initial_metadata({"echoed": str(context.metadata["echo"])})
            context.set_trailers({"trailing": "behind"})
        if request.sku == "slow":
            await self._linger()
        if request.sku == "counts":
            return Item(sku="counts", stock={"left": self._left, "cut off": self._cut_off})
        if request.sku != "ladder":
            raise NotFound(f"there is no {request.sku}", metadata={"asked-for": request.sku})
        origin = Plant(name="Porto", line=7)
        return Item(sku="ladder", title="Ladder", price_cents=GREATEST, tags=["long"], origin=ItemOriginPlant(origin))

    async def record_changes(self, requests: AsyncIterator[StockChange], context: Context) -> ChangeSummary:
        """The numbers of the changes, as they have arrived."""
        numbers = [request.sequence async for request in requests]
        return ChangeSummary(changes=len(numbers), delta={str(number): -(2**63) for number in numbers})

    async def watch_items(self, request: WatchRequest, context: Context) -> AsyncIterator[StockChange]:
        """Many changes, or one and then silence."""
        count = 1 if request.skus == ["quiet"] else _FIRST_CHANGES
        try:
            for sequence in range(count):
                yield StockChange(sku="ladder", shelf="A", change=StockChangeChangeAdded(1), sequence=sequence)
            await anyio.sleep_forever()
        finally:
            self._left += 1

    async def reserve(self, requests: AsyncIterator[Reservation], context: Context) -> AsyncIterator[ReservationResult]:
        """Confirms each reservation by its item and its place."""
        place = 0
        async for request in requests:
            place += 1
            yield ReservationResult(outcome=ReservationResultOutcomeConfirmation(f"{request.sku}-{place}"))

    async def _linger(self) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            self._cut_off += 1


def _pages(folder: Path) -> dict[str, Page]:
    script = Page(body=(folder / "probe.js").read_bytes(), content_type="text/javascript; charset=utf-8")
    return {"/": Page(body=(folder / "index.html").read_bytes()), "/probe.js": script}


def _announce(server: Server) -> None:
    print(*server.endpoints, flush=True)


async def _serve(folder: Path) -> None:
    config = ServerConfig(web=WebConfig(origins=("same-origin",), pages=_pages(folder)))
    services = [Inventory(), NodeService(node_id="probed", version="1")]
    await serve_forever(services, "tcp+ws://127.0.0.1:0", config=config, on_started=_announce)


if __name__ == "__main__":
    anyio.run(_serve, Path(sys.argv[1]))
