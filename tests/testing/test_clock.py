"""What a clock that a test moves reaches: the deadlines, pauses and pings of channels and servers over memory."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from eventflux_runtime import (
    ClientConfig,
    Context,
    DeadlineExceeded,
    EjectionConfig,
    KeepaliveConfig,
    RetryPolicy,
    Unavailable,
    connect,
    serve,
)
from eventflux_runtime.testing import (
    AutojumpEventLoop,
    FakeService,
    ManualClock,
    memory_endpoint,
    serve_in_memory,
)
from eventflux_transport import HeartbeatRequest, HeartbeatResponse, TransportClient, TransportService
from inventory_sdk import GetItemRequest, InventoryClient, InventoryService, Item
from tests.support.jumping import anyio_backend

__all__ = ["anyio_backend"]


async def think(request: GetItemRequest, context: Context) -> Item:
    await anyio.sleep(3600)
    return Item(sku=request.sku)


async def test_an_hour_of_pings_and_a_deadline() -> None:
    config = ClientConfig(keepalive=KeepaliveConfig(interval_s=30, timeout_s=10))
    async with serve_in_memory(FakeService(InventoryService, get_item=think), client_config=config) as channel:
        client = InventoryClient(channel)
        assert (await client.get_item(GetItemRequest(sku="a"), timeout_s=3601)).sku == "a"
        began_at = anyio.current_time()
        with pytest.raises(DeadlineExceeded):
            await client.get_item(GetItemRequest(), timeout_s=3599)
        assert anyio.current_time() - began_at == pytest.approx(3599, abs=1)


async def test_pauses_between_attempts() -> None:
    retry = RetryPolicy(max_attempts=3, initial_backoff_s=100, max_backoff_s=100)
    fake = FakeService(TransportService, heartbeat=[Unavailable, Unavailable, HeartbeatResponse(server_node_id="n")])
    async with serve_in_memory(fake, client_config=ClientConfig(retry=retry)) as channel:
        began_at = anyio.current_time()
        assert (await TransportClient(channel).heartbeat(HeartbeatRequest(), timeout_s=1000)).server_node_id == "n"
        assert anyio.current_time() - began_at > 1


async def test_ejection() -> None:
    bad = FakeService(InventoryService, get_item=Unavailable)
    good = FakeService(InventoryService, get_item=Item(sku="a"))
    urls = [memory_endpoint(), memory_endpoint()]
    config = ClientConfig(
        retry=RetryPolicy(max_attempts=1),
        balancer="round_robin",
        ejection=EjectionConfig(consecutive_failures=1, ejection_s=600, max_ejection_s=600),
    )
    async with serve([bad], urls[0]), serve([good], urls[1]), connect(urls, config=config) as channel:
        client = InventoryClient(channel)
        for _ in range(6):
            try:
                await client.get_item(GetItemRequest())
            except Unavailable:
                continue
        assert len(bad.seen) == 1
        await anyio.sleep(601)
        for _ in range(2):
            try:
                await client.get_item(GetItemRequest())
            except Unavailable:
                continue
        assert len(bad.seen) == 2


def test_a_loop_that_is_moved_by_hand() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, AutojumpEventLoop)
        fired: list[float] = []
        loop.call_later(50, lambda: fired.append(loop.time()))
        before = loop.time()
        loop.clock.advance(60)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return fired[0] - before

    with asyncio.Runner(loop_factory=AutojumpEventLoop) as runner:
        assert runner.run(main()) == 60


def test_a_clock_does_not_go_back() -> None:
    clock = ManualClock()
    with pytest.raises(ValueError, match="cannot go back by 1 s"):
        clock.advance(-1)
