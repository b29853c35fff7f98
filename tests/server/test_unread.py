"""The end of a server or a channel whose other side reads nothing: in time on every wire, and never skipped."""

from __future__ import annotations

import signal
import socket
import ssl
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import anyio
import pytest
from anyio.abc import SocketStream
from anyio.to_thread import run_sync

from eventflux_runtime import ClientConfig, Server, ServerConfig, TlsConfig, connect, serve
from eventflux_runtime.net.tls import client_context
from eventflux_runtime.protocol.core.machine import Role
from eventflux_runtime.protocol.eventflux.connection import EventFluxConnection
from eventflux_runtime.protocol.eventflux.frame import FrameReader
from eventflux_runtime.protocol.native.core.connection import Connection
from eventflux_runtime.protocol.native.core.settings import MethodEntry, Settings
from eventflux_runtime.protocol.native.driver.protocol import NativeProtocol
from eventflux_transport import Message, TransportClient
from eventflux_transport.methods import TRANSPORT_STREAM_MESSAGES
from tests.support.authority import Authority
from tests.support.http2_peer import answering
from tests.support.mute import LARGE, MuteClient, mute_client, raw_socket
from tests.support.mute_http2 import MuteHttp2Client
from tests.support.nodes import body_of, frame
from tests.support.probe import Probe
from tests.support.wires import address

ROOT = Path(__file__).resolve().parents[2]
WIRES = ("tcp", "tcps", "unix")
GRACE_S = 0.5
SLACK_S = 5.0
"""What a busy machine may add."""
LONG_S = 30


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


def _serving(authority: Authority) -> TlsConfig:
    return TlsConfig(**authority.server().files)


class Unread:
    """A server with one client that reads nothing, and how long it took to leave the server."""

    def __init__(self, server: Server, sock: socket.socket) -> None:
        self.server = server
        self.sock = sock
        self.took_s = 0.0

    @property
    def connections(self) -> list[Any]:
        """The server's."""
        (listener,) = self.server._listeners
        connections: list[Any] = list(listener._acceptor._connections)  # type: ignore[attr-defined]  # this wire's own
        return connections

    async def wait_congested(self) -> None:
        """Returns when the server has more to send than the system takes."""
        while not any(connection.pipe.is_congested for connection in self.connections):  # noqa: ASYNC110 - no event
            await anyio.sleep(0.01)

    async def wait_unconnected(self) -> None:
        """Returns when the server has let go of the client."""
        while self.connections:  # noqa: ASYNC110 - no event tells it
            await anyio.sleep(0.01)


@asynccontextmanager
async def unread(
    wire: str, begin: str, authority: Authority, tmp_path: Path, grace_s: float = GRACE_S
) -> AsyncIterator[Unread]:
    """A server that has more for a client than that takes; what the client began is for `begin` to say."""
    config = ServerConfig(drain_grace_s=grace_s, tls=_serving(authority) if wire == "tcps" else None)
    context = client_context(authority.trusting(), (NativeProtocol.alpn,)) if wire == "tcps" else None
    with anyio.fail_after(LONG_S), ExitStack() as stack:
        async with serve([Probe()], address(wire, tmp_path), config=config) as server:
            sock = stack.enter_context(await run_sync(raw_socket, server.endpoints[0], context))
            await run_sync(_BEGINNINGS[begin], sock)
            link = Unread(server, sock)
            await link.wait_congested()
            yield link
            began = anyio.current_time()
        link.took_s = anyio.current_time() - began


def _begin_native(sock: socket.socket) -> None:
    MuteClient(sock).stream_events("forever", 64 * 1024)


def _begin_eventflux(sock: socket.socket) -> None:
    body = frame(body_of(Message.event(bytes(512 * 1024))))
    sock.settimeout(0.5)
    with suppress(TimeoutError):  # the server takes no more
        for _ in range(100):
            sock.sendall(body)


_BEGINNINGS = {"native": _begin_native, "eventflux": _begin_eventflux}


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("begin", ["native", "eventflux"])
async def test_leaving_a_server_takes_its_grace_and_a_second(
    begin: str, wire: str, authority: Authority, tmp_path: Path
) -> None:
    async with unread(wire, begin, authority, tmp_path) as link:
        pass
    assert GRACE_S <= link.took_s < GRACE_S + 1 + SLACK_S


