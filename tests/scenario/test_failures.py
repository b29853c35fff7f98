"""What a user sees when something is wrong: the right error, quickly, with words that say what to do."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import pytest
from anyio.abc import SocketStream

from eventflux_runtime import (
    ClientConfig,
    ConfigError,
    DeadlineExceeded,
    KeepaliveConfig,
    ServerConfig,
    Unavailable,
    Unimplemented,
)
from eventflux_runtime.net.connecting import connecting
from eventflux_runtime.rpc.endpoint import parse_endpoint
from eventflux_transport import EventRequest, HeartbeatRequest, Message, TransportClient
from tests.support.probe import Probe
from tests.support.tcp_server import serving
from tests.support.wires import WIRES, at, connect, linked, serve, server_config

NETWORK_WIRES = ("tcp", "grpc", "quic", "rdma", "grpcio")


@contextmanager
def listening_socket(wire: str = "tcp") -> Iterator[tuple[socket.socket, int]]:
    """A socket that takes connections, or datagrams, and nobody who does anything with them."""
    kind = socket.SOCK_DGRAM if wire == "quic" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            sock.listen()
        yield sock, sock.getsockname()[1]


@asynccontextmanager
async def raw_server(reply: bytes) -> AsyncIterator[int]:
    """A TCP server that answers anything with the same bytes, and then says nothing more."""

    async def handle(stream: SocketStream) -> None:
        async with stream:
            try:
                await stream.receive()
                await stream.send(reply)
                while True:
                    await stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                return

    async with serving(handle) as port:
        yield port


@pytest.mark.parametrize("wire", NETWORK_WIRES)
async def test_refused_connection(wire: str) -> None:
    with listening_socket(wire) as (sock, port):
        sock.close()
        with anyio.fail_after(10):
            async with connect(at(wire, port=port)) as channel:
                with pytest.raises(Unavailable, match="listen") as caught:
                    await TransportClient(channel).send_message(Message())
    assert caught.value.unprocessed


async def test_refused_unix_connection(tmp_path: Path) -> None:
    async with connect(f"unix://{tmp_path}/none.sock") as channel:
        with pytest.raises(Unavailable, match=r"no such socket: .*/none\.sock; is the server running\?"):
            await TransportClient(channel).send_message(Message())


async def test_a_unix_socket_that_nobody_listens_on(tmp_path: Path) -> None:
    path = tmp_path / "left.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    async with connect(f"unix://{path}") as channel:
        with pytest.raises(Unavailable, match="refused.*listening"):
            await TransportClient(channel).send_message(Message())


async def test_a_link_that_this_machine_does_not_have() -> None:
    async with connect("tcp://[fe80::1%nowhere]:1") as channel:
        with pytest.raises(Unavailable, match=r"the host name is not known \(.*\); check its spelling and DNS"):
            await TransportClient(channel).send_message(Message())


def caused(error: OSError, cause: Exception) -> OSError:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH)), "network is unreachable"),
        (socket.gaierror(socket.EAI_NONAME, "?"), "the host name is not known"),
        (UnicodeError("no rule"), r"the host name is not valid \(no rule\); check its spelling"),
        (caused(OSError("all attempts failed"), ConnectionRefusedError()), "connection refused; is a server"),
        (ExceptionGroup("attempts", [ConnectionRefusedError()]), "connection refused; is a server"),
        (OSError(), "the connection was closed during the handshake"),
        (RuntimeError("a resolver's own"), "a resolver's own"),
        (AssertionError(), "AssertionError"),
    ],
)
@pytest.mark.usefixtures("anyio_backend")
async def test_whatever_connecting_raises_is_unavailable_and_says_why(error: Exception, words: str) -> None:
    said = rf"^UNAVAILABLE: cannot connect to tcp://name:1: {words}"
    with pytest.raises(Unavailable, match=said), connecting(parse_endpoint("tcp://name:1"), 10, ""):
        raise error


async def test_refused_memory_connection() -> None:
    async with connect("memory://nobody") as channel:
        with pytest.raises(Unavailable, match="refused.*listening"):
            await TransportClient(channel).send_message(Message())


@pytest.mark.parametrize("wire", NETWORK_WIRES)
async def test_server_that_never_answers_the_handshake(wire: str) -> None:
    with listening_socket(wire) as (_, port), anyio.fail_after(10):
        config = ClientConfig(connect_timeout_s=0.3)
        async with connect(at(wire, port=port), config=config) as channel:
            with pytest.raises(Unavailable, match=r"connect_timeout_s|did not say a word"):
                await TransportClient(channel).send_message(Message())


@pytest.mark.parametrize("wire", NETWORK_WIRES)
async def test_deadline_covers_connecting(wire: str) -> None:
    with listening_socket(wire) as (_, port), anyio.fail_after(10):
        async with connect(at(wire, port=port)) as channel:
            with pytest.raises(DeadlineExceeded):
                await TransportClient(channel).send_message(Message(), timeout_s=0.2)


async def test_something_else_listens_there() -> None:
    async with raw_server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        with anyio.fail_after(10):
            async with connect(f"tcp://127.0.0.1:{port}") as channel:
                with pytest.raises(Unavailable, match=r"(?i)http"):
                    await TransportClient(channel).send_message(Message())


async def test_grpc_client_at_a_tcp_port_and_the_reverse(tmp_path: Path) -> None:
    with anyio.fail_after(20):
        async with serve([Probe()], "tcp://127.0.0.1:0", "grpc://127.0.0.1:0") as server:
            tcp, grpc = (url.partition(":")[2] for url in server.endpoints)
            config = ClientConfig(connect_timeout_s=2.0)
            for url in (f"grpc:{tcp}", f"tcp:{grpc}"):
                async with connect(url, config=config) as channel:
                    with pytest.raises(Unavailable):
                        await TransportClient(channel).send_message(Message())
            for url in server.endpoints:
                async with connect(url) as channel:
                    assert (await TransportClient(channel).send_message(Message(id="still"))).id == "still"


@pytest.mark.parametrize(
    "garbage", [b"\x00" * 64, b"GET / HTTP/1.1\r\n\r\n", b"EFT1" + b"\xff" * 64, b"\x16\x03\x01aaaa"]
)
async def test_garbage_closes_that_connection_and_no_other(garbage: bytes, tmp_path: Path) -> None:
    with anyio.fail_after(10):
        async with linked("tcp", tmp_path) as link:
            host, _, port = link.url.removeprefix("tcp://").rpartition(":")
            async with await anyio.connect_tcp(host, int(port)) as stream:
                await stream.send(garbage)
                await stream.send_eof()
                with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                    while True:
                        await stream.receive()
            assert (await link.client.send_message(Message(id="still"))).id == "still"


async def test_a_peer_that_never_speaks_is_dropped(tmp_path: Path) -> None:
    with anyio.fail_after(10):
        async with linked("tcp", tmp_path, None, ServerConfig(handshake_timeout_s=0.2, drain_grace_s=0)) as link:
            host, _, port = link.url.removeprefix("tcp://").rpartition(":")
            async with await anyio.connect_tcp(host, int(port)) as stream:
                with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                    while True:
                        await stream.receive()


SERVER_PROCESS = """
import sys, anyio
from tests.support.probe import Probe
from tests.support.wires import serve

