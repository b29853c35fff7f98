"""Accepting: out of files and back again, too many clients, a burst of them; and what of it is logged."""

from __future__ import annotations

import errno
import logging
import socket
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from eventflux_runtime import ClientConfig, ServerConfig, connect, serve
from eventflux_runtime.net import accept
from eventflux_runtime.net.accept import PAUSE_S, AcceptLoop
from eventflux_runtime.net.event_loop import start_reactor
from eventflux_runtime.net.limited_log import BURST, INTERVAL_S, LimitedLog
from eventflux_runtime.testing import ManualClock
from eventflux_transport import HeartbeatRequest, TransportClient
from tests.support.crowded import SPARE_FILES
from tests.support.mute import raw_socket
from tests.support.probe import Probe
from tests.support.wires import address

ROOT = Path(__file__).resolve().parents[2]
LONG_S = 30
WATCHED_S = 3.0
"""How long a server without files is looked at."""


@contextmanager
def crowded(loop: str, url: str, log: Path) -> Iterator[tuple[Popen[str], str]]:
    """A process of `tests.support.crowded`, and its URL."""
    with (
        log.open("w") as errors,
        Popen(
            [sys.executable, "-m", "tests.support.crowded", loop, url], cwd=ROOT, stdout=PIPE, stderr=errors, text=True
        ) as child,
    ):
        try:
            assert child.stdout is not None
            yield child, child.stdout.readline().strip()
        finally:
            child.kill()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="a process counts its open files in /proc")
