"""A peer that has fallen silent is noticed within interval + timeout; a peer that pings too much is heard."""

from __future__ import annotations

import logging
import os
import signal
from typing import Any

import anyio
import pytest

from eventflux_runtime import ClientConfig, KeepaliveConfig, ServerConfig, Unavailable, connect, serve
from eventflux_runtime.protocol.driver.settings import client_limits
from eventflux_runtime.protocol.ping_backoff import FACTOR, MAX_ENDPOINTS, PING_BACKOFF, PingBackoff
from eventflux_runtime.rpc.endpoint import parse_endpoint
from eventflux_runtime.rpc.status import StatusCode
from eventflux_transport import EventRequest, Message, TransportClient
from tests.scenario.test_failures import server_process
from tests.support.http2_peer import ENHANCE_YOUR_CALM, Peer, misbehaving
from tests.support.probe import Probe
from tests.support.proxy import proxied
from tests.support.wires import at

WIRES = ("tcp", "grpc", "rdma", "grpcio")
QUICK = KeepaliveConfig(interval_s=0.2, timeout_s=0.3)
NOTICED_S = QUICK.interval_s + QUICK.timeout_s
SLACK_S = 1.5
"""What a busy machine may add."""


@pytest.mark.parametrize("wire", WIRES)
async def test_a_client_notices_a_partition(wire: str) -> None:
    with anyio.fail_after(15):
        async with (
            serve([Probe()], at(wire), config=ServerConfig(drain_grace_s=0)) as server,
            proxied(server.endpoints[0]) as (proxy, url),
            connect(url, config=ClientConfig(keepalive=QUICK)) as channel,
            TransportClient(channel).stream_events(EventRequest(node_id="linger")) as events,
        ):
            await events.receive()
            proxy.is_silent = True
            started = anyio.current_time()
            with pytest.raises(Unavailable):
                await events.receive()
            assert anyio.current_time() - started < NOTICED_S + SLACK_S


@pytest.mark.parametrize("wire", WIRES)
async def test_a_server_notices_a_partition(wire: str) -> None:
    service = Probe()
    server_config = ServerConfig(keepalive=QUICK, drain_grace_s=0)
    with anyio.fail_after(15):
        async with (
            serve([service], at(wire), config=server_config) as server,
            proxied(server.endpoints[0]) as (proxy, url),
            connect(url, config=ClientConfig(keepalive=None)) as channel,
            TransportClient(channel).stream_events(EventRequest(node_id="linger")) as events,
        ):
            await events.receive()
            await service.started.wait()
            proxy.is_silent = True
            with anyio.fail_after(NOTICED_S + SLACK_S):
                await service.cancelled.wait()


@pytest.mark.slow
@pytest.mark.parametrize("wire", WIRES)
async def test_a_stopped_server(wire: str) -> None:
    with anyio.fail_after(30), server_process(wire) as (process, url):
        async with connect(url, config=ClientConfig(keepalive=QUICK)) as channel:
            client = TransportClient(channel)
            await client.send_message(Message())
            os.kill(process.pid, signal.SIGSTOP)
            started = anyio.current_time()
            with pytest.raises(Unavailable):
                await client.send_message(Message())
            assert anyio.current_time() - started < NOTICED_S + SLACK_S
            os.kill(process.pid, signal.SIGCONT)
            reply = await client.send_message(Message(id="back"), wait_for_ready=True, timeout_s=10.0)
            assert reply.id == "back"


@pytest.mark.parametrize("wire", WIRES)
async def test_silence_alone_breaks_nothing(wire: str) -> None:
    # Several intervals in which nothing but pings travels.
    service = Probe()
    with anyio.fail_after(15):
        async with (
            serve([service], at(wire), config=ServerConfig(keepalive=QUICK, drain_grace_s=0)) as server,
            proxied(server.endpoints[0]) as (proxy, url),
            connect(url, config=ClientConfig(keepalive=QUICK)) as channel,
            TransportClient(channel).stream_events(EventRequest(node_id="linger")) as events,
        ):
            await events.receive()
            before = proxy.upstream_bytes
            await proxy.wait_upstream(before + 4 * 17)  # an HTTP/2 ping has 17 bytes, ours has 18
            service.release.set()
            assert [event async for event in events] == []
            assert proxy.connections == 1


