"""Where a server listens: on every address that the machine has of a host, on one port, alike on every wire."""

from __future__ import annotations

import errno
import os
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from eventflux_runtime import ConfigError, Server, ServerConfig, Unavailable
from eventflux_runtime.net.socket import bind_tcp
from eventflux_runtime.rpc.endpoint import parse_endpoint
from eventflux_transport import Message, TransportClient, TransportFactory
from tests.support.namespace import NO_IPV6, run_inside
from tests.support.probe import Probe
from tests.support.wires import at, connect, serve

WIRES = ("tcp", "grpc", "quic", "rdma", "grpcio")
AT_ONCE = ServerConfig(drain_grace_s=0)


def taken(wire: str, address: tuple[str, int]) -> socket.socket:
    """What somebody else listens with, who has the port that a server of this wire wants."""
    if wire != "quic":
        return socket.create_server(address)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(address)
    return sock


def port_of(server: Server) -> int:
    return parse_endpoint(server.endpoints[0]).port


async def answers(url: str) -> None:
    async with connect(url) as channel:
        assert (await TransportClient(channel).send_message(Message(id="a"), timeout_s=10)).id == "a"


def name_with_two_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the name ``both`` stand for two addresses of this machine."""
    real = socket.getaddrinfo

    def found(host: Any, port: Any, *rest: Any, **options: Any) -> Any:
        if host != b"both":
            return real(host, port, *rest, **options)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{last}", port)) for last in (1, 2)]

    monkeypatch.setattr(socket, "getaddrinfo", found)


# -- every address


@pytest.mark.parametrize("host", ["*", "[::]", "[0:0:0:0:0:0:0:0]"])
@pytest.mark.parametrize("wire", WIRES)
async def test_every_address_is_of_both_families(wire: str, host: str) -> None:
    probe = Probe()
    with anyio.fail_after(30):
        async with serve([probe], at(wire, host), config=AT_ONCE) as server:
            assert server.endpoints == (at(wire, host, port_of(server)),)
            for there in ("127.0.0.1", "127.0.0.2", "[::1]"):
                await answers(at(wire, there, port_of(server)))
    peers = [context.peer.address.rpartition(":")[0] for context in probe.contexts]
    assert peers == [f"{wire}://127.0.0.1"] * 2 + [f"{wire}://[::1]"] or peers[1] == f"{wire}://127.0.0.2"
    assert "ffff" not in "".join(peers)


@pytest.mark.parametrize("wire", WIRES)
async def test_every_address_of_one_family_is_of_that_family(wire: str) -> None:
    with anyio.fail_after(30):
        async with serve([Probe()], at(wire, "0.0.0.0"), config=AT_ONCE) as server:
            await answers(at(wire, "127.0.0.1", port_of(server)))
            with pytest.raises(Unavailable):
                await answers(at(wire, "[::1]", port_of(server)))


@pytest.mark.parametrize("wire", WIRES)
async def test_a_port_that_one_family_lacks_is_taken_for_both(wire: str) -> None:
    with taken(wire, ("0.0.0.0", 0)) as other, pytest.raises(ConfigError, match="in use"):
        async with serve([Probe()], at(wire, "*", other.getsockname()[1]), config=AT_ONCE):
            pytest.fail("it started")


# -- families that are missing


@pytest.mark.parametrize("host", ["*", "[::]"])
async def test_a_system_without_ipv6(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Socket(socket.socket):
        def __init__(self, family: int = -1, *arguments: Any, **options: Any) -> None:
            if family == socket.AF_INET6:
                raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
            super().__init__(family, *arguments, **options)

    monkeypatch.setattr(socket, "socket", Socket)
    async with serve([Probe()], f"tcp://{host}:0", config=AT_ONCE) as server:
        await answers(f"tcp://127.0.0.1:{port_of(server)}")
    async with TransportFactory.create("tcp") as transport:
        await transport.listen(f"{host}:0")
    with pytest.raises(ConfigError, match="this machine does not have that address"):
        await bind_tcp(parse_endpoint("tcp://[::1]:0"))


SERVED = """
import sys, anyio
from eventflux_runtime import ServerConfig, connect, serve
from eventflux_transport import Message, TransportClient, TransportFactory
from tests.support.probe import Probe
from tests.support.wires import connect, serve

async def main(host: str, there: list[str]) -> None:
    for wire in ("tcp", "grpc"):
        for place in there:
            async with serve([Probe()], f"{wire}://{place}:0", config=ServerConfig(drain_grace_s=0)) as server:
                port = server.endpoints[0].rpartition(":")[2]
                async with connect(f"{wire}://{host}:{port}") as channel:
                    await TransportClient(channel).send_message(Message(), timeout_s=10)
    print("served")
    if "%" not in host:
        async with TransportFactory.create("tcp") as transport:
            for place in there:
                listener = await transport.listen(f"{place}:0")
                await transport.connect(f"{host}:{listener.local_addr.rpartition(':')[2]}")
        print("linked")

