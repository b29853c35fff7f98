"""Clients that make a server answer and never read: what waits for them stays bounded, and so does the process."""

from __future__ import annotations

import itertools
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import anyio
import psutil
import pytest
from anyio.to_thread import run_sync

from eventflux_runtime import KeepaliveConfig, ServerConfig, serve
from eventflux_runtime.carrier.api import HIGH_WATER_BYTES, READ_BYTES
from eventflux_runtime.protocol.core.event import STATUS_RECEIVED
from eventflux_runtime.protocol.native.core.frame import FLAG_END, FLAG_MESSAGE, OPEN, PING, RESET
from eventflux_transport import EventRequest, Message
from eventflux_transport.methods import TRANSPORT_STREAM_EVENTS
from tests.support.mute import MuteClient, raw_socket
from tests.support.mute_http2 import MuteHttp2Client
from tests.support.nodes import body_of, frame
from tests.support.probe import Probe
from tests.support.wires import address

LONG_S: Final = 60
FLOOD_BYTES: Final = 64 * 1024 * 1024
STALLED_S: Final = 1.0
"""A server that takes nothing for so long has stopped reading."""
UNSENT_BYTES: Final = HIGH_WATER_BYTES + 4 * READ_BYTES
"""What may wait for one client: what makes a pipe congested, and the answers to what was read together with that."""
GROWTH_BYTES: Final = 48 * 1024 * 1024
"""What one such client may cost the process, loosely: before it was bounded it was hundreds of megabytes."""
STREAMS: Final = 100

Chunks = Iterator[bytes]


def _frame(kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    return struct.pack("<IBBI", len(payload), kind, flags, stream_id) + payload


def _opens(client: MuteClient, timeout_us: int) -> Chunks:
    assert client.core.peer_settings is not None
    method_id = client.core.peer_settings.find_method(TRANSPORT_STREAM_EVENTS.path)
    payload = struct.pack("<Hq", method_id, timeout_us) + EventRequest(node_id="linger").to_wire()
    for first in itertools.count(1, 1000):
        yield b"".join(_frame(OPEN, FLAG_END | FLAG_MESSAGE, first + index, payload) for index in range(1000))


def opens_above_the_limit(sock: socket.socket) -> Chunks:
    """Calls that do not end, and then more of them."""
    return _opens(MuteClient(sock), -1)


def calls_that_expire(sock: socket.socket) -> Chunks:
    """Calls whose deadline passes at once."""
    return _opens(MuteClient(sock), 1)


def calls_broken_off(sock: socket.socket) -> Chunks:
    """Calls that are reset at once, so that there is room for the next."""
    opens = _opens(MuteClient(sock), -1)
    for first, chunk in zip(itertools.count(1, 1000), opens, strict=False):
        yield chunk
        yield b"".join(_frame(RESET, 0, first + index, b"\x01") for index in range(1000))


def pings(sock: socket.socket) -> Chunks:
    """More of them than a server wants."""
    MuteClient(sock)
    return itertools.repeat(_frame(PING, 0, 0, b"01234567") * 1000)


def unknown_methods(sock: socket.socket) -> Chunks:
    """Calls of no method."""
    MuteClient(sock)
    for first in itertools.count(1, 1000):
        yield b"".join(_frame(OPEN, FLAG_END, first + index, struct.pack("<Hq", 999, -1)) for index in range(1000))


def eventflux_messages(sock: socket.socket) -> Chunks:
    """Small messages in EventFlux's frames, each of which is answered."""
    return itertools.repeat(frame(body_of(Message.event(bytes(1000)))) * 100)


FLOODS: Final = (
    opens_above_the_limit,
    calls_that_expire,
    calls_broken_off,
    pings,
    unknown_methods,
    eventflux_messages,
)


def pour(sock: socket.socket, chunks: Chunks) -> int:
    """Sends until the server stops reading, has closed, or took `FLOOD_BYTES`; how much that was."""
    sock.settimeout(STALLED_S)
    sent = 0
    try:
        for chunk in chunks:
            view = memoryview(chunk)
            while view:
                count = sock.send(view)
                sent += count
                view = view[count:]
            if sent > FLOOD_BYTES:
                break
    except (TimeoutError, ConnectionError):
        pass
    return sent


class Watch:
    """The process' memory, and what a server has to send, while something else runs."""

    def __init__(self, connections: Callable[[], list[Any]]) -> None:
        self._process = psutil.Process(os.getpid())
        self._connections = connections
        self._before = self._process.memory_info().rss
        self.growth = 0
        self.unsent = 0

    async def run(self) -> None:
        """Looks again and again; to be cancelled."""
        while True:
            self.growth = max(self.growth, self._process.memory_info().rss - self._before)
            self.unsent = max([self.unsent, *(connection.pipe.unsent_bytes for connection in self._connections())])
            await anyio.sleep(0.01)


@pytest.mark.parametrize("wire", ["tcp", "unix"])
@pytest.mark.parametrize("flood", FLOODS, ids=lambda flood: flood.__name__)
async def test_what_waits_for_a_client_that_does_not_read_is_bounded(
    flood: Callable[[socket.socket], Chunks], wire: str, tmp_path: Path
) -> None:
    config = ServerConfig(drain_grace_s=0, max_calls_per_connection=STREAMS)
    with anyio.fail_after(LONG_S):
        async with serve([Probe()], address(wire, tmp_path), config=config) as server:
            (listener,) = server._listeners
            acceptor: Any = listener._acceptor  # type: ignore[attr-defined]  # this wire's own
            with await run_sync(raw_socket, server.endpoints[0]) as sock:
                watch = Watch(lambda: list(acceptor._connections))
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(watch.run)
                    await run_sync(lambda: pour(sock, flood(sock)))
                    tasks.cancel_scope.cancel()
    assert watch.unsent <= UNSENT_BYTES
    assert watch.growth < GROWTH_BYTES


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])  # grpcio's own core holds them, on any loop of asyncio's
@pytest.mark.usefixtures("anyio_backend")
async def test_nor_does_a_grpc_server_keep_more(tmp_path: Path) -> None:
    config = ServerConfig(drain_grace_s=0, max_calls_per_connection=STREAMS)
    with anyio.fail_after(LONG_S):
        async with serve([Probe()], "grpc://127.0.0.1:0", config=config) as server:
            client = await run_sync(MuteHttp2Client, server.endpoints[0])
            with client:
                watch = Watch(list)
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(watch.run)
                    chunks = (b"".join(client.heartbeat() for _ in range(100)) for _ in itertools.count())
                    await run_sync(lambda: pour(client.sock, chunks))
                    tasks.cancel_scope.cancel()
    assert watch.growth < GROWTH_BYTES


