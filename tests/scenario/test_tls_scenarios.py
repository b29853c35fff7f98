"""What a call does, it does over TLS and with compression too; and what only a TLS port has to bear."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from eventflux_runtime import ClientConfig, Compression, ServerConfig, connect, serve
from eventflux_transport import HeartbeatRequest, Message, TransportClient
from tests.scenario.test_scenarios import SCENARIOS, Scenario
from tests.support.authority import Authority
from tests.support.probe import Probe
from tests.support.wires import Link


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@asynccontextmanager
async def linked(
    authority: Authority, compression: Compression, wire: str = "tcps", **server_options: float
) -> AsyncIterator[Link]:
    service = Probe()
    server_config = ServerConfig(
        tls=authority.mutual(),
        compression=compression,
        compression_min_bytes=0,
        drain_grace_s=0,
        handshake_timeout_s=server_options.get("handshake_timeout_s", 10.0),
    )
    client_config = ClientConfig(
        tls=authority.trusting(**authority.client().files), compression=compression, compression_min_bytes=0
    )
    async with serve([service], f"{wire}://127.0.0.1:0", config=server_config) as server:
        url = server.endpoints[0]
        async with connect(url, config=client_config) as channel:
            client = TransportClient(channel)
            await client.heartbeat(HeartbeatRequest())  # short deadlines are for calls, not for the TLS handshake
            yield Link(client, service, channel, server, url)


@pytest.mark.parametrize("wire", ["tcps", "wss"])
@pytest.mark.parametrize("run", SCENARIOS, ids=lambda run: run.__name__)
async def test_scenario(run: Scenario, wire: str, authority: Authority) -> None:
    # Flow control counts what is on the wire, so only plain messages of one repeated byte ever fill a window.
    compression = Compression.NONE if run.__name__.endswith("held_back") else Compression.LZ4
    with anyio.fail_after(20):
        async with linked(authority, compression, wire) as link:
            await run(link)


@pytest.mark.slow
@pytest.mark.parametrize("wire", ["tcps", "wss"])
async def test_large_messages_both_ways(wire: str, authority: Authority) -> None:
    payload = bytes(range(256)) * 40_000
    with anyio.fail_after(20):
        async with linked(authority, Compression.NONE, wire) as link, link.client.stream_messages() as stream:
            for _ in range(3):
                await stream.send(Message(payload=payload))
                assert (await stream.receive()).payload == payload


async def test_a_client_that_never_begins_its_handshake_is_dropped(authority: Authority) -> None:
    with anyio.fail_after(10):
        async with linked(authority, Compression.NONE, handshake_timeout_s=0.2) as link:
            host, _, port = link.url.removeprefix("tcps://").rpartition(":")
            async with await anyio.connect_tcp(host, int(port)) as stream:
                with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                    await stream.receive()
            assert (await link.client.send_message(Message(id="still"))).id == "still"


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff", bytes(100), b"\x15\x03\x01"])
async def test_garbage_at_a_tls_port(garbage: bytes, authority: Authority) -> None:
    with anyio.fail_after(10):
        async with linked(authority, Compression.NONE) as link:
            host, _, port = link.url.removeprefix("tcps://").rpartition(":")
            async with await anyio.connect_tcp(host, int(port)) as stream:
                await stream.send(garbage)
                await stream.send_eof()
                with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                    while True:
                        await stream.receive()
            assert (await link.client.send_message(Message(id="still"))).id == "still"


async def test_a_server_closes_while_handshakes_are_under_way(authority: Authority) -> None:
    with anyio.fail_after(10):
        async with linked(authority, Compression.NONE) as link:
            host, _, port = link.url.removeprefix("tcps://").rpartition(":")
            stream = await anyio.connect_tcp(host, int(port))
            await link.client.send_message(Message())
        with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
            await stream.receive()
        await stream.aclose()


async def test_a_call_that_is_cancelled_in_its_handshake(authority: Authority) -> None:
    config = ClientConfig(tls=authority.trusting(), connect_timeout_s=30.0)
    with anyio.fail_after(10):
        async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
            port = listener.extra(anyio.abc.SocketAttribute.local_port)
            async with connect(f"tcps://127.0.0.1:{port}", config=config) as channel:
                with anyio.move_on_after(0.2) as scope:
                    await TransportClient(channel).send_message(Message())
                assert scope.cancelled_caught
