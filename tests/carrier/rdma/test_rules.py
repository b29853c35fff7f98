"""What RDMA hardware demands, asserted by a provider in memory: the whole carrier, on each event loop."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import pytest

from eventflux_runtime import ClientConfig, ServerConfig
from eventflux_runtime.carrier.api import Pipe
from eventflux_runtime.carrier.rdma import declaration as d
from eventflux_runtime.carrier.rdma.carrier import RdmaCarrier
from eventflux_runtime.carrier.rdma.frame import ACK, CLOSE, DATA, LEAST_DEPTH, OFFER
from eventflux_runtime.carrier.rdma.link import READ_BYTES
from eventflux_runtime.carrier.rdma.rendezvous import WINDOW_BYTES
from eventflux_runtime.net.event_loop import open_reactor
from eventflux_runtime.rpc.endpoint import parse_endpoint
from tests.support.fake_fabric import FakeFabric

LONG_S = 20
NO_VIRTUAL = d.MR_LOCAL | d.MR_ALLOCATED
KB, MB = 1024, 1024 * 1024


@dataclass
class Side:
    """A `PipeHandler` that keeps what it is told."""

    pipe: Pipe
    received: bytearray = field(default_factory=bytearray)
    told: list[str] = field(default_factory=list)
    error: Exception | None = None
    changed: anyio.Event = field(default_factory=anyio.Event)
    pauses: bool = False

    def _note(self, what: str) -> None:
        self.told.append(what)
        self.changed.set()
        self.changed = anyio.Event()

    def on_data(self, data: bytes) -> None:
        self.received += data
        if self.pauses:
            self.pipe.pause_reading()
        self._note("data")

    def on_eof(self) -> None:
        self._note("eof")

    def on_lost(self, error: Exception | None) -> None:
        self.error = error
        self._note("lost")

    def on_congested(self) -> None:
        self._note("congested")

    def on_writable(self) -> None:
        self._note("writable")

    async def has(self, size: int) -> None:
        while len(self.received) < size:
            await self.changed.wait()

    async def hears(self, what: str) -> None:
        while what not in self.told:
            await self.changed.wait()


@asynccontextmanager
async def pair(fabric: FakeFabric) -> AsyncIterator[tuple[Side, Side]]:
    """A client's and a server's end of a connection; everything that was opened is closed at the end."""
    carrier = RdmaCarrier(lambda: fabric.library)
    endpoint = parse_endpoint("rdma://127.0.0.1:7070?provider=fake")
    with anyio.fail_after(LONG_S):
        async with open_reactor() as reactor:
            listener = await carrier.bind(endpoint, ServerConfig(), (), reactor)
            accepted: list[Pipe] = []
            arrived = anyio.Event()

            def accept(pipe: Pipe) -> None:
                accepted.append(pipe)
                arrived.set()

            listener.start(accept)
            pipe = await carrier.connect(endpoint, ClientConfig(), (), reactor)
            await arrived.wait()
            sides = Side(pipe), Side(accepted[0])
            for side in sides:
                side.pipe.start(side)
            try:
                yield sides
            finally:
                fabric.is_stuck = False
                for side in sides:
                    side.pipe.abort()
                for side in sides:
                    await side.pipe.wait_closed()
                await listener.aclose()
    assert fabric.faults == []
    assert fabric.open == set()


@pytest.mark.parametrize("mr_mode", [0, NO_VIRTUAL, NO_VIRTUAL | d.MR_VIRT_ADDR | d.MR_PROV_KEY])
@pytest.mark.parametrize("capabilities", [d.MSG | d.RMA, d.MSG], ids=["reads", "no reads"])
async def test_all_arrives_in_order_both_ways(mr_mode: int, capabilities: int) -> None:
    fabric = FakeFabric(mr_mode, mr_mode=mr_mode, capabilities=capabilities)
    chance = random.Random(mr_mode)
    sizes = [1, 56, 57, 16_376, 16_377, 64 * KB - 1, 64 * KB, 300 * KB, MB, MB + 1, 3 * MB]
    chance.shuffle(sizes)
    async with pair(fabric) as sides:
        expected = [bytearray(), bytearray()]
        for side, all_bytes in zip(sides, expected, strict=True):
            for _ in range(20):  # some are alone in their message, and short enough to be injected
                side.pipe.write(b"x")
            all_bytes.extend(b"x" * 20)
        for size in sizes:
            for side, all_bytes in zip(sides, expected, strict=True):
                data = chance.randbytes(size)
                side.pipe.write(data)
                all_bytes.extend(data)
        await sides[0].has(len(expected[1]))
        await sides[1].has(len(expected[0]))
        assert sides[0].received == expected[1]
        assert sides[1].received == expected[0]
        for side in sides:
            while side.pipe.unsent_bytes:
                await anyio.lowlevel.checkpoint()
    assert (OFFER in fabric.kinds) == bool(capabilities & d.RMA)
    assert fabric.injected


async def test_what_was_written_arrives_before_the_end_and_both_ends_are_orderly() -> None:
    fabric = FakeFabric(1)
    async with pair(fabric) as (client, server):
        client.pipe.write(b"first")
        client.pipe.write(bytes(2 * MB))
        client.pipe.close()
        client.pipe.write(b"dropped")
        await server.hears("lost")
        await client.hears("lost")
        assert len(server.received) == 5 + 2 * MB
        assert (server.told[-2:], server.error, client.error) == (["eof", "lost"], None, None)
        assert client.told in (["congested", "lost"], ["lost"])
    assert fabric.kinds.count(CLOSE) == 2


async def test_a_side_that_pauses_gets_no_more_than_its_buffers_and_hinders_nothing_the_other_way() -> None:
    fabric = FakeFabric(2)
    async with pair(fabric) as (client, server):
        server.pauses = True
        client.pipe.write(b"x")
        await server.has(1)
        for _ in range(100):
            client.pipe.write(bytes(32 * KB))
        client.pipe.write(bytes(MB))
        assert client.pipe.is_congested
        server.pipe.write(b"y" * 5 * MB)
        await client.has(5 * MB)
        assert len(server.received) <= 32 * 16 * KB
        server.pauses = False
        server.pipe.resume_reading()
        await server.has(1 + 3200 * KB + MB)
        await client.hears("writable")


async def test_both_may_pause_and_nothing_is_sent_to_and_fro() -> None:
    fabric = FakeFabric(3, again=0)
    async with pair(fabric) as sides:
        for side in sides:
            side.pauses = True
            side.pipe.write(bytes(900 * KB // 64))
        for side in sides:
            await side.has(1)
            for _ in range(60):
                side.pipe.write(bytes(16 * KB))
        for _ in range(200):
            await anyio.lowlevel.checkpoint()
        before = fabric.kinds.count(ACK)
        for _ in range(500):
            await anyio.lowlevel.checkpoint()
        assert fabric.kinds.count(ACK) == before
        for side in sides:
            side.pauses = False
            side.pipe.resume_reading()
        for side in sides:
            await side.has(900 * KB // 64 + 960 * KB)


async def test_what_is_offered_congests_nothing_as_what_a_socket_has_taken() -> None:
    fabric = FakeFabric(10, again=0)
    async with pair(fabric) as (client, server):
        fabric.is_stuck = True
        for _ in range(5):
            client.pipe.write(bytes(MB))
        assert (client.pipe.unsent_bytes, client.pipe.is_congested) == (5 * MB, False)
        client.pipe.write(b"x")
        assert (client.pipe.is_congested, client.told) == (True, ["congested"])
        fabric.is_stuck = False
        await client.hears("writable")
        await server.has(5 * MB + 1)


async def test_what_is_offered_is_delivered_part_by_part() -> None:
    fabric = FakeFabric(11)
    async with pair(fabric) as (client, server):
        client.pipe.write(bytes(MB))
        await server.has(MB)
        assert server.told == ["data"] * (MB // READ_BYTES)
    assert fabric.kinds.count(OFFER) == 1


async def test_a_card_with_short_queues() -> None:
    fabric = FakeFabric(12, depth=LEAST_DEPTH)
    async with pair(fabric) as sides:
        for side in sides:
            side.pipe.write(bytes(MB + 1))
        for side in sides:
            await side.has(MB + 1)


async def test_what_is_registered_is_bounded() -> None:
    fabric = FakeFabric(4)
    async with pair(fabric) as (client, server):
        fabric.most_registered = 0
        client.pipe.write(bytes(20 * MB))
        await server.has(20 * MB)
    buffers = 2 * 48 * 16 * KB + 2 * MB
    assert fabric.most_registered <= WINDOW_BYTES + buffers


async def test_where_no_memory_can_be_registered_it_goes_in_messages() -> None:
    fabric = FakeFabric(5)
    async with pair(fabric) as (client, server):
        fabric.refuses_memory = True
        client.pipe.write(bytes(2 * MB))
        await server.has(2 * MB)
    assert OFFER not in fabric.kinds


async def test_memory_to_read_into_may_be_had_later() -> None:
    fabric = FakeFabric(13)
    async with pair(fabric) as (client, server):
        fabric.refusals = 3
        client.pipe.write(bytes(MB))
        await server.has(MB)
    assert fabric.refusals == 0


async def test_without_memory_to_read_into_the_connection_ends_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventflux_runtime.carrier.rdma.rendezvous.REFUSED_S", 0.01)
    fabric = FakeFabric(14)
    async with pair(fabric) as (client, server):
        fabric.refusals = 10**9
        client.pipe.write(bytes(MB))
        await server.hears("lost")
        await client.hears("lost")
        assert "cannot register 262144 bytes of memory (see ulimit -l)" in str(server.error)


@pytest.mark.parametrize("size", [100, 2 * MB])
@pytest.mark.parametrize("how", ["abort", "close"])
async def test_an_end_in_the_middle(size: int, how: str) -> None:
    fabric = FakeFabric(6, again=0)
    async with pair(fabric) as (client, server):
        fabric.is_stuck = True
        for side in (client, server):
            for _ in range(3):
                side.pipe.write(bytes(size))
        getattr(server.pipe, how)()
        await client.hears("lost")
        await server.hears("lost")
        if (how, size) == ("close", 100):  # all had left, and arrives
            assert ("eof" in client.told, client.error, len(client.received)) == (True, None, 300)
        else:
            assert isinstance(client.error, ConnectionResetError)
        assert server.error is None
        assert client.pipe.unsent_bytes == 0


async def test_a_message_of_a_peer_that_breaks_the_rules() -> None:
    fabric = FakeFabric(7, again=0)
    async with pair(fabric) as (client, server):
        fabric.is_stuck = True
        client.pipe.write(b"x" * 100)
        (endpoint,) = [one for _, one in fabric._things.values() if getattr(one, "outgoing", ())]
        endpoint.outgoing[0].kept = b"\x09" + endpoint.outgoing[0].kept[1:]
        endpoint.outgoing[0].kind = "inject"  # what was sent is not compared with what arrives
        fabric.is_stuck = False
        await server.hears("lost")
        assert "kind 9, and there are those from 1 to 4" in str(server.error)
        await client.hears("lost")
    assert DATA in fabric.kinds


async def test_nobody_listens() -> None:
    fabric = FakeFabric(8)
    carrier = RdmaCarrier(lambda: fabric.library)
    async with open_reactor() as reactor:
        with pytest.raises(ConnectionRefusedError):
            await carrier.connect(parse_endpoint("rdma://127.0.0.1:7?provider=fake"), ClientConfig(), (), reactor)
    assert (fabric.faults, fabric.open) == ([], set())


async def test_a_connection_that_nobody_answers_is_given_up() -> None:
    fabric = FakeFabric(9)
    carrier = RdmaCarrier(lambda: fabric.library)
    endpoint = parse_endpoint("rdma://127.0.0.1:7070?provider=fake")
    async with open_reactor() as reactor:
        listener = await carrier.bind(endpoint, ServerConfig(), (), reactor)
        with anyio.move_on_after(0.05) as scope:
            await carrier.connect(endpoint, ClientConfig(), (), reactor)
        assert scope.cancelled_caught
        await listener.aclose()
    assert (fabric.faults, fabric.open) == ([], set())
