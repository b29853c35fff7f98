"""Pipes over real sockets: the contract that every event loop's pipe keeps."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress

import anyio
import pytest

from eventflux_runtime.carrier.socket_pipe import socket_pipe
from eventflux_runtime.net.event_loop import open_reactor
from eventflux_runtime.rpc.peer import Peer

LONG_S = 10
RESET_AT_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER with no time to linger: the other side sees a reset."""


class Noting:
    """A `PipeHandler` that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def on_data(self, data: bytes) -> None:
        self.told.append("data")

    def on_eof(self) -> None:
        self.told.append("eof")

    def on_lost(self, error: Exception | None) -> None:
        self.told.append("lost")

    def on_congested(self) -> None:
        self.told.append("congested")

    def on_writable(self) -> None:
        self.told.append("writable")


def connected() -> tuple[socket.socket, socket.socket]:
    """Two ends of a TCP connection; the first does not block."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        ours = socket.create_connection(listening.getsockname())
        theirs, _ = listening.accept()
    ours.setblocking(False)
    return ours, theirs


@pytest.mark.parametrize("how", ["reset by the peer", "closed by the peer", "closed", "aborted"])
async def test_what_is_written_after_the_end_is_dropped(how: str) -> None:
    ours, theirs = connected()
    handler = Noting()
    with theirs, anyio.fail_after(LONG_S):
        async with open_reactor() as reactor:
            pipe = await socket_pipe(ours, Peer("tcp://them"), reactor)
            pipe.start(handler)
            if how == "closed":
                pipe.close()
            elif how == "aborted":
                pipe.abort()
            else:
                if how.startswith("reset"):
                    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
                theirs.close()
            pipe.write(b"at the end")
            await pipe.wait_closed()
            for _ in range(3):
                pipe.write(b"after the end")
                await anyio.lowlevel.checkpoint()
            pipe.close()
            pipe.abort()
    assert handler.told.count("lost") == 1
    assert handler.told[-1] == "lost"


async def test_all_that_was_written_before_a_close_arrives() -> None:
    ours, theirs = connected()
    size = 8 * 1024 * 1024
    with theirs, anyio.fail_after(LONG_S):
        async with open_reactor() as reactor:
            pipe = await socket_pipe(ours, Peer("tcp://them"), reactor)
            pipe.start(Noting())
            for _ in range(8):
                pipe.write(bytes(size // 8))
            pipe.close()
            received = await anyio.to_thread.run_sync(_received, theirs)
            await pipe.wait_closed()
    assert received == size


def _received(sock: socket.socket) -> int:
    count = 0
    while part := len(sock.recv(1024 * 1024)):
        count += part
    return count


async def test_a_pipe_may_be_aborted_just_when_the_system_takes_more() -> None:
    for _ in range(20):  # which of the two comes first is a matter of chance
        ours, theirs = connected()
        with theirs, anyio.fail_after(LONG_S):
            async with open_reactor() as reactor:
                pipe = await socket_pipe(ours, Peer("tcp://them"), reactor)
                pipe.start(Noting())
                pipe.write(bytes(16 * 1024 * 1024))
                for _ in range(3):
                    await anyio.lowlevel.checkpoint()
                assert pipe.unsent_bytes
                theirs.setblocking(False)
                with suppress(BlockingIOError):
                    while theirs.recv(1024 * 1024):
                        pass
                pipe.abort()
                await pipe.wait_closed()
