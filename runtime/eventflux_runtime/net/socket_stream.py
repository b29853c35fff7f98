"""A connected socket from which nothing is read before somebody asks for it.

The streams of the event loops read ahead: asyncio's from the first byte on, whether anybody waits for it or not, so a
peer fills memory as fast as the network is. Here bytes stay with the system, whose buffer is bounded, until `receive`.

Invariants: the socket does not block; one task at a time reads and one writes; after `close` the socket is closed and
whoever waited for it knows.
"""

from __future__ import annotations

import select
import socket
from enum import Enum
from typing import Final

import anyio
import anyio.lowlevel

from eventflux_runtime.net.loop_reader import READ_BYTES, loop_reader

__all__ = ["PeerEnd", "SocketStream"]

DISCARD_BYTES: Final = 1024 * 1024
"""Bytes that nobody received and that `finish` takes from the system at most."""
_HANG_UP: Final[int] = getattr(select, "POLLRDHUP", 0)
"""The event of a peer's end, which Linux reports even while bytes wait before it; 0: there is no such event."""


class PeerEnd(Enum):
    """How the peer's side of a connection ended."""

    CLOSED = "closed"
    """In order: it sends nothing more."""
    LOST = "lost"
    """By a reset, a failure of the network, or because this side closed the socket."""


class SocketStream:
    """A byte stream over a socket that it owns."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.socket: Final = sock
        self._is_closed = False
        self._reader = loop_reader(sock)
        self._poll: select.poll | None = None

    @property
    def end(self) -> PeerEnd | None:
        """What has become of the peer's side, told without waiting; None: it is open.

        Where the system reports no such event, bytes that nobody has received hide the end behind them.
        """
        if self._is_closed:
            return PeerEnd.LOST
        if _HANG_UP:
            if self._poll is None:
                self._poll = select.poll()
                self._poll.register(self.socket, _HANG_UP)
            events = self._poll.poll(0)
            if not events:
                return None
            return PeerEnd.LOST if events[0][1] & select.POLLERR else PeerEnd.CLOSED
        try:
            return None if self.socket.recv(1, socket.MSG_PEEK) else PeerEnd.CLOSED
        except BlockingIOError:
            return None
        except OSError:
            return PeerEnd.LOST

    async def receive(self) -> bytes:
        """The next bytes; waits for some. Cancelled, it has taken none.

        Raises:
            anyio.EndOfStream: the peer has closed its side.
            anyio.ClosedResourceError: this side has been closed.
            OSError: the connection is lost.
        """
        self._check()
        data = await (self._reader.receive() if self._reader is not None else self._receive())
        if not data:
            raise anyio.EndOfStream
        return data

    async def _receive(self) -> bytes:
        # A fast peer leaves the event loop to others too. A cancellation finds nothing taken yet.
        await anyio.lowlevel.checkpoint()
        while (data := self._received()) is None:
            await anyio.wait_readable(self.socket)
        return data

    def _received(self) -> bytes | None:
        """What the system has; None: nothing yet."""
        self._check()
        try:
            return self.socket.recv(READ_BYTES)
        except BlockingIOError:
            return None

    async def send(self, data: bytes) -> None:
        """Hands bytes to the system, and returns when it has them all. Cancelled, it may have handed over a part.

        It waits only where the system has no room.

        Raises:
            anyio.ClosedResourceError: this side has been closed.
            OSError: the connection is lost.
        """
        rest = memoryview(data)
        while rest:
            self._check()
            try:
                rest = rest[self.socket.send(rest) :]
            except BlockingIOError:
                await anyio.wait_writable(self.socket)

    def close(self) -> None:
        """Closes the socket at once; a second time does nothing. What was sent may be lost if bytes wait unread."""
        if not self._is_closed:
            self._is_closed = True
            if self._reader is not None:
                self._reader.close()
            anyio.notify_closing(self.socket)
            self.socket.close()

    def finish(self) -> None:
        """Closes the socket in order; a second time does nothing. What was sent is still delivered."""
        if self._is_closed:
            return
        try:
            self.socket.shutdown(socket.SHUT_WR)
            # With bytes left unread the system would reset the connection, and what was sent would be lost with it.
            for _ in range(DISCARD_BYTES // READ_BYTES):
                if not self.socket.recv(READ_BYTES):
                    break
        except OSError:
            pass  # there is nothing more to read, or nobody to tell
        self.close()

    def _check(self) -> None:
        if self._is_closed:
            raise anyio.ClosedResourceError
