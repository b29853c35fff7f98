"""Reading a socket on asyncio's loops only while somebody waits, and without a new entry in the loop's list each time.

Invariants: at most one task waits; bytes are taken from the system only for it, and are kept if it is cancelled in the
same step; while nobody waits the loop calls at most once more, and then the socket is off its list.
"""

from __future__ import annotations

import asyncio
import socket
import sys

import anyio
import anyio.lowlevel

__all__ = ["READ_BYTES", "LoopReader", "loop_reader"]

READ_BYTES = 64 * 1024
"""Bytes asked of the system at a time."""


def loop_reader(sock: socket.socket) -> LoopReader | None:
    """A reader for a socket on the running event loop; None: the loop is not asyncio's, or cannot watch a socket."""
    if sys.platform == "win32":
        return None  # asyncio's loop there has no readers
    try:
        # A running loop is not enough: trio in guest mode has one too, but no current task on it.
        return LoopReader(sock) if asyncio.current_task() is not None else None
    except RuntimeError:
        return None


class LoopReader:
    """The receiving side of a socket that does not block."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._loop = asyncio.get_running_loop()
        self._is_watched = False
        self._is_closed = False
        self._waiter: asyncio.Future[bytes] | None = None
        self._kept: asyncio.Future[bytes] | None = None

    async def receive(self) -> bytes:
        """The next bytes; none at the end. Cancelled, it has taken none.

        Raises:
            anyio.ClosedResourceError: `close` was called meanwhile.
            OSError: the connection is lost.
        """
        if self._kept is None and self._is_watched:
            return await self._next()
        # A fast peer leaves the event loop to others too. A cancellation finds nothing taken yet.
        await anyio.lowlevel.checkpoint()
        if self._is_closed:
            raise anyio.ClosedResourceError
        kept, self._kept = self._kept, None
        if kept is not None:
            return kept.result()
        try:
            return self._socket.recv(READ_BYTES)
        except BlockingIOError:
            self._loop.add_reader(self._socket.fileno(), self._on_readable)
            self._is_watched = True
            return await self._next()

    async def _next(self) -> bytes:
        waiter: asyncio.Future[bytes] = self._loop.create_future()
        self._waiter = waiter
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                waiter.exception()  # looked at, so that the loop does not miss it if nobody comes for it
                self._kept = waiter
            raise
        finally:
            self._waiter = None

    def _on_readable(self) -> None:
        waiter = self._waiter
        if waiter is None or waiter.done():
            self._unwatch()
            return
        try:
            waiter.set_result(self._socket.recv(READ_BYTES))
        except BlockingIOError:
            return
        except OSError as error:
            waiter.set_exception(error)

    def _unwatch(self) -> None:
        if self._is_watched:
            self._is_watched = False
            self._loop.remove_reader(self._socket.fileno())

    def close(self) -> None:
        """Lets go of the socket, which is still open."""
        self._is_closed = True
        self._unwatch()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(anyio.ClosedResourceError())
