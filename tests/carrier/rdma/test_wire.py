"""The wire ``rdma`` over libfabric's own providers: what users see of providers, sizes, ends and resources."""

from __future__ import annotations

import gc
import os
import threading
from pathlib import Path
from typing import Any

import anyio
import pytest

from eventflux_runtime import ClientConfig, ConfigError, ServerConfig, TlsConfig, Unavailable, connect, serve
from eventflux_runtime.carrier.rdma.carrier import RdmaCarrier
from eventflux_runtime.carrier.rdma.link import BUFFER_BYTES, OFFER_BYTES
from eventflux_runtime.carrier.rdma.rendezvous import LEAST_OFFER_BYTES
from eventflux_runtime.net.event_loop import open_reactor
from eventflux_runtime.rpc.endpoint import parse_endpoint
from eventflux_transport import EventRequest, Message, TransportClient
from tests.scenario.test_failures import server_process
from tests.support.fake_fabric import FakeFabric
from tests.support.probe import Probe
from tests.support.wires import at, linked, why_missing

pytestmark = pytest.mark.skipif(bool(why_missing("rdma")), reason=why_missing("rdma") or "it is there")
URL = at("rdma")
LONG_S = 30
AT_ONCE = ServerConfig(drain_grace_s=0)


@pytest.mark.parametrize(
    "size",
    [near + off for near in (BUFFER_BYTES, LEAST_OFFER_BYTES, OFFER_BYTES, 4 * OFFER_BYTES) for off in (-400, 0)],
)
async def test_messages_of_each_size_arrive_whole(size: int, tmp_path: Path) -> None:
    payload = bytes(range(256)) * (size // 256) + bytes(size % 256)
    with anyio.fail_after(LONG_S):
        async with linked("rdma", tmp_path) as link:
            reply = await link.client.send_message(Message(payload=payload))
    assert reply.payload == payload


@pytest.mark.slow
async def test_many_large_messages_at_once(tmp_path: Path) -> None:
    received: dict[int, bytes] = {}

    async def call(client: TransportClient, number: int) -> None:
        payload = number.to_bytes(4, "big") * (50_000 * (1 + number % 7))
        received[number] = (await client.send_message(Message(payload=payload))).payload

    with anyio.fail_after(LONG_S):
        async with linked("rdma", tmp_path) as link, anyio.create_task_group() as tasks:
            for number in range(40):
                tasks.start_soon(call, link.client, number)
    for number, payload in received.items():
        assert payload == number.to_bytes(4, "big") * (50_000 * (1 + number % 7))
    assert len(received) == 40


@pytest.mark.slow
async def test_a_server_that_is_killed_amid_large_messages() -> None:
    outcomes: list[str] = []

    async def call(client: TransportClient) -> None:
        try:
            await client.send_message(Message(payload=bytes(8 * OFFER_BYTES)))
        except Unavailable:
            outcomes.append("unavailable")
        else:
            outcomes.append("answered")

    with anyio.fail_after(LONG_S), server_process("rdma") as (process, url):
        async with connect(url, config=ClientConfig(retry=None)) as channel:
            client = TransportClient(channel)
            await client.send_message(Message())
            async with anyio.create_task_group() as tasks:
                for _ in range(8):
                    tasks.start_soon(call, client)
                async with client.stream_events(EventRequest(node_id="linger")) as events:
                    await events.receive()
                    process.kill()
                    with pytest.raises(Unavailable):
                        await events.receive()
            assert len(outcomes) == 8
            assert "unavailable" in outcomes


def held() -> tuple[int, int]:
    """Descriptors of this process, and mappings of memory of its own."""
    with open("/proc/self/maps", encoding="ascii") as maps:
        return len(os.listdir("/proc/self/fd")), sum(1 for _ in maps)


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="the counts are Linux's")
@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # what is opened and closed is the same on each
@pytest.mark.usefixtures("anyio_backend")
async def test_hundreds_of_connections_leave_nothing() -> None:
    async def once(url: str) -> None:
        async with connect(url) as channel:
            assert (await TransportClient(channel).send_message(Message(payload=bytes(200_000)))).payload

    with anyio.fail_after(60):
        async with serve([Probe()], URL, config=AT_ONCE) as server:
            url = server.endpoints[0]
            counts: list[tuple[int, int]] = []
            for _ in range(10):
                async with anyio.create_task_group() as tasks:
                    for _ in range(20):
                        tasks.start_soon(once, url)
                while server.stats().endpoints[0].connections:
                    await anyio.lowlevel.checkpoint()
                counts.append(held())
    before, after = counts[1], counts[-1]
    # A connection has some eight descriptors and three mappings on its two sides; threads and malloc have theirs.
    assert after[0] <= before[0] + 4
    assert after[1] <= before[1] + 80


