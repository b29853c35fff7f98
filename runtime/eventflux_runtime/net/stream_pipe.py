"""A pipe over an anyio byte stream: a task that reads and a task that writes, for trio and what else anyio runs on."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

import anyio
from anyio.abc import ByteStream

from eventflux_runtime.net.pipe import CLOSE_S, HIGH_WATER_BYTES, READ_BYTES, Patience, PipeHandler
from eventflux_runtime.transport_api import Peer

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor, TaskHandle, TimerHandle

__all__ = ["StreamPipe"]

PART_BYTES: Final = 256 * 1024
"""Bytes handed to the stream at a time."""


class StreamPipe:
    """One connection of an anyio stream. Owns the stream and closes it.

    Invariants: `on_lost` is called once, after both tasks have let go of the stream.
    """

    def __init__(self, stream: ByteStream, peer: Peer, reactor: Reactor) -> None:
        self.peer = peer
        self.stream = stream
        self._reactor = reactor
        self._handler: PipeHandler | None = None
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self.is_congested = False
        self._is_closing = False
        self._is_aborted = False
        self._has_begun = False
        self._wake = anyio.Event()
        self._reading: anyio.Event | None = None
        self._lost = anyio.Event()
        self._task: TaskHandle | None = None
        self._giving_up: TimerHandle | None = None

    @property
    def unsent_bytes(self) -> int:
        """See `Pipe.unsent_bytes`."""
        return self._pending_bytes

    def start(self, handler: PipeHandler) -> None:
        """See `Pipe.start`."""
        self._handler = handler
        self._task = self._reactor.spawn(self._run, handler)

    def write(self, data: bytes) -> None:
        """See `Pipe.write`."""
        if data and not self._is_closing:
            self._pending.append(data)
            self._pending_bytes += len(data)
            self._wake.set()
            if self._pending_bytes > HIGH_WATER_BYTES and not self.is_congested:
                self.is_congested = True
                if self._handler is not None:
                    self._handler.on_congested()

    def pause_reading(self) -> None:
        """See `Pipe.pause_reading`."""
        if self._reading is None:
            self._reading = anyio.Event()

    def resume_reading(self) -> None:
        """See `Pipe.resume_reading`."""
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.set()

    def close(self) -> None:
        """See `Pipe.close`."""
        if self._task is None:
            self.abort()
            return
        self._is_closing = True
        self._wake.set()
        if self._giving_up is None and self._pending_bytes:
            self._give_up_later(Patience(self))

    def _give_up_later(self, patience: Patience) -> None:
        self._giving_up = self._reactor.call_at(self._reactor.now() + CLOSE_S, lambda: self._give_up(patience))

    def _give_up(self, patience: Patience) -> None:
        if patience.is_over():
            self.abort()
        else:
            self._give_up_later(patience)

    def abort(self) -> None:
        """See `Pipe.abort`."""
        if self._is_aborted:
            return
        self._is_closing = self._is_aborted = True
        self._pending.clear()
        if self._task is None:
            self._task = self._reactor.spawn(self._discard)
        elif self._has_begun:  # one that has not would never run, and the stream has to go
            self._task.cancel()

    async def _discard(self) -> None:
        # Refused before it was started: nobody is to be told, but the socket has to go.
        try:
            await anyio.aclose_forcefully(self.stream)
        finally:
            self._lost.set()

    async def wait_closed(self) -> None:
        """See `Pipe.wait_closed`."""
        await self._lost.wait()

    async def _run(self, handler: PipeHandler) -> None:
        error: Exception | None = None
        self._has_begun = True
        try:
            async with anyio.create_task_group() as tasks:
                if not self._is_aborted:
                    tasks.start_soon(self._read, handler)
                    await self._write(handler)
                tasks.cancel_scope.cancel()
        except* (OSError, ssl.SSLError, anyio.BrokenResourceError, anyio.ClosedResourceError) as group:
            error = _root_cause(group)
        finally:
            self._is_closing = self._is_aborted = True
            if self._giving_up is not None:
                self._giving_up.cancel()
            try:
                await anyio.aclose_forcefully(self.stream)
            finally:
                # A cancellation from outside is raised again by that wait; the handler has to know all the same.
                self._lost.set()
                handler.on_lost(error)

    async def _read(self, handler: PipeHandler) -> None:
        while True:
            if self._reading is not None:
                await self._reading.wait()
            try:
                data = await self.stream.receive(READ_BYTES)
            except anyio.EndOfStream:
                break
            if self._is_closing:
                return
            handler.on_data(data)
        handler.on_eof()
        self.close()

    async def _write(self, handler: PipeHandler) -> None:
        while True:
            while self._pending:
                data = self._pending[0] if len(self._pending) == 1 else b"".join(self._pending)
                self._pending.clear()
                # In parts, so that it shows whether the peer takes any of it.
                for start in range(0, len(data), PART_BYTES):
                    part = data[start : start + PART_BYTES]
                    await self.stream.send(part)
                    self._pending_bytes -= len(part)
                if self.is_congested and self._pending_bytes <= HIGH_WATER_BYTES // 4:
                    self.is_congested = False
                    handler.on_writable()
            if self._is_closing:
                return
            self._wake = anyio.Event()
            await self._wake.wait()


def _root_cause(group: BaseExceptionGroup[Exception]) -> Exception:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    while isinstance(error, anyio.BrokenResourceError) and isinstance(error.__cause__, Exception):
        error = error.__cause__
    assert isinstance(error, Exception)
    return error
