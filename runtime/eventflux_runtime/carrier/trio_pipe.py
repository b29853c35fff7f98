"""A pipe over a socket on trio: what is written goes to the system at once, and a task reads.

Invariants: `on_lost` is called once, after the socket is closed; bytes wait in `_pending` only while the system takes
no more, and one task sees to them then.
"""

from __future__ import annotations

import socket
from collections import deque
from typing import TYPE_CHECKING, Final

import trio
from trio.lowlevel import cancel_shielded_checkpoint, notify_closing, wait_readable, wait_writable

from eventflux_runtime.carrier.api import HIGH_WATER_BYTES, PipeHandler, StallGuard
from eventflux_runtime.carrier.read_buffer import READ_BUFFER
from eventflux_runtime.net.waiting import wake
from eventflux_runtime.rpc.peer import Peer

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor, TaskHandle, Waiter

__all__ = ["TrioPipe"]

_PART_BYTES: Final = 256 * 1024
"""Bytes offered to the system at a time, so that a large message is not copied for each part that it takes."""


class TrioPipe:
    """One connected, non-blocking socket. Owns it and closes it."""

    def __init__(self, sock: socket.socket, peer: Peer, reactor: Reactor) -> None:
        self.peer = peer
        self.sock = sock
        self.is_congested = False
        self.unsent_bytes = 0
        self._reactor = reactor
        self._handler: PipeHandler | None = None
        self._pending: deque[memoryview] = deque()
        self._is_closing = False
        self._is_aborted = False
        self._is_paused = False
        self._error: OSError | None = None
        self._resume: Waiter[None] | None = None
        self._lost = trio.Event()
        self._reading: TaskHandle | None = None
        self._has_begun = False
        self._writing: TaskHandle | None = None
        self._giving_up: StallGuard | None = None

    def start(self, handler: PipeHandler) -> None:
        """See `Pipe.start`."""
        self._handler = handler
        self._reading = self._reactor.spawn(self._run, handler)

    # -- bytes in

    async def _run(self, handler: PipeHandler) -> None:
        self._has_begun = True
        try:
            if not self._is_aborted:
                await self._read(handler)
        except OSError as error:
            self._error = self._error or error
        finally:
            self._let_go()
            handler.on_lost(self._error)

    async def _read(self, handler: PipeHandler) -> None:
        sock = self.sock
        buffer = READ_BUFFER.view
        while not self._is_closing:
            if self._is_paused:
                self._resume = self._reactor.waiter()
                await self._resume
                continue
            try:
                count = sock.recv_into(buffer)
            except BlockingIOError:
                await wait_readable(sock)
                continue
            if not count:
                handler.on_eof()
                self.close()
                break
            handler.on_data(bytes(buffer[:count]))
            # Others get their turn; what arrives meanwhile is read without asking whether there is some.
            await cancel_shielded_checkpoint()
        while self._pending:
            await trio.sleep_forever()  # `_write` ends it

    def pause_reading(self) -> None:
        """See `Pipe.pause_reading`."""
        self._is_paused = True

    def resume_reading(self) -> None:
        """See `Pipe.resume_reading`."""
        self._is_paused = False
        wake(self._resume)

    # -- bytes out

    def write(self, data: bytes) -> None:
        """See `Pipe.write`."""
        if self._is_closing:
            return
        if self._pending:
            self._keep(memoryview(data))
            return
        try:
            sent = self.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._error = error
            self.abort()
            return
        if sent < len(data):
            self._keep(memoryview(data)[sent:])
            self._writing = self._reactor.spawn(self._write)

    def _keep(self, data: memoryview) -> None:
        self._pending.append(data)
        self.unsent_bytes += len(data)
        if self.unsent_bytes > HIGH_WATER_BYTES and not self.is_congested:
            self.is_congested = True
            if self._handler is not None:
                self._handler.on_congested()

    async def _write(self) -> None:
        try:
            while self._pending:
                await wait_writable(self.sock)
                if self._pending:  # an abort may have come first
                    self._send_some()
        except OSError as error:
            self._error = self._error or error
            self.abort()
        if self._is_closing:
            self._end_reading()

    def _send_some(self) -> None:
        pending = self._pending
        data = pending[0]
        try:
            sent = self.sock.send(data[:_PART_BYTES])
        except BlockingIOError:
            return
        self.unsent_bytes -= sent
        if sent == len(data):
            pending.popleft()
        else:
            pending[0] = data[sent:]
        if self.is_congested and self.unsent_bytes <= HIGH_WATER_BYTES // 4:
            self.is_congested = False
            if self._handler is not None:
                self._handler.on_writable()

    # -- the end

    def close(self) -> None:
        """See `Pipe.close`."""
        if self._is_closing:
            return
        if self._reading is None:
            self.abort()
            return
        self._is_closing = True
        if self._pending:
            self._giving_up = StallGuard(self, self._reactor.now, self._reactor.call_at, self.abort)
        else:
            self._end_reading()

    def abort(self) -> None:
        """See `Pipe.abort`."""
        if self._is_aborted:
            return
        self._is_closing = self._is_aborted = True
        self._pending.clear()
        if self._reading is None:  # refused before it was started: nobody is to be told, but the socket has to go
            self._let_go()
        else:
            self._end_reading()

    def _end_reading(self) -> None:
        # One that has not begun would never run, and the socket has to go; it looks at `_is_aborted` then.
        if self._has_begun and self._reading is not None:
            self._reading.cancel()

    def _let_go(self) -> None:
        self._is_closing = self._is_aborted = True
        self._pending.clear()
        self.unsent_bytes = 0
        self.is_congested = False
        if self._giving_up is not None:
            self._giving_up.cancel()
        if self._writing is not None:
            self._writing.cancel()
        if self.sock.fileno() >= 0:
            notify_closing(self.sock)
            self.sock.close()
        self._lost.set()

    async def wait_closed(self) -> None:
        """See `Pipe.wait_closed`."""
        await self._lost.wait()
