"""Our QUIC with aioquic, another implementation, on the other side, as client and as server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from eventflux_runtime import Channel, ClientConfig, ServerConfig, Unavailable
from eventflux_transport import Message, TransportClient
from tests.scenario.test_scenarios import SCENARIOS, Scenario
from tests.support.probe import Probe
from tests.support.wires import Link, client_config, connect, serve, server_config

pytest.importorskip("qh3", reason="the extra quic is not installed")
pytest.importorskip("aioquic", reason="aioquic is not installed")

from aioquic.tls import SessionTicket

from tests.support.foreign_quic import Gateway, foreign_client, gateway_from, gateway_to

LONG_S = 30
SERVER = ServerConfig(drain_grace_s=0)
TRIED = (
    "unary_echo",
    "unary_many_at_once",
    "unary_large_both_ways",
    "unary_metadata_and_trailers",
    "unary_cancelled_by_its_caller",
    "server_stream_in_order",
    "server_stream_left_early_stops_the_handler",
    "bidi_ping_pong",
)


@pytest.fixture
def anyio_backend() -> str:
    """What aioquic runs on; our side's loops are tried with our own."""
    return "asyncio"


def _tls() -> tuple[Any, Any]:
    ours, theirs = client_config(None, "quic://"), server_config(None, "quic://")
    assert ours is not None
    assert theirs is not None
    return ours.tls, theirs.tls


@asynccontextmanager
async def linked(is_server: bool, **options: Any) -> AsyncIterator[Link]:
    """A probe and a client, with aioquic between: as the server that our client has, or as the client of our server."""
    client_tls, server_tls = _tls()
    service = Probe()
    wire = "tcp" if is_server else "quic"
    async with serve([service], f"{wire}://127.0.0.1:0", config=SERVER) as server:
        inner = server.endpoints[0]
        gateway = gateway_from(inner, server_tls, **options) if is_server else gateway_to(inner, client_tls)
        async with gateway as url, connect(url) as channel:
            yield Link(TransportClient(channel), service, channel, server, url)


@pytest.mark.parametrize("is_server", [True, False], ids=["server", "client"])
@pytest.mark.parametrize("run", [run for run in SCENARIOS if run.__name__ in TRIED], ids=lambda run: run.__name__)
async def test_scenario(run: Scenario, is_server: bool) -> None:
    with anyio.fail_after(LONG_S):
        async with linked(is_server) as link:
            await run(link)


async def called(channel: Channel) -> str:
    return (await TransportClient(channel).send_message(Message(id="a"), timeout_s=10)).id


async def test_a_server_that_asks_to_retry() -> None:
    with anyio.fail_after(LONG_S):
        async with linked(True, retry=True) as link:
            assert await called(link.channel) == "a"


async def test_a_server_that_speaks_something_else_inside() -> None:
    with anyio.fail_after(LONG_S):
        async with linked(True, alpn_protocols=["h3"]) as link:
            with pytest.raises(Unavailable, match="does not speak the URL's protocol inside TLS"):
                await called(link.channel)


async def test_a_server_that_speaks_another_version() -> None:
    with anyio.fail_after(LONG_S):
        async with linked(True, supported_versions=[0x6B3343CF]) as link:
            with pytest.raises(Unavailable, match="version"):
                await called(link.channel)


async def test_a_client_that_speaks_something_else_inside() -> None:
    client_tls, _ = _tls()
    with anyio.fail_after(LONG_S):
        async with serve([Probe()], "quic://127.0.0.1:0", config=SERVER) as server:
            with pytest.raises(ConnectionError):
                async with foreign_client(server.endpoints[0], client_tls, alpn_protocols=["h3"]):
                    pytest.fail("it was let in")
            async with connect(server.endpoints[0]) as channel:
                assert await called(channel) == "a"


async def test_a_client_that_prefers_another_version() -> None:
    client_tls, _ = _tls()
    with anyio.fail_after(LONG_S):
        async with serve([Probe()], "quic://127.0.0.1:0", config=SERVER) as server:
            versions = [0x6B3343CF, 1]
            async with foreign_client(
                server.endpoints[0], client_tls, supported_versions=versions, original_version=versions[0]
            ) as protocol:
                await protocol.ping()


async def test_a_client_that_opens_what_nobody_asked_for_is_served_all_the_same() -> None:
    client_tls, _ = _tls()
    with anyio.fail_after(LONG_S):
        async with serve([Probe()], "quic://127.0.0.1:0", config=SERVER) as server:
            async with foreign_client(server.endpoints[0], client_tls) as protocol:
                protocol.write(protocol.new_stream(is_unidirectional=True), b"to nobody")
                protocol.write(protocol.new_stream(), b"EFT1 but not so")
                await protocol.ping()
            async with connect(server.endpoints[0], config=ClientConfig()) as channel:
                assert await called(channel) == "a"


@pytest.mark.parametrize("retry", [False, True])
async def test_our_client_comes_back_to_a_server(retry: bool) -> None:
    gateways: list[Gateway] = []
    with anyio.fail_after(LONG_S):
        async with linked(True, retry=retry, gateways=gateways) as link:
            assert await called(link.channel) == "a"
            async with connect(link.url, config=ClientConfig(timeout_s=7)) as channel:
                assert await called(channel) == "a"
        assert [gateway.is_resumed for gateway in gateways] == [False, True]


async def test_a_client_comes_back_to_our_server() -> None:
    client_tls, _ = _tls()
    tickets: list[SessionTicket] = []
    with anyio.fail_after(LONG_S):
        async with serve([Probe()], "quic://127.0.0.1:0", config=SERVER) as server:
            for resumed in (False, True, True):
                ticket = tickets.pop() if tickets else None
                async with foreign_client(
                    server.endpoints[0], client_tls, on_ticket=tickets.append, session_ticket=ticket
                ) as protocol:
                    await protocol.ping()
                    assert protocol.is_resumed is resumed
