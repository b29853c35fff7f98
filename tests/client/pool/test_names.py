"""Host names in a target, from the lookup to the call."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import anyio
import pytest
import trustme

from eventflux_runtime import ClientConfig, PoolConfig, ServerConfig, TlsConfig, Unavailable, connect, serve
from eventflux_runtime.net.resolve import look_up, resolve, shown_host
from eventflux_transport import HeartbeatRequest, TransportClient
from tests.support.name_server import Directory
from tests.support.server_process import Node


async def test_the_systems_resolver() -> None:
    found = await resolve("localhost", 7070)
    assert set(found) <= {"127.0.0.1", "::1"}
    assert found
    with pytest.raises(OSError, match=r"."):
        await resolve("no-such-host.invalid", 7070)


async def test_an_address_is_looked_up_without_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventflux_runtime.net.resolve.to_thread", None)
    assert await resolve("127.0.0.1", 7070) == ("127.0.0.1",)


async def test_a_lookup_is_given_up_with_its_asker(monkeypatch: pytest.MonkeyPatch) -> None:
    may_answer = threading.Event()
    answered: list[str] = []

    def ask(*_: Any, **_options: Any) -> list[Any]:
        may_answer.wait(10)
        answered.append("late")
        return []

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    with anyio.move_on_after(0.01):
        await resolve("slow", 7070)
    assert answered == []
    may_answer.set()


async def test_names_are_looked_up_where_no_other_thread_is_free() -> None:
    limiter = anyio.to_thread.current_default_thread_limiter()
    busy = [object() for _ in range(int(limiter.available_tokens))]
    for one in busy:
        limiter.acquire_on_behalf_of_nowait(one)
    try:
        with anyio.fail_after(10):
            assert await resolve("localhost", 7070)
    finally:
        for one in busy:
            limiter.release_on_behalf_of(one)


async def test_an_address_that_is_told_twice_or_that_nobody_here_can_use_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 7070))
    numbers = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (10, b"\0" * 24))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **_options: [one, numbers, one])
    assert await look_up("name", 7070) == [(socket.AF_INET, ("127.0.0.1", 7070))]


def test_how_addresses_are_shown() -> None:
    number, name = socket.if_nameindex()[0]
    assert shown_host(("::ffff:192.0.2.1", 1, 0, 0)) == "192.0.2.1"
    assert shown_host(("::1", 1, 0, 0)) == "::1"
    assert shown_host(("fe80::1", 1, 0, number)) == f"fe80::1%{name}"
    assert shown_host((f"fe80::1%{name}", 1, 0, number)) == f"fe80::1%{name}"
    assert shown_host(("fe80::1", 1, 0, 2**31 - 1)) == f"fe80::1%{2**31 - 1}"


@pytest.mark.parametrize("wire", ["tcp", "grpc", "grpcio"])
async def test_a_name_that_nobody_knows(wire: str) -> None:
    with anyio.fail_after(20):
        async with connect(f"{wire}://no-such-host.invalid:7070") as channel:
            with pytest.raises(Unavailable, match="host name is not known") as caught:
                await TransportClient(channel).heartbeat(HeartbeatRequest())
    assert caught.value.unprocessed


@pytest.mark.parametrize("wire", ["tcp", "grpc", "grpcio"])
async def test_addresses_that_come_and_go(wire: str, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = Directory(cluster=("127.0.0.1",))
    monkeypatch.setattr("eventflux_runtime.client.pool.pool.resolve", directory.lookup)
    quiet = ServerConfig(drain_grace_s=0)
    async with serve([Node("first")], f"{wire}://127.0.0.1:0", config=quiet) as first:
        port = first.endpoints[0].rpartition(":")[2]
        async with serve([Node("second")], f"{wire}://127.0.0.2:{port}", config=quiet):
            config = ClientConfig(dns_refresh_s=0.05, pool=PoolConfig(max_idle_s=60))
            async with connect(f"{wire}://cluster:{port}", config=config) as channel:
                client = TransportClient(channel)

                async def until_answers_are(wanted: set[str]) -> None:
                    with anyio.fail_after(10):
                        while {(await client.heartbeat(HeartbeatRequest())).server_node_id for _ in range(6)} != wanted:
                            pass

                await until_answers_are({"first"})
                directory.hosts["cluster"] = ("127.0.0.1", "127.0.0.2")
                await until_answers_are({"first", "second"})
                directory.hosts["cluster"] = ("127.0.0.2",)
                await until_answers_are({"second"})
                while "127.0.0.1" in repr(channel):
                    await client.heartbeat(HeartbeatRequest())


@pytest.mark.parametrize("wire", ["tcp", "grpc", "grpcio"])
async def test_a_server_that_moved_is_found_after_a_failure(wire: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Addresses that no other test listens on, because the port of the first is let go of.
    directory = Directory(cluster=("127.0.0.3",))
    monkeypatch.setattr("eventflux_runtime.client.pool.pool.resolve", directory.lookup)
    quiet = ServerConfig(drain_grace_s=0)
    config = ClientConfig(dns_refresh_s=3600)
    async with serve([Node("first")], f"{wire}://127.0.0.3:0", config=quiet) as first:
        port = first.endpoints[0].rpartition(":")[2]
    with anyio.fail_after(20):
        async with connect(f"{wire}://cluster:{port}", config=config) as channel:
            client = TransportClient(channel)
            with pytest.raises(Unavailable):
                await client.heartbeat(HeartbeatRequest())
            directory.hosts["cluster"] = ("127.0.0.2",)
            async with serve([Node("second")], f"{wire}://127.0.0.2:{port}", config=quiet):
                answer = await client.heartbeat(HeartbeatRequest(), wait_for_ready=True)
    assert answer.server_node_id == "second"


@pytest.mark.parametrize("wire", ["tcps", "grpcs", "grpcios"])
async def test_the_certificate_is_checked_for_the_name_not_the_address(wire: str, tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    files = {name: str(tmp_path / f"{name}.pem") for name in ("ca", "cert", "key")}
    authority.cert_pem.write_to_path(files["ca"])
    certificate.private_key_pem.write_to_path(files["key"])
    certificate.cert_chain_pems[0].write_to_path(files["cert"])
    server_config = ServerConfig(tls=TlsConfig(cert_file=files["cert"], key_file=files["key"]), drain_grace_s=0)
    config = ClientConfig(tls=TlsConfig(ca_file=files["ca"]))
    with anyio.fail_after(20):
        async with serve([Node("a")], f"{wire}://127.0.0.1:0", config=server_config) as server:
            port = server.endpoints[0].rpartition(":")[2]
            async with connect(f"{wire}://localhost:{port}", config=config) as channel:
                answer = await TransportClient(channel).heartbeat(HeartbeatRequest())
                assert answer.server_node_id == "a"
            async with connect(f"{wire}://127.0.0.1:{port}", config=config) as channel:
                with pytest.raises(Unavailable):
                    await TransportClient(channel).heartbeat(HeartbeatRequest())
