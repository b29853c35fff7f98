"""A pipe that is an asyncio protocol: bytes go from the loop's callback to the handler with no task in between.

asyncio's own loop reads for a plain protocol into 256 KiB that it allocates and shrinks for each read, which costs more
than a small call; there a pipe brings the buffer along. uvloop has one of its own and is faster without.
"""

from __future__ import annotations

import asyncio
from typing import cast

from eventflux_runtime.carrier.api import HIGH_WATER_BYTES, PipeHandler, StallGuard
from eventflux_runtime.carrier.read_buffer import READ_BUFFER
from eventflux_runtime.net.waiting import wake
from eventflux_runtime.rpc.peer import Peer

__all__ = ["AsyncioPipe", "asyncio_pipe"]


class AsyncioPipe(asyncio.BaseProtocol):
    """One connection of an asyncio transport. `start` may come after the first bytes; they are kept until then."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.is_congested = False
        self._transport: asyncio.Transport | None = None
        self._handler: PipeHandler | None = None
        self._early: list[bytes] = []
        self._early_eof = False
        self._loop = asyncio.get_running_loop()
        self._lost: asyncio.Future[None] = self._loop.create_future()
        self._giving_up: StallGuard | None = None
        self._error: Exception | None = None

    @property
    def transport(self) -> asyncio.Transport:
        """The loop's transport; set once connected."""
        assert self._transport is not None
        return self._transport

    @property
    def unsent_bytes(self) -> int:
        """See `Pipe.unsent_bytes`."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def start(self, handler: PipeHandler) -> None:
        """See `Pipe.start`."""
        self._handler = handler
        for data in self._early:
            handler.on_data(data)
        self._early.clear()
        if self._early_eof:
            handler.on_eof()
        if self._lost.done():
            handler.on_lost(self._error)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop connected."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)
        self.write = self._transport.write  # type: ignore[method-assign]  # one call less on each write

    def data_received(self, data: bytes) -> None:
        """The loop read bytes."""
        if self._handler is None:
            self._early.append(data)
        else:
            self._handler.on_data(data)

    def eof_received(self) -> bool:
        """The peer closed its side; False: the loop flushes and closes ours."""
        if self._handler is None:
            self._early_eof = True
        else:
            self._handler.on_eof()
        self.close()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The loop let go of the socket."""
        self._error = exc
        self.is_congested = False
        self.write = _drop  # type: ignore[method-assign]  # uvloop's transport raises from here on
        if self._giving_up is not None:
            self._giving_up.cancel()
        wake(self._lost)
        if self._handler is not None:
            self._handler.on_lost(exc)

    def pause_writing(self) -> None:
        """The loop holds more than `HIGH_WATER_BYTES`."""
        self.is_congested = True
        if self._handler is not None:
            self._handler.on_congested()

    def resume_writing(self) -> None:
        """The loop has room again."""
        self.is_congested = False
        if self._handler is not None:
            self._handler.on_writable()

    def write(self, data: bytes) -> None:
        """See `Pipe.write`. Replaced by the transport's own method once connected."""
        self.transport.write(data)

    def pause_reading(self) -> None:
        """See `Pipe.pause_reading`."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """See `Pipe.resume_reading`."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self) -> None:
        """See `Pipe.close`."""
        if self._transport is None or self._lost.done():
            return
        self.write = _drop  # type: ignore[method-assign]  # a loop's transport adds it to what it has still to send
        self._transport.close()
        if self._giving_up is None and self.unsent_bytes:
            self._giving_up = StallGuard(self, self._loop.time, self._loop.call_at, self.abort)

    def abort(self) -> None:
        """See `Pipe.abort`."""
        if self._transport is not None and not self._lost.done():
            self.write = _drop  # type: ignore[method-assign]  # as in `close`
            self._transport.abort()

    async def wait_closed(self) -> None:
        """See `Pipe.wait_closed`."""
        await asyncio.shield(self._lost)


def _drop(data: bytes) -> None:
    """The `write` of a pipe that is closing, or closed."""


class _PlainPipe(AsyncioPipe, asyncio.Protocol):
    """A pipe whose loop brings the buffer."""


class _BufferedPipe(AsyncioPipe, asyncio.BufferedProtocol):
    """A pipe that reads into its thread's buffer: a selector loop fills it and hands it over in one step."""

    def __init__(self, peer: Peer) -> None:
        super().__init__(peer)
        self._buffer = READ_BUFFER.view

    def get_buffer(self, sizehint: int) -> memoryview:
        """The loop is about to read."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """The loop read bytes."""
        self.data_received(bytes(self._buffer[:nbytes]))


def asyncio_pipe(peer: Peer) -> AsyncioPipe:
    """A pipe for a connection on the running loop, of the kind that suits the loop."""
    is_selector = isinstance(asyncio.get_running_loop(), asyncio.SelectorEventLoop)
    return (_BufferedPipe if is_selector else _PlainPipe)(peer)