@pytest.mark.slow
async def test_a_client_that_reads_late_gets_everything(tmp_path: Path) -> None:
    async with serve([Probe()], "tcp://127.0.0.1:0", config=ServerConfig(drain_grace_s=LONG_S)) as server:
        with anyio.fail_after(LONG_S), await run_sync(raw_socket, server.endpoints[0]) as sock:
            client = await run_sync(MuteClient, sock)
            for _ in range(50):
                await run_sync(lambda: client.stream_events("", 1000))
            await anyio.sleep(STALLED_S)
            ended = 0
            while ended < 50:
                data = await run_sync(lambda: sock.recv(READ_BYTES))
                assert data
                ended += sum(
                    event.kind == STATUS_RECEIVED for event in client.core.receive_data(data, time.monotonic())
                )


async def test_a_client_that_reads_slowly_is_alive_until_it_stops(tmp_path: Path) -> None:
    keepalive = KeepaliveConfig(interval_s=0.3, timeout_s=0.5)
    config = ServerConfig(drain_grace_s=0, keepalive=keepalive)
    with anyio.fail_after(LONG_S):
        async with serve([Probe()], address("unix", tmp_path), config=config) as server:
            (listener,) = server._listeners
            acceptor: Any = listener._acceptor  # type: ignore[attr-defined]  # this wire's own
            with await run_sync(raw_socket, server.endpoints[0]) as sock:
                client = await run_sync(MuteClient, sock)
                await run_sync(lambda: client.stream_events("forever", 64 * 1024))
                until = anyio.current_time() + 4 * (keepalive.interval_s + keepalive.timeout_s)
                while anyio.current_time() < until:
                    data = await run_sync(lambda: sock.recv(16 * 1024))
                    assert data
                    client.core.receive_data(data, time.monotonic())
                    if client.core.has_output:
                        await run_sync(client.flush)
                    await anyio.sleep(0.02)
                (connection,) = acceptor._connections
                assert not connection.core.is_closed
                while acceptor._connections:  # noqa: ASYNC110 - no event tells it
                    await anyio.sleep(0.05)