async def main() -> None:
    async with serve([Probe()], sys.argv[1]) as server:
        print(server.endpoints[0], flush=True)
        await anyio.sleep_forever()

anyio.run(main)
"""


@contextmanager
def server_process(wire: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    url = at(wire)
    server_config(None, url)  # makes the certificates that the child finds
    command = [sys.executable, "-c", SERVER_PROCESS, url]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process, process.stdout:
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("wire", NETWORK_WIRES)
async def test_server_dies_in_mid_call(wire: str) -> None:
    # The system says goodbye for a process that dies, but not for its datagrams.
    keepalive = KeepaliveConfig(interval_s=0.5) if wire == "quic" else KeepaliveConfig()
    with anyio.fail_after(30), server_process(wire) as (process, url):
        async with connect(url, config=ClientConfig(keepalive=keepalive)) as channel:
            client = TransportClient(channel)
            await client.send_message(Message())
            async with client.stream_events(EventRequest(node_id="linger")) as events:
                await events.receive()
                process.kill()
                with anyio.fail_after(8), pytest.raises(Unavailable):  # sooner than a keepalive without an answer
                    await events.receive()
            with pytest.raises(Unavailable):
                await client.send_message(Message())


@pytest.mark.parametrize("wire", WIRES)
async def test_method_that_is_not_served(wire: str, tmp_path: Path) -> None:
    from inventory_sdk import GetItemRequest, InventoryClient

    with anyio.fail_after(10):
        async with linked(wire, tmp_path) as link:
            with pytest.raises(Unimplemented, match="inventory|Method not found"):
                await InventoryClient(link.channel).get_item(GetItemRequest())
            assert (await link.client.heartbeat(HeartbeatRequest(timestamp=1))).server_timestamp == 1


def test_wrong_scheme() -> None:
    with pytest.raises(ConfigError, match="did you mean tcp"):
        connect("tpc://127.0.0.1:1")


@pytest.mark.parametrize("wire", NETWORK_WIRES)
async def test_address_in_use(wire: str) -> None:
    async with serve([Probe()], at(wire)) as server:
        with pytest.raises(ConfigError, match="in use"):
            async with serve([Probe()], server.endpoints[0]):
                pytest.fail("two servers on one address")


async def test_unix_path_in_use(tmp_path: Path) -> None:
    url = f"unix://{tmp_path}/a.sock"
    async with serve([Probe()], url):
        with pytest.raises(ConfigError, match="another server listens"):
            async with serve([Probe()], url):
                pytest.fail("two servers on one path")
    async with serve([Probe()], url):
        pass
    assert not (tmp_path / "a.sock").exists()
    (tmp_path / "file").write_text("precious")
    with pytest.raises(ConfigError, match="not a socket"):
        async with serve([Probe()], f"unix://{tmp_path}/file"):
            pytest.fail("a file was replaced")


async def test_stale_unix_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "stale.sock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
    assert path.exists()
    async with serve([Probe()], f"unix://{path}") as server, connect(server.endpoints[0]) as channel:
        assert (await TransportClient(channel).send_message(Message(id="a"))).id == "a"
