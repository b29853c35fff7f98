"""The socket under a TCP connection: bytes survive a cancelled wait, and closing wakes who waits."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import suppress

import anyio
import anyio.lowlevel
import pytest

from eventflux_runtime.net.socket_stream import PeerEnd, SocketStream
from tests.support.nodes import PATIENCE_S


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize("turns", range(6))
async def test_a_wait_that_is_cancelled_as_bytes_arrive_loses_none(
    sockets: tuple[socket.socket, socket.socket], turns: int
) -> None:
    stream = SocketStream(sockets[0])
    got: list[bytes] = []

    async def receive(scope: anyio.CancelScope) -> None:
        with scope:
            got.append(await stream.receive())

    with anyio.fail_after(PATIENCE_S):
        for number in range(20):
            async with anyio.create_task_group() as tasks:
                scope = anyio.CancelScope()
                tasks.start_soon(receive, scope)
                await anyio.wait_all_tasks_blocked()
                sockets[1].send(bytes([number]))
                for _ in range(turns):
                    await anyio.lowlevel.checkpoint()
                scope.cancel()
        while sum(map(len, got)) < 20:
            got.append(await stream.receive())
    assert b"".join(got) == bytes(range(20))
    stream.close()


@pytest.mark.parametrize("anyio_backend", ["asyncio", ("asyncio", {"use_uvloop": True})], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("turns", range(6))
async def test_nor_does_one_that_asyncio_cancels(sockets: tuple[socket.socket, socket.socket], turns: int) -> None:
    stream = SocketStream(sockets[0])
    got: list[bytes] = []
    for number in range(20):
        task = asyncio.create_task(stream.receive())
        await anyio.wait_all_tasks_blocked()
        sockets[1].send(bytes([number]))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            got.append(await task)
    with anyio.fail_after(PATIENCE_S):
        while sum(map(len, got)) < 20:
            got.append(await stream.receive())
    assert b"".join(got) == bytes(range(20))
    stream.close()


async def test_closing_wakes_who_waits(sockets: tuple[socket.socket, socket.socket]) -> None:
    stream = SocketStream(sockets[0])
    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:

            async def wait() -> None:
                with pytest.raises(anyio.ClosedResourceError):
                    await stream.receive()

            tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            stream.close()
    stream.close()
    with pytest.raises(anyio.ClosedResourceError):
        await stream.receive()
    with pytest.raises(anyio.ClosedResourceError):
        await stream.send(b"x")
    assert stream.end is PeerEnd.LOST


@pytest.mark.parametrize("turns", range(4))
async def test_closing_in_any_turn_of_a_wait_is_told(sockets: tuple[socket.socket, socket.socket], turns: int) -> None:
    stream = SocketStream(sockets[0])
    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:

            async def wait() -> None:
                with pytest.raises(anyio.ClosedResourceError):
                    await stream.receive()

            tasks.start_soon(wait)
            for _ in range(turns):
                await anyio.lowlevel.checkpoint()
            stream.close()


async def test_an_end_is_told_apart_from_silence(sockets: tuple[socket.socket, socket.socket]) -> None:
    stream = SocketStream(sockets[0])
    ends = [stream.end]
    sockets[1].send(b"last")
    sockets[1].close()
    ends.append(stream.end)
    assert ends == [None, PeerEnd.CLOSED]
    assert await stream.receive() == b"last"
    with pytest.raises(anyio.EndOfStream):
        await stream.receive()
    stream.close()
