"""A pair of pipes inside one event loop, for ``memory://`` endpoints and for tests without a network."""

from __future__ import annotations

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
        self._handler: PipeHandler | None = None
        self._early: list[bytes] = []
        self._is_paused = False
        self._is_closed = False
        self._is_lost = False
        self._closed_waiters: list[Waiter[None]] = []

    def connect(self, other: MemoryPipe) -> None:
        """Joins this end to the other."""
        self._other = other

    def start(self, handler: PipeHandler) -> None:
        """See `Pipe.start`."""
        self._handler = handler
        for data in self._early:
            self._deliver_soon(data)
        self._early.clear()

    def write(self, data: bytes) -> None:
        """See `Pipe.write`."""
        other = self._other
        if self._is_closed or other is None or other._is_closed or not data:
            return
        if other._handler is None:
            other._early.append(data)
        else:
            other._deliver_soon(data)

    def _deliver_soon(self, data: bytes) -> None:
        self._reactor.call_soon(lambda: self._deliver(data))

    def _deliver(self, data: bytes) -> None:
        if self._is_paused:
            self._early.append(data)
        elif self._handler is not None and not self._is_lost:
            self._handler.on_data(data)

    def pause_reading(self) -> None:
        """See `Pipe.pause_reading`."""
        self._is_paused = True

    def resume_reading(self) -> None:
        """See `Pipe.resume_reading`."""
        self._is_paused = False
        early, self._early = self._early, []
        for data in early:
            self._deliver(data)  # at once, ahead of what is on the way

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
        if other is not None and not other._is_closed:
            other._is_closed = True
            other._reactor.call_soon(lambda: other._lose(error))

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
