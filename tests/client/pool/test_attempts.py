"""Whatever goes wrong in resolving and connecting ends an attempt; the channel and its other calls go on."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from eventflux_runtime import (
    ClientConfig,
    ConfigError,
    DeadlineExceeded,
    PoolConfig,
    ServerConfig,
    TlsConfig,
    TransportError,
    Unavailable,
    connect,
    serve,
)
from eventflux_runtime.client.pool.pool import Pool
from eventflux_runtime.client.pool.resolver import Resolver
from eventflux_runtime.net.event_loop import open_reactor
from eventflux_runtime.rpc.endpoint import parse_target
from eventflux_runtime.wire.registry import wire_of
from eventflux_transport import HeartbeatRequest, Message, TransportClient
from tests.support.authority import Authority
from tests.support.name_server import Directory
from tests.support.server_process import Node

FAILURES: tuple[Exception, ...] = (
    UnicodeError("label too long"),
    OverflowError("int too large"),
    ValueError("embedded null byte"),
    TypeError("not a str"),
    RuntimeError("no more threads"),
    MemoryError(),
    ssl.SSLError("own"),
    OSError(),
    TransportError("own"),
)


async def beat(client: TransportClient) -> str:
    return (await client.heartbeat(HeartbeatRequest())).server_node_id


@pytest.mark.parametrize("wire", ["tcps", "grpcs", "grpcios"])
@pytest.mark.parametrize("name", ["a..b", ".x", "a\0b", "\u00fc" * 70])
async def test_a_server_name_that_cannot_be_fails_its_calls(wire: str, name: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("server", "localhost")
    config = ServerConfig(tls=TlsConfig(**pair.files), drain_grace_s=0)
    async with serve([Node("node")], f"{wire}://127.0.0.1:0", config=config) as server:
        try:
            client_config = ClientConfig(tls=TlsConfig(ca_file=authority.ca_file, server_name=name))
        except ConfigError:
            return  # sooner is better
        with anyio.fail_after(30):
            async with connect(server.endpoints[0], config=client_config) as channel:
                for _ in range(2):
                    with pytest.raises((Unavailable, ConfigError)):
                        await beat(TransportClient(channel))


class Failing:
    """A `Transport` in front of another one, which is asked only once there are no failures left."""

    schemes = frozenset({"tcp"})

    def __init__(self, failures: Iterator[Exception]) -> None:
        self._failures = failures

    async def open(self, endpoint: Any, config: Any, reactor: Any) -> Any:
        await anyio.lowlevel.checkpoint()
        for failure in self._failures:
            raise failure
        return await wire_of(endpoint).open(endpoint, config, reactor)


async def test_whatever_a_transport_raises_is_an_attempt_that_failed() -> None:
    async with serve([Node("node")], "tcp://127.0.0.1:0", config=ServerConfig(drain_grace_s=0)) as server:
        config = ClientConfig(pool=PoolConfig(reconnect_backoff_s=0.001, max_reconnect_backoff_s=0.001))
        failures = iter(FAILURES)
        transport: Any = Failing(failures)
        async with open_reactor() as reactor:
            pool = Pool(parse_target(server.endpoints[0]), transport, config, reactor)
            pool.start()
            with anyio.fail_after(20):
                held = None
                while held is None:
                    try:
                        held = await pool.acquire(None, wait_for_ready=False)
                    except Unavailable as error:
                        assert any(type(failure).__name__ in error.message for failure in FAILURES)  # noqa: PT017 - of any
            assert held.connection.active_calls == 0
            assert next(failures, None) is None
            await pool.aclose()


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
async def test_whatever_a_lookup_raises_is_a_lookup_that_failed(
    failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventflux_runtime.client.pool.resolver._SOONEST_S", 0.01)
    changes: list[None] = []
    failures = [failure]

    async def lookup(host: str, port: int) -> tuple[str, ...]:
        await anyio.lowlevel.checkpoint()
        if failures:
            raise failures.pop()
        return ("10.0.0.1",)

    async with open_reactor() as reactor:
        resolver = Resolver(parse_target("tcp://name:1"), 30.0, reactor, lambda: changes.append(None), lookup)
        resolver.want()
        with anyio.fail_after(10):
            while not changes:
                await anyio.lowlevel.checkpoint()
            assert resolver.error is not None
            assert "the host name is not known" in resolver.error.message
            while not resolver.addresses:  # noqa: ASYNC110 - the second lookup is due when it is due
                await anyio.sleep(0.01)
        resolver.rest()


@pytest.mark.parametrize("wire", ["tcps", "grpcs", "grpcios"])
async def test_a_new_address_after_the_authority_has_vanished(
    wire: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = Directory(cluster=("127.0.0.1",))
    monkeypatch.setattr("eventflux_runtime.client.pool.pool.resolve", directory.lookup)
    authority = Authority(tmp_path)
    pair = authority.issue("server", "cluster")
    quiet = ServerConfig(tls=TlsConfig(**pair.files), drain_grace_s=0)
    async with serve([Node("first")], f"{wire}://127.0.0.1:0", config=quiet) as server:
        port = server.endpoints[0].rpartition(":")[2]
        config = ClientConfig(dns_refresh_s=0.05, tls=TlsConfig(ca_file=authority.ca_file))
        async with connect(f"{wire}://cluster:{port}", config=config) as channel:
            client = TransportClient(channel)
            with anyio.fail_after(20):
                assert await beat(client) == "first"
                os.unlink(authority.ca_file)
                directory.hosts["cluster"] = ("127.0.0.1", "127.0.0.2")
                while "127.0.0.2" not in repr(channel) or "failed" not in repr(channel):
                    assert await beat(client) == "first"
                assert await beat(client) == "first"


async def test_a_deadline_that_ends_in_connecting_says_why_connecting_failed(tmp_path: Path) -> None:
    with anyio.fail_after(20):
        async with connect(f"unix://{tmp_path}/none.sock") as channel:
            with pytest.raises(DeadlineExceeded, match=r"the last attempt: .*no such socket: .*none\.sock"):
                await TransportClient(channel).send_message(Message(), timeout_s=0.3, wait_for_ready=True)
        async with connect("tcp://no-such-host.invalid:1") as channel:
            with pytest.raises(DeadlineExceeded, match="the last attempt: .*the host name is not known"):
                await TransportClient(channel).send_message(Message(), timeout_s=2, wait_for_ready=True)