async def test_so_does_a_grpc_server() -> None:
    with anyio.fail_after(LONG_S), ExitStack() as stack:
        config = ServerConfig(drain_grace_s=GRACE_S)
        async with serve([service := Probe()], "grpc://127.0.0.1:0", config=config) as server:
            client = stack.enter_context(await run_sync(MuteHttp2Client, server.endpoints[0]))
            await run_sync(partial(client.stream_events, "forever", 64 * 1024))
            await service.started.wait()
            await anyio.sleep(0.3)  # grpcio does not tell when nobody takes what it has to send
            began = anyio.current_time()
        took_s = anyio.current_time() - began
    assert GRACE_S <= took_s < GRACE_S + 1 + SLACK_S


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("begin", ["native", "eventflux"])
async def test_who_breaks_the_protocol_and_reads_nothing_is_given_up(
    begin: str, wire: str, authority: Authority, tmp_path: Path
) -> None:
    async with unread(wire, begin, authority, tmp_path, grace_s=0) as link:
        (connection,) = link.connections
        # As if the fault had come with what was read last.
        if isinstance(connection, EventFluxConnection):
            connection._reader = FrameReader(connection.max_frame_bytes)
        connection.on_data(b"\xff" * 16)
        with anyio.fail_after(1 + SLACK_S):
            await link.wait_unconnected()


@pytest.mark.parametrize("wire", WIRES)
async def test_a_cancelled_close_closes_all_the_same(wire: str, authority: Authority, tmp_path: Path) -> None:
    async with unread(wire, "native", authority, tmp_path, grace_s=LONG_S) as link:
        (listener,) = link.server._listeners
        began = anyio.current_time()
        with anyio.CancelScope() as scope:
            scope.cancel()
            await listener.aclose()
        assert scope.cancelled_caught
        with anyio.fail_after(SLACK_S):
            await link.wait_unconnected()
        assert anyio.current_time() - began < 0.4 + SLACK_S
        with pytest.raises((ConnectionRefusedError, FileNotFoundError)):
            await run_sync(raw_socket, link.server.endpoints[0])


@pytest.mark.parametrize("wire", WIRES)
async def test_what_is_written_after_a_close_is_dropped(wire: str, authority: Authority, tmp_path: Path) -> None:
    async with unread(wire, "native", authority, tmp_path, grace_s=0) as link:
        (connection,) = link.connections
        connection.pipe.close()
        unsent = connection.pipe.unsent_bytes
        assert unsent > 0
        for _ in range(10):
            connection.pipe.write(bytes(100_000))
        assert connection.pipe.unsent_bytes <= unsent


async def test_a_client_that_says_nothing_does_not_hold_the_server(authority: Authority) -> None:
    config = ServerConfig(drain_grace_s=GRACE_S, tls=_serving(authority))
    with anyio.fail_after(LONG_S), ExitStack() as stack:
        async with serve([Probe()], "tcps://127.0.0.1:0", "tcp://127.0.0.1:0", config=config) as server:
            for url in server.endpoints:
                stack.enter_context(await run_sync(raw_socket, url))
            await anyio.sleep(0.1)  # accepted by now; if not, there is less to close
            began = anyio.current_time()
        assert anyio.current_time() - began < 1 + SLACK_S


# -- the process


