"""QUIC over networks that lose, double and reorder datagrams, forget where a client is, or are gone for a while."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from eventflux_runtime import ClientConfig, KeepaliveConfig, PoolConfig, ServerConfig, TlsConfig, Unavailable
from eventflux_transport import EventRequest, Message, TransportClient
from tests.support.probe import Probe
from tests.support.udp_relay import CALM, UdpRelay, Weather, relayed
from tests.support.wires import connect, serve

pytest.importorskip("qh3", reason="the extra quic is not installed")

from eventflux_runtime.carrier.quic.tls import Credentials, client_configuration

LONG_S = 50
QUICK = KeepaliveConfig(interval_s=0.3, timeout_s=0.7)
SERVER = ServerConfig(drain_grace_s=0)


@asynccontextmanager
async def across(
    weather: Weather = CALM,
    client_config: ClientConfig | None = None,
    server_config: ServerConfig = SERVER,
) -> AsyncIterator[tuple[UdpRelay, TransportClient, Probe]]:
    probe = Probe()
    with anyio.fail_after(LONG_S):
        async with serve([probe], "quic://127.0.0.1:0", config=server_config) as server:
            with relayed(server.endpoints[0], weather) as (relay, url):
                async with connect(url, config=client_config) as channel:
                    yield relay, TransportClient(channel), probe


@pytest.mark.slow
@pytest.mark.parametrize("loss", [0.0, 0.02, 0.1])
async def test_every_call_comes_out_right_on_a_bad_network(loss: float) -> None:
    weather = Weather(loss=loss, doubled=0.05, late=0.1)
    config = ClientConfig(connect_timeout_s=20, pool=PoolConfig(acquire_timeout_s=40))
    async with across(weather, config) as (relay, client, _):
        payload = bytes(range(256)) * 250
        replies: dict[str, bytes] = {}

        async def call(name: str) -> None:
            replies[name] = (await client.send_message(Message(id=name, payload=payload))).payload

        async def stream() -> None:
            async with client.stream_messages() as calls:
                for index in range(30):
                    await calls.send(Message(id=str(index), payload=payload[:3000]))
                    assert (await calls.receive()).id == str(index)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stream)
            for index in range(12):
                tasks.start_soon(call, str(index))
        assert replies == {str(index): payload for index in range(12)}
        assert (relay.lost > 0) is (loss > 0)


async def test_a_client_whose_address_changes_goes_on() -> None:
    async with across() as (relay, client, probe):
        async with client.stream_messages() as stream:
            for index in range(6):
                await stream.send(Message(id=str(index)))
                assert (await stream.receive()).id == str(index)
                if index in (2, 4):
                    relay.move()
        assert (await client.send_message(Message(id="after"))).id == "after"
        assert len({context.peer.address for context in probe.contexts}) == 1  # one connection, as the server knows it


async def test_a_blackout_that_is_shorter_than_the_keepalive_costs_time_alone() -> None:
    async with across() as (relay, client, _):
        await client.send_message(Message())
        relay.is_dark = True
        with anyio.move_on_after(1.5) as scope:
            await client.send_message(Message(id="lost"), timeout_s=30)
        assert scope.cancelled_caught
        async with anyio.create_task_group() as tasks:

            async def call() -> None:
                assert (await client.send_message(Message(id="kept"), timeout_s=40)).id == "kept"

            tasks.start_soon(call)
            await anyio.wait_all_tasks_blocked()
            relay.is_dark = False


async def test_a_client_notices_a_partition_and_finds_back() -> None:
    config = ClientConfig(keepalive=QUICK, pool=PoolConfig(acquire_timeout_s=40))
    async with across(client_config=config) as (relay, client, _):
        async with client.stream_events(EventRequest(node_id="linger")) as events:
            await events.receive()
            relay.is_dark = True
            began = anyio.current_time()
            with pytest.raises(Unavailable):
                await events.receive()
            assert anyio.current_time() - began < QUICK.interval_s + QUICK.timeout_s + 3
        relay.is_dark = False
        assert (await client.send_message(Message(id="back"), wait_for_ready=True)).id == "back"


async def test_a_server_notices_a_partition() -> None:
    config = ServerConfig(keepalive=QUICK, drain_grace_s=0)
    async with (
        across(client_config=ClientConfig(keepalive=None), server_config=config) as (relay, client, probe),
        client.stream_events(EventRequest(node_id="linger")) as events,
    ):
        await events.receive()
        await probe.started.wait()
        relay.is_dark = True
        with anyio.fail_after(QUICK.interval_s + QUICK.timeout_s + 3):
            await probe.cancelled.wait()


async def test_silence_alone_breaks_nothing() -> None:
    # Several intervals in which nothing but pings travels.
    config = ServerConfig(keepalive=QUICK, drain_grace_s=0)
    async with (
        across(client_config=ClientConfig(keepalive=QUICK), server_config=config) as (relay, client, probe),
        client.stream_events(EventRequest(node_id="linger")) as events,
    ):
        await events.receive()
        before = relay.passed[True]
        while relay.passed[True] < before + 4:  # noqa: ASYNC110 - the relay is a thread, and has no event for this
            await anyio.sleep(0.05)
        probe.release.set()
        assert [event async for event in events] == []


def test_without_keepalive_a_connection_stays() -> None:
    configuration = client_configuration(Credentials(TlsConfig(), authorities=b""), ("eft/1",), "name", None)
    assert configuration.idle_timeout == 0
