"""The load of a run: open and closed, and who is charged for a server that stalls."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from eventflux_node.bench.load import run_load
from eventflux_node.bench.order import BenchOrder
from eventflux_node.bench.raw import RawRequest, ReceivedBytes, raw_method
from eventflux_node.bench.tally import Tally
from eventflux_runtime import AnyMethod, Channel, Context, ServerConfig, connect, serve
from eventflux_runtime.testing import memory_endpoint
from inventory_sdk import GetItemRequest, Item
from inventory_sdk.methods import INVENTORY_GET_ITEM
from tests.support.shop import Shop

STALL_S = 0.3


class StallingShop(Shop):
    """Answers at once, but for its first call."""

    def __init__(self) -> None:
        self.calls = 0
        self.in_flight = 0
        self.most = 0

    async def get_item(self, request: GetItemRequest, context: Context) -> Item:
        self.calls += 1
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        if self.calls == 1:
            await anyio.sleep(STALL_S)
        elif self.calls <= 10:
            await anyio.sleep(0.01)  # so that others come meanwhile
        self.in_flight -= 1
        return Item(sku=request.sku)


@asynccontextmanager
async def bound() -> AsyncIterator[tuple[StallingShop, Channel, AnyMethod, list[RawRequest], Tally]]:
    service = StallingShop()
    received = ReceivedBytes()
    method, raw = raw_method(INVENTORY_GET_ITEM, [GetItemRequest(sku="bolt")], received)
    async with (
        serve([service], memory_endpoint(), config=ServerConfig(drain_grace_s=0)) as server,
        connect(server.endpoints[0]) as channel,
    ):
        yield service, channel, method, raw, Tally(received)


async def test_calls_in_flight_are_as_many_as_were_asked_for() -> None:
    async with bound() as (service, channel, method, raw, tally):
        await run_load([channel], method, raw, BenchOrder(concurrency=5, count=50), tally)
    assert (service.calls, tally.calls, tally.in_flight, tally.unfinished) == (50, 50, 0, 0)
    assert service.most == 5
    assert tally.received_bytes == 50 * len(Item(sku="bolt").to_wire())


async def test_a_closed_load_has_one_slow_call() -> None:
    async with bound() as (_, channel, method, raw, tally):
        await run_load([channel], method, raw, BenchOrder(concurrency=1, count=20), tally)
    assert tally.latencies.maximum >= STALL_S * 1e9
    assert tally.latencies.percentile(0.9) < STALL_S * 1e9
    assert tally.late == 0


async def test_an_open_load_charges_the_server_for_all_that_it_held_up() -> None:
    async with bound() as (_, channel, method, raw, tally):
        # Twenty calls are due in the time of the stall, and each but the last waits for nearly a tenth of it or more.
        await run_load([channel], method, raw, BenchOrder(concurrency=1, count=20, rate=20 / STALL_S), tally)
    assert tally.late >= 15
    assert tally.latencies.percentile(0.5) >= STALL_S * 1e9 / 4


async def test_a_run_that_is_cancelled_keeps_what_it_has() -> None:
    async with bound() as (_, channel, method, raw, tally):
        with anyio.move_on_after(STALL_S / 3):
            await run_load([channel], method, raw, BenchOrder(concurrency=3, duration_s=60), tally)
        assert tally.calls > 0
        assert (tally.unfinished, tally.failed_calls) == (3, 0)
        assert tally.seconds < 30