@contextmanager
def process(loop: str, grace_s: float, wire: str, authority: Authority, tmp_path: Path) -> Iterator[Popen[str]]:
    """A process that serves until it gets a signal."""
    files = authority.server().files.values() if wire == "tcps" else ()
    url = f"unix://{tmp_path}/unread.sock" if wire == "unix" else f"{wire}://127.0.0.1:0"
    command = [sys.executable, "-m", "tests.support.stoppable", loop, str(grace_s), url, *files]
    with Popen(command, cwd=ROOT, stdout=PIPE, stderr=PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


@contextmanager
def mute_caller(wire: str, url: str, authority: Authority) -> Iterator[None]:
    """A client with one call that gets more than it reads."""
    if wire.startswith("grpc"):
        with MuteHttp2Client(url) as caller:
            caller.stream_events("", 10_000_000)
            time.sleep(1)  # until the server has filled what the system takes
            yield
        return
    with mute_client(
        url, client_context(authority.trusting(), (NativeProtocol.alpn,)) if wire == "tcps" else None
    ) as client:
        client.stream_events("", 10_000_000)
        time.sleep(1)  # as above
        yield


@pytest.mark.slow
@pytest.mark.parametrize("loop", ["asyncio", "uvloop", "trio"])
@pytest.mark.parametrize("wire", [*WIRES, "grpc", "grpcio"])
def test_a_signal_ends_a_process(wire: str, loop: str, authority: Authority, tmp_path: Path) -> None:
    with process(loop, GRACE_S, wire, authority, tmp_path) as child:
        assert child.stdout is not None
        with mute_caller(wire, child.stdout.readline().strip(), authority):
            child.send_signal(signal.SIGTERM)
            assert child.stdout.readline() == "draining\n"
            began = time.monotonic()
            output, errors = child.communicate(timeout=LONG_S)
            took_s = time.monotonic() - began
    assert (child.returncode, output, errors) == (0, "stopped\n", "")
    assert took_s < GRACE_S + 1 + SLACK_S


@pytest.mark.slow
@pytest.mark.parametrize("loop", ["asyncio", "uvloop", "trio"])
@pytest.mark.parametrize("wire", ["tcps", "unix", "grpc", "grpcio"])
def test_a_second_signal_ends_it_at_once(wire: str, loop: str, authority: Authority, tmp_path: Path) -> None:
    with process(loop, LONG_S, wire, authority, tmp_path) as child:
        assert child.stdout is not None
        with mute_caller(wire, child.stdout.readline().strip(), authority):
            child.send_signal(signal.SIGTERM)
            assert child.stdout.readline() == "draining\n"
            child.send_signal(signal.SIGTERM)
            began = time.monotonic()
            output, errors = child.communicate(timeout=LONG_S)
            took_s = time.monotonic() - began
    assert (child.returncode, output, errors) == (0, "stopped\n", "")
    assert took_s < 0.5 + SLACK_S


# -- the client


class MuteServer:
    """A native server that shakes hands with one client, and reads nothing more."""

    def __init__(self, wire: str, tmp_path: Path, context: ssl.SSLContext | None) -> None:
        self._context = context
        is_unix = wire == "unix"
        self._listening = socket.socket(socket.AF_UNIX if is_unix else socket.AF_INET, socket.SOCK_STREAM)
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        self._listening.bind(f"{tmp_path}/mute.sock" if is_unix else ("127.0.0.1", 0))
        self._listening.listen()
        self._listening.settimeout(LONG_S)
        self.url = f"unix://{tmp_path}/mute.sock" if is_unix else f"{wire}://127.0.0.1:{self._port()}"
        self._sock: socket.socket | None = None

    def _port(self) -> int:
        port: int = self._listening.getsockname()[1]
        return port

    def shake_hands(self) -> None:
        """Accepts, and answers as far as HELLO; blocks."""
        sock, _ = self._listening.accept()
        if self._context is not None:
            sock = self._context.wrap_socket(sock, server_side=True)
        self._sock = sock
        entry = MethodEntry(TRANSPORT_STREAM_MESSAGES.path, TRANSPORT_STREAM_MESSAGES.fingerprint)
        core = Connection(Role.SERVER, Settings(stream_window=LARGE, connection_window=LARGE), [entry], now=0.0)
        while core.peer_settings is None:
            core.receive_data(sock.recv(4096), 0.0)
        sock.sendall(core.data_to_send())

    def close(self) -> None:
        """Lets go of everything."""
        self._listening.close()
        if self._sock is not None:
            self._sock.close()


@pytest.mark.parametrize("wire", WIRES)
async def test_a_server_that_does_not_read_does_not_hold_a_channel(
    wire: str, authority: Authority, tmp_path: Path
) -> None:
    context = None
    if wire == "tcps":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*authority.server().files.values())
    server = MuteServer(wire, tmp_path, context)
    config = ClientConfig(tls=authority.trusting() if wire == "tcps" else None, keepalive=None)
    took_s = 0.0
    try:
        with anyio.fail_after(LONG_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(run_sync, server.shake_hands)
                async with connect(server.url, config=config) as channel:
                    async with TransportClient(channel).stream_messages() as stream:
                        with anyio.move_on_after(1.0):
                            while True:  # until there is no room
                                await stream.send(Message(payload=bytes(64 * 1024)))
                    began = anyio.current_time()
                took_s = anyio.current_time() - began
    finally:
        server.close()
    assert took_s < 1 + SLACK_S


async def test_nor_does_a_grpc_server_hold_one() -> None:
    async def settle_and_hang(stream: SocketStream) -> None:
        await stream.send(MuteHttp2Client.frame(4, 0, 0))
        await anyio.sleep_forever()

    with anyio.fail_after(LONG_S):
        async with answering(settle_and_hang) as port:
            async with connect(f"grpc://127.0.0.1:{port}") as channel:
                async with TransportClient(channel).stream_messages() as stream:
                    with anyio.move_on_after(1.0):
                        while True:  # until there is no room
                            await stream.send(Message(payload=bytes(64 * 1024)))
                began = anyio.current_time()
            took_s = anyio.current_time() - began
    assert took_s < 1 + SLACK_S