@pytest.mark.parametrize("wire", ["tcp", "unix", "grpc", "grpcio"])
async def test_a_server_without_files_goes_on_when_it_has_some(
    wire: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    loop = request.node.callspec.id.split("-")[0]
    log = tmp_path / "log"
    url = f"unix://{tmp_path}/crowded.sock" if wire == "unix" else f"{wire}://127.0.0.1:0"
    with crowded(loop, url, log) as (child, found), ExitStack() as clients:
        for _ in range(2 * SPARE_FILES):
            clients.enter_context(_connected(found))
        with anyio.fail_after(LONG_S):
            while not wire.startswith("grpc") and "cannot accept" not in log.read_text():  # noqa: ASYNC110 - another process
                await anyio.sleep(0.05)
        await anyio.sleep(WATCHED_S)
        clients.close()
        with anyio.fail_after(LONG_S):
            async with connect(found) as channel:
                await TransportClient(channel).heartbeat(HeartbeatRequest(), wait_for_ready=True)
        child.terminate()
        assert child.wait(LONG_S) == 0
    lines = log.read_text().splitlines()
    assert len(lines) <= (WATCHED_S + LONG_S / 10) / PAUSE_S, lines
    assert not [line for line in lines if "Traceback" in line]


def _connected(url: str) -> socket.socket:
    if not url.startswith("grpc"):
        return raw_socket(url)
    host, _, port = url.partition("://")[2].rpartition(":")
    return socket.create_connection((host, int(port)))


@pytest.mark.parametrize("wire", ["tcp", "unix"])
async def test_refused_connections_are_logged_at_a_bounded_rate(
    wire: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = ServerConfig(drain_grace_s=0, max_connections=1)
    began = time.monotonic()
    with caplog.at_level(logging.WARNING, "eventflux_runtime"), ExitStack() as stack, anyio.fail_after(LONG_S):
        async with serve([Probe()], address(wire, tmp_path), config=config) as server:
            for _ in range(200):
                stack.enter_context(raw_socket(server.endpoints[0]))
                await anyio.lowlevel.checkpoint()
            while not _refused(caplog):  # noqa: ASYNC110 - no event tells it
                await anyio.sleep(0.01)
    assert len(_refused(caplog)) <= BURST + 1 + (time.monotonic() - began) / INTERVAL_S


def _refused(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [message for message in caplog.messages if "refused a connection" in message]


@pytest.mark.slow
@pytest.mark.parametrize("wire", ["tcp", "unix"])
async def test_a_burst_of_clients_gets_in(wire: str, tmp_path: Path) -> None:
    answered = 0

    async def call(url: str) -> None:
        nonlocal answered
        async with connect(url, config=ClientConfig(connect_timeout_s=LONG_S)) as channel:
            await TransportClient(channel).heartbeat(HeartbeatRequest())
        answered += 1

    with anyio.fail_after(2 * LONG_S):
        async with serve([Probe()], address(wire, tmp_path)) as server, anyio.create_task_group() as tasks:
            for _ in range(200):
                tasks.start_soon(call, server.endpoints[0])
    assert answered == 200


class _Failing(socket.socket):
    """A socket whose tries to accept fail in the ways given before one goes well."""

    def __init__(self, *failures: OSError) -> None:
        super().__init__()
        self.failures = list(failures)
        self.tries = 0

    def accept(self) -> tuple[socket.socket, Any]:
        self.tries += 1
        if self.failures:
            raise self.failures.pop(0)
        return super().accept()


class _Door:
    """A socket that is accepted on, and what became of that."""

    def __init__(self, *failures: OSError) -> None:
        self.sock = _Failing(*failures)
        self.loop: AcceptLoop
        self.accepted: list[socket.socket] = []
        self.failed: list[OSError] = []
        self.happened = anyio.Event()

    def on_accepted(self, connection: socket.socket) -> None:
        self.accepted.append(connection)
        self.happened.set()

    def on_failed(self, error: OSError) -> None:
        self.failed.append(error)
        self.happened.set()

    @asynccontextmanager
    async def opened(self, clients: int) -> AsyncIterator[None]:
        """Accepts, with so many clients that wait already."""
        self.sock.bind(("127.0.0.1", 0))
        self.sock.listen()
        self.sock.setblocking(False)
        reactor = await start_reactor()
        with ExitStack() as stack:
            for _ in range(clients):
                stack.enter_context(socket.create_connection(self.sock.getsockname()))
            self.loop = AcceptLoop(self.sock, reactor, self.on_accepted, self.on_failed)
            try:
                with anyio.fail_after(LONG_S):
                    yield
            finally:
                self.loop.close()
                await reactor.aclose()
                for connection in self.accepted:
                    connection.close()


def _out_of_files() -> OSError:
    return OSError(errno.EMFILE, "Too many open files")


async def test_what_keeps_from_accepting_is_told_once_for_each_pause_and_is_not_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(accept, "PAUSE_S", 0.001)
    door = _Door(_out_of_files(), _out_of_files())
    async with door.opened(clients=1):
        while not door.accepted:
            await anyio.lowlevel.checkpoint()
    assert [error.errno for error in door.failed] == [errno.EMFILE] * 2


async def test_nothing_is_tried_in_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accept, "PAUSE_S", 2 * LONG_S)
    door = _Door(_out_of_files())
    async with door.opened(clients=1):
        await door.happened.wait()
        for _ in range(50):
            await anyio.lowlevel.checkpoint()
        assert door.sock.tries == 1


async def test_a_client_that_has_gone_is_no_failure() -> None:
    door = _Door(ConnectionAbortedError(errno.ECONNABORTED, "gone"))
    async with door.opened(clients=1):
        await door.happened.wait()
    assert (len(door.accepted), door.failed) == (1, [])


async def test_what_is_accepted_does_not_block() -> None:
    door = _Door()
    async with door.opened(clients=1):
        await door.happened.wait()
        assert not door.accepted[0].getblocking()


async def test_others_get_a_turn_between_many_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accept, "_IN_A_ROW", 2)
    turns: list[int] = []
    turn = 0

    class Door(_Door):
        def on_accepted(self, connection: socket.socket) -> None:
            super().on_accepted(connection)
            turns.append(turn)

    async with Door().opened(clients=8):
        while len(turns) < 8:
            turn += 1
            await anyio.lowlevel.checkpoint()
    # On trio a task may run twice while another waits for one turn.
    assert max(Counter(turns).values()) <= 4


async def test_one_that_is_closed_by_whom_it_accepts_accepts_no_more() -> None:
    class Door(_Door):
        def on_accepted(self, connection: socket.socket) -> None:
            super().on_accepted(connection)
            self.loop.close()

    door = Door()
    async with door.opened(clients=3):
        await door.happened.wait()
    assert (len(door.accepted), door.failed) == (1, [])


def test_what_a_limited_log_leaves_out_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    log = LimitedLog(logging.getLogger("test"), clock)
    for number in range(50):
        log.warning("refused %d", number)
    log.warning("another kind")
    assert caplog.messages == [f"refused {number}" for number in range(int(BURST))] + ["another kind"]
    caplog.clear()
    clock.advance(INTERVAL_S)
    log.warning("refused %d", 50)
    log.warning("refused %d", 51)
    assert caplog.messages == ["refused 50 (40 more like this in the last 5 s)"]
    caplog.clear()
    clock.advance(INTERVAL_S)
    log.warning("refused %d", 52)
    assert caplog.messages == ["refused 52 (1 more like this in the last 5 s)"]