async def test_without_keepalive_nothing_is_sent() -> None:
    assert client_limits(ClientConfig(keepalive=None), parse_endpoint("tcp://h:1"))["ping_interval_s"] is None


# -- too many pings


async def test_a_client_pings_no_more_often_than_the_server_wants() -> None:
    eager = ClientConfig(keepalive=KeepaliveConfig(interval_s=0.001, timeout_s=5.0))
    with anyio.fail_after(15):
        async with (
            serve([Probe()], "tcp://127.0.0.1:0", config=ServerConfig(drain_grace_s=0)) as server,
            proxied(server.endpoints[0]) as (proxy, url),
            connect(url, config=eager) as channel,
        ):
            client = TransportClient(channel)
            await client.send_message(Message())
            before = proxy.upstream_bytes
            started = anyio.current_time()
            await anyio.sleep(1.5)  # more than the burst that a server forgives would last
            pings = (proxy.upstream_bytes - before) / 18
            assert 1 <= pings <= (anyio.current_time() - started) / 0.1 + 1
            await client.send_message(Message())
            assert proxy.connections == 1


async def test_a_client_that_was_cut_off_pings_less_often(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(PING_BACKOFF, "_intervals_s", {})
    config = ClientConfig(keepalive=KeepaliveConfig(interval_s=2.0, timeout_s=1.0))
    with anyio.fail_after(10), caplog.at_level(logging.WARNING):
        async with (
            serve([Probe()], "tcp://127.0.0.1:0", config=ServerConfig(drain_grace_s=0)) as server,
            connect(server.endpoints[0], config=config) as channel,
        ):
            client = TransportClient(channel)
            endpoint = parse_endpoint(server.endpoints[0])
            for complaints in range(3):
                assert client_limits(config, endpoint)["ping_interval_s"] == 2.0 * FACTOR**complaints
                await client.send_message(Message())
                async with client.stream_events(EventRequest(node_id="linger")) as events:
                    await events.receive()
                    await _complain(server)
                    with pytest.raises(Unavailable, match="too_many_pings"):
                        await events.receive()
    assert "complains of too many pings: the next come after 4 s" in caplog.text


async def _complain(server: Any) -> None:
    """What a server does to a client that pings too often, of an implementation that did not say how often it may."""
    for connection in server._listeners[0]._acceptor._connections:
        connection.core.go_away(StatusCode.RESOURCE_EXHAUSTED, "too_many_pings: calm down")
        connection.flush()
        connection.pipe.close()


@pytest.mark.parametrize("wire", ["grpc", "grpcio"])
async def test_a_grpc_client_that_was_cut_off_pings_less_often(wire: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def complain(peer: Peer, stream_id: int) -> None:
        await peer.go_away(stream_id, ENHANCE_YOUR_CALM, b"too_many_pings")
        await peer.stream.aclose()

    monkeypatch.setattr(PING_BACKOFF, "_intervals_s", {})
    config = ClientConfig(keepalive=KeepaliveConfig(interval_s=2.0, timeout_s=1.0))
    with anyio.fail_after(20):
        async with misbehaving(complain, wire) as url, connect(url, config=config) as channel:
            endpoint = parse_endpoint(url)
            for complaints in range(3):
                assert PING_BACKOFF.interval_s(endpoint, 2.0) == 2.0 * FACTOR**complaints
                with pytest.raises(Unavailable):
                    await TransportClient(channel).send_message(Message())


def test_an_interval_never_falls_and_old_endpoints_are_forgotten() -> None:
    backoff = PingBackoff()
    first = parse_endpoint("tcp://first:1")
    assert backoff.interval_s(first, 10.0) == 10.0
    assert backoff.complained(first, 10.0) == 20.0
    assert backoff.complained(first, 10.0) == 20.0  # another connection of the same age
    assert backoff.interval_s(first, 10.0) == 20.0
    assert backoff.interval_s(first, 60.0) == 60.0
    assert backoff.complained(first, 60.0) == 120.0
    for port in range(1, MAX_ENDPOINTS):
        backoff.complained(parse_endpoint(f"tcp://other:{port}"), 1.0)
    assert backoff.interval_s(first, 10.0) == 120.0
    backoff.complained(parse_endpoint("tcp://last:1"), 1.0)
    assert backoff.interval_s(first, 10.0) == 10.0