# -- providers


async def test_software_is_taken_only_where_it_is_named() -> None:
    async with connect("rdma://127.0.0.1:1") as channel:
        with pytest.raises(ConfigError, match=r"needs an RDMA card.*here: .*tcp.*name one that runs in software.*=tcp"):
            await TransportClient(channel).send_message(Message())
    with pytest.raises(ConfigError, match="needs an RDMA card"):
        async with serve([Probe()], "rdma://127.0.0.1:0"):
            pytest.fail("it listens on sockets")


async def test_a_provider_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match="no provider 'nobody' with connected endpoints here: it has .*tcp"):
        async with serve([Probe()], "rdma://127.0.0.1:0?provider=nobody"):
            pytest.fail("it listens")


def test_there_is_no_tls() -> None:
    with pytest.raises(ConfigError, match="there is no TLS on rdma://: write tcps://"):
        connect(URL.replace(":0", ":1"), config=ClientConfig(tls=TlsConfig()))


async def test_ports_are_not_shared() -> None:
    with pytest.raises(ConfigError, match="processes share no port on rdma://"):
        async with serve([Probe()], URL, config=ServerConfig(reuse_port=True)):
            pytest.fail("it listens")


@pytest.mark.parametrize("poll", [0, 200])
async def test_looking_often_in_place_of_sleeping(poll: int) -> None:
    with anyio.fail_after(LONG_S):
        async with serve([Probe()], f"{URL}&poll={poll}", config=AT_ONCE) as server:
            assert f"poll={poll}" in server.endpoints[0]
            async with connect(server.endpoints[0]) as channel:
                for _ in range(20):
                    await TransportClient(channel).send_message(Message())


async def test_a_provider_that_hangs_holds_up_nothing_but_its_own_attempt() -> None:
    hangs, goes_on = threading.Event(), threading.Event()

    class Hanging(FakeFabric):
        def fi_getinfo(self, *arguments: Any) -> int:
            hangs.set()
            goes_on.wait(LONG_S)
            return super().fi_getinfo(*arguments)

    fabric = Hanging()
    carrier = RdmaCarrier(lambda: fabric.library)
    endpoint = parse_endpoint("rdma://127.0.0.1:7070?provider=fake")
    try:
        async with open_reactor() as reactor:
            with anyio.move_on_after(0.2) as scope:
                await carrier.connect(endpoint, ClientConfig(), (), reactor)
            assert scope.cancelled_caught
            assert hangs.is_set()
    finally:
        goes_on.set()
    with anyio.fail_after(LONG_S):  # what comes of it at last is closed
        while fabric.open or not fabric._things:
            await anyio.lowlevel.checkpoint()
    assert fabric.faults == []


async def test_two_event_loops_in_two_threads(tmp_path: Path) -> None:
    def elsewhere(url: str) -> bytes:
        async def call() -> bytes:
            async with connect(url) as channel:
                return (await TransportClient(channel).send_message(Message(payload=bytes(300_000)))).payload

        return anyio.run(call)

    with anyio.fail_after(LONG_S):
        async with linked("rdma", tmp_path) as link:
            assert len(await anyio.to_thread.run_sync(elsewhere, link.url)) == 300_000


@pytest.mark.slow
async def test_a_forked_child_leaves_the_parents_connection_alone(tmp_path: Path) -> None:
    with anyio.fail_after(LONG_S):
        async with linked("rdma", tmp_path) as link:
            await link.client.send_message(Message())
            child = os.fork()
            if child == 0:
                gc.collect()
                os._exit(0)
            assert await anyio.to_thread.run_sync(os.waitpid, child, 0) == (child, 0)
            assert (await link.client.send_message(Message(id="still"))).id == "still"
