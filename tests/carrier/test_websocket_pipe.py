"""A pipe in a WebSocket over one in memory, for what real sockets do not show at will."""

from __future__ import annotations

import anyio

from eventflux_runtime.carrier.api import CLOSE_S
from eventflux_runtime.carrier.memory_pipe import MemoryPipe, memory_pipe_pair
from eventflux_runtime.carrier.websocket.pipe import WebSocketPipe
from eventflux_runtime.net.event_loop import open_reactor
from eventflux_runtime.net.reactor import Reactor
from eventflux_runtime.rpc.peer import Peer
from tests.support.websocket_peer import frame

LONG_S = 10
PEER = Peer("ws://peer")


class Noting:
    """A `PipeHandler` that notes what it is told."""

    def __init__(self) -> None:
        self.data = b""
        self.told: list[str] = []
        self.error: Exception | None = None

    def on_data(self, data: bytes) -> None:
        self.data += data

    def on_eof(self) -> None:
        self.told.append("eof")

    def on_lost(self, error: Exception | None) -> None:
        self.told.append("lost")
        self.error = error

    def on_congested(self) -> None:
        self.told.append("congested")

    def on_writable(self) -> None:
        self.told.append("writable")


def server_side(reactor: Reactor) -> tuple[WebSocketPipe, MemoryPipe, MemoryPipe]:
    """A server's WebSocket, the pipe below it, and the other end of that."""
    theirs, ours = memory_pipe_pair(reactor, reactor, "memory://test")
    pipe = WebSocketPipe(ours, reactor, PEER, is_client=False)
    ours.start(pipe)
    return pipe, ours, theirs


async def test_what_comes_before_the_handler_waits_for_it() -> None:
    with anyio.fail_after(LONG_S):
        async with open_reactor() as reactor:
            pipe, _, theirs = server_side(reactor)
            theirs.write(frame(2, b"early") + frame(8, b"\x0f\xa1late"))
            await pipe.wait_closed()
            handler = Noting()
            pipe.start(handler)
            assert (handler.data, handler.told) == (b"early", ["eof", "lost"])
            assert str(handler.error) == "the peer closed the WebSocket with 4001 (late)"


async def test_a_peer_that_does_not_read_gets_no_pongs_until_it_does() -> None:
    with anyio.fail_after(LONG_S):
        async with open_reactor() as reactor:
            pipe, ours, theirs = server_side(reactor)
            there, here = Noting(), Noting()
            theirs.start(there)
            pipe.start(here)
            ours.unsent_bytes = 100_000
            theirs.write(frame(9, b"one") * 500 + frame(2, b"data"))
            while not here.data:
                await anyio.lowlevel.checkpoint()
            assert there.data == b""
            ours.unsent_bytes = 0
            theirs.write(frame(9, b"two"))
            while not there.data.endswith(frame(10, b"two", key=None)):
                await anyio.lowlevel.checkpoint()
            assert there.data == frame(10, b"one", key=None) * 15 + frame(10, b"two", key=None)


async def test_a_paused_pipe_that_closes_hears_the_farewell() -> None:
    with anyio.fail_after(LONG_S):
        async with open_reactor() as reactor:
            pipe, _, theirs = server_side(reactor)
            there, here = Noting(), Noting()
            theirs.start(there)
            pipe.start(here)
            pipe.pause_reading()
            pipe.write(b"last")
            pipe.close()
            pipe.write(b"nobody gets this")
            theirs.write(frame(2, b"nor this") + frame(8, b"\x03\xe9"))
            await pipe.wait_closed()
            assert there.data == frame(2, b"last", key=None) + frame(8, b"\x03\xe9", key=None)
            assert (here.data, here.told, here.error) == (b"", ["lost"], None)


async def test_a_pipe_that_closes_waits_a_second_for_the_farewell_whoever_waits_for_it() -> None:
    with anyio.fail_after(LONG_S):
        async with open_reactor() as reactor:
            pipe, _, theirs = server_side(reactor)
            there, here = Noting(), Noting()
            theirs.start(there)
            pipe.start(here)
            started = reactor.now()
            pipe.close()
            await pipe.wait_closed()
            assert reactor.now() - started > CLOSE_S - 0.1
            assert (there.told, here.told) == (["lost"], ["lost"])
