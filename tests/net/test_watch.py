"""A watched descriptor: called while there is something to read, and not once more after the end."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import anyio
import anyio.lowlevel
import pytest

from eventflux_runtime.net.event_loop import open_reactor
from eventflux_runtime.net.watch import watch_readable, watch_writable

LONG_S = 10


@pytest.fixture(name="ends")
def _ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


async def test_it_is_called_as_long_as_there_is_something_to_read(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    taken: list[bytes] = []
    is_done = anyio.Event()

    def take_one() -> None:
        taken.append(ours.recv(100))
        if len(taken) == 3:
            is_done.set()

    async with open_reactor() as reactor:
        watch = watch_readable(ours.fileno(), take_one, reactor)
        for text in (b"one", b"two", b"three"):
            theirs.send(text)
        with anyio.fail_after(LONG_S):
            await is_done.wait()
        watch.stop()
    assert taken == [b"one", b"two", b"three"]


async def test_it_is_not_called_after_the_end(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    called: list[int] = []
    async with open_reactor() as reactor:
        for turns in (0, 3):  # before it has begun to wait, and after
            watch = watch_readable(ours.fileno(), lambda: called.append(1), reactor)
            for _ in range(turns):
                await anyio.lowlevel.checkpoint()
            watch.stop()
            watch.stop()
        theirs.send(b"late")
        await anyio.wait_all_tasks_blocked()
    assert called == []


async def test_it_may_be_stopped_by_what_it_calls(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    called = 0
    is_done = anyio.Event()

    def stop() -> None:
        nonlocal called
        called += 1
        watch.stop()
        is_done.set()

    theirs.send(b"not taken")
    async with open_reactor() as reactor:
        watch = watch_readable(ours.fileno(), stop, reactor)
        with anyio.fail_after(LONG_S):
            await is_done.wait()
        await anyio.wait_all_tasks_blocked()
    assert called == 1


async def test_it_is_called_when_there_is_room_to_write_beside_a_watch_for_reading(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = ends
    calls: list[str] = []
    has_room, has_read = anyio.Event(), anyio.Event()

    def note_room() -> None:
        calls.append("room")
        writing.stop()
        has_room.set()

    def read() -> None:
        calls.append(ours.recv(100).decode())
        has_read.set()

    with pytest.raises(BlockingIOError):
        while True:
            ours.send(b"fill")
    async with open_reactor() as reactor:
        reading = watch_readable(ours.fileno(), read, reactor)
        writing = watch_writable(ours.fileno(), note_room, reactor)
        await anyio.wait_all_tasks_blocked()
        assert calls == []
        theirs.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                theirs.recv(100)
        with anyio.fail_after(LONG_S):
            await has_room.wait()
        theirs.send(b"still read")  # the end of one watch leaves the other alone
        with anyio.fail_after(LONG_S):
            await has_read.wait()
        reading.stop()
    assert calls == ["room", "still read"]