backend, host, *there = sys.argv[1:]
options = {} if backend == "trio" else {"use_uvloop": backend == "uvloop"}
anyio.run(main, host, there, backend="trio" if backend == "trio" else "asyncio", backend_options=options)
"""


def test_a_machine_whose_ipv6_is_turned_off(tmp_path: Path) -> None:
    said = run_inside(NO_IPV6, SERVED, "asyncio", "127.0.0.1", "localhost", "*", "[::]", folder=tmp_path)
    assert said.split() == ["served", "linked"]


LINK = (
    "ip link add v0 type veth peer name v1",
    "echo 0 > /proc/sys/net/ipv6/conf/v0/accept_dad",
    "ip addr add fe80::77/64 dev v0 nodad",
    "ip link set v0 up",
    "ip link set v1 up",
)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["asyncio", "uvloop", "trio"])
def test_an_address_on_a_link(backend: str, tmp_path: Path) -> None:
    said = run_inside(LINK, SERVED, backend, "[fe80::77%v0]", "[fe80::77%v0]", "*", folder=tmp_path)
    assert said == "served"


@pytest.mark.parametrize("wire", WIRES)
async def test_none_of_the_addresses_is_this_machines(wire: str) -> None:
    with pytest.raises(ConfigError, match="this machine does not have that address"):
        async with serve([Probe()], at(wire, "192.0.2.1"), config=AT_ONCE):
            pytest.fail("it started")


@pytest.mark.parametrize("wire", WIRES)
async def test_a_zone_that_is_no_interface(wire: str) -> None:
    with pytest.raises(ConfigError, match="the host is not known"):
        async with serve([Probe()], at(wire, "[fe80::1%nowhere]"), config=AT_ONCE):
            pytest.fail("it started")


# -- one port


@pytest.mark.parametrize("wire", WIRES)
async def test_port_0_is_one_port_on_all_addresses(wire: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name_with_two_addresses(monkeypatch)
    real = socket.socket.bind
    with ExitStack() as holders:
        held: list[int] = []

        class Socket(socket.socket):
            def bind(self, address: Any) -> None:
                if address[0] == "127.0.0.2" and len(held) < 3:
                    holder = holders.enter_context(socket.socket(type=self.type))
                    real(holder, address)
                    if self.type == socket.SOCK_STREAM:
                        holder.listen()
                    held.append(address[1])
                super().bind(address)

        monkeypatch.setattr(socket, "socket", Socket)
        with anyio.fail_after(30):
            async with serve([Probe()], at(wire, "both"), config=AT_ONCE) as server:
                assert len(set(held)) == 3
                assert port_of(server) not in held
                for host in ("127.0.0.1", "127.0.0.2"):
                    await answers(at(wire, host, port_of(server)))


@pytest.mark.parametrize("wire", WIRES)
async def test_a_port_that_is_given_is_not_replaced(wire: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name_with_two_addresses(monkeypatch)
    with taken(wire, ("127.0.0.2", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match="in use"):
            async with serve([Probe()], at(wire, "both", port), config=AT_ONCE):
                pytest.fail("it started")
        # What was bound before the one that could not be had is free again.
        with taken(wire, ("127.0.0.1", port)):
            pass


# -- the backlog


@contextmanager
def burst(address: Any, family: int, count: int) -> Iterator[list[int]]:
    """The results of many connects at once; what is in progress has 5 s."""
    with ExitStack() as stack:
        clients = [stack.enter_context(socket.socket(family)) for _ in range(count)]
        poller = select.poll()
        results = []
        for client in clients:
            client.setblocking(False)
            results.append(client.connect_ex(address))
            poller.register(client, select.POLLOUT)
        left = count
        while left:
            ready = poller.poll(5000)
            if not ready:
                break
            for descriptor, _ in ready:
                poller.unregister(descriptor)
            left -= len(ready)
        yield [code for code in results if code not in (0, errno.EINPROGRESS)] + [errno.ETIMEDOUT] * left


BURST = 300
"""More than the 100 that event loops listen with unless told, less than what systems allow."""


def most_allowed() -> int:
    try:
        return int(Path("/proc/sys/net/core/somaxconn").read_text())
    except OSError:
        return 128


@pytest.mark.skipif(most_allowed() < BURST, reason="the system allows no such backlog")
@pytest.mark.parametrize("wire", ["tcp", "unix", "grpc", "grpcio"])
async def test_a_burst_of_clients_gets_in_while_the_loop_is_busy(wire: str, tmp_path: Path) -> None:
    path = f"{tmp_path}/a.sock"
    url = f"unix://{path}" if wire == "unix" else at(wire)
    async with serve([Probe()], url, config=AT_ONCE) as server:
        address: Any = path if wire == "unix" else ("127.0.0.1", port_of(server))
        # Nothing is accepted meanwhile: this does not let the loop run.
        with burst(address, socket.AF_UNIX if wire == "unix" else socket.AF_INET, BURST) as failures:
            assert failures == []
