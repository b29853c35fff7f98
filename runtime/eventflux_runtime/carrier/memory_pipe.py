"""A pair of pipes inside one process, for ``memory://`` endpoints and for tests without a network.

The ends may be on two event loops, each in a thread of its own: what an end does to the other, the other's loop runs.
Invariant: but for `is_congested` and the like, an end is touched on its own loop only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from eventflux_runtime.carrier.api import PipeHandler
from eventflux_runtime.net.waiting import wake_all
from eventflux_runtime.rpc.peer import Peer

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor, Waiter

__all__ = ["MemoryPipe", "memory_pipe_pair"]


class MemoryPipe:
    """One end of a pair. It is never congested: flow control above it bounds what is on the way."""

    is_congested = False
    unsent_bytes = 0

    def __init__(self, reactor: Reactor, peer: Peer) -> None:
        self.peer = peer
        self._reactor = reactor
        self._other: MemoryPipe | None = None
        self._have_other: Callable[[Callable[[], None]], None]
        """Has the other's loop run a callback, in the order of the calls."""
        self._handler: PipeHandler | None = None
        self._early: list[bytes] = []
        self._is_paused = False
        self._is_closed = False
        self._is_lost = False
        self._closed_waiters: list[Waiter[None]] = []

    def connect(self, other: MemoryPipe) -> None:
        """Joins this end to the other."""
        self._other = other
        is_near = other._reactor.home is self._reactor.home
        self._have_other = other._reactor.call_soon if is_near else other._reactor.post

    def start(self, handler: PipeHandler) -> None:
        """See `Pipe.start`."""
        self._handler = handler
        if self._early:
            self._reactor.call_soon(self._deliver_early)

    def write(self, data: bytes) -> None:
        """See `Pipe.write`."""
        other = self._other
        if not self._is_closed and other is not None and data:
            self._have_other(lambda: other._deliver(data))

    def _deliver(self, data: bytes) -> None:
        handler = self._handler
        if handler is None or self._is_paused or self._early:
            self._early.append(data)
        elif not self._is_closed:
            handler.on_data(data)

    def pause_reading(self) -> None:
        """See `Pipe.pause_reading`."""
        self._is_paused = True

    def resume_reading(self) -> None:
        """See `Pipe.resume_reading`."""
        self._is_paused = False
        self._deliver_early()  # at once, ahead of what is on the way

    def _deliver_early(self) -> None:
        early, self._early = self._early, []
        for data in early:
            self._deliver(data)

    def close(self) -> None:
        """See `Pipe.close`."""
        self._shut(None)

    def abort(self) -> None:
        """See `Pipe.abort`."""
        self._shut(ConnectionResetError("the peer aborted the connection"))

    def _shut(self, error: Exception | None) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self._reactor.call_soon(lambda: self._lose(None))
        other = self._other
        if other is not None:
            self._have_other(lambda: other._be_shut(error))

    def _be_shut(self, error: Exception | None) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._lose(error)

    def _lose(self, error: Exception | None) -> None:
        if self._is_lost:
            return
        self._is_lost = True
        if self._handler is not None:
            self._handler.on_lost(error)
        wake_all(self._closed_waiters)

    async def wait_closed(self) -> None:
        """See `Pipe.wait_closed`."""
        if not self._is_lost:
            waiter: Waiter[None] = self._reactor.waiter()
            self._closed_waiters.append(waiter)
            await waiter


def memory_pipe_pair(client_reactor: Reactor, server_reactor: Reactor, address: str) -> tuple[MemoryPipe, MemoryPipe]:
    """A client's and a server's end of a new pair."""
    client = MemoryPipe(client_reactor, Peer(address))
    server = MemoryPipe(server_reactor, Peer(address))
    client.connect(server)
    server.connect(client)
    return client, server
