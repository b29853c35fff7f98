"""A lane: one stream of a QUIC connection as a pipe.

Invariants: `on_lost` is called once, the last of all calls, and in a turn of its own; a lane stands in its trunk until
then. What arrives before `start`, or while reading is paused, waits in `_held`, which is bounded: QUIC's own flow
control gives credit for what was delivered here, so it holds up nobody, and the windows of the protocol inside are what
an honest peer keeps to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from eventflux_runtime.carrier.api import HIGH_WATER_BYTES, PipeHandler, StallGuard
from eventflux_runtime.net.waiting import wake_all
from eventflux_runtime.rpc.peer import Peer

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor, Waiter

__all__ = ["LaneOwner", "QuicPipe"]

CLOSED: Final = 0
"""The code of a stream's end that nothing is wrong with; this and the next are this carrier's own (RFC 9000, 20.2)."""
ABORTED: Final = 1
"""What was sent may be lost."""


class LaneOwner(Protocol):
    """What a lane needs of its connection. None of it raises."""

    reactor: Reactor

    def send(self, lane: QuicPipe, data: bytes, *, is_end: bool = False) -> None:
        """Sends bytes on the lane's stream."""

    def unsent(self, lane: QuicPipe) -> int:
        """Bytes of its stream that were never sent."""

    def reset(self, lane: QuicPipe, code: int) -> None:
        """Breaks both halves of its stream off, as far as they are open."""

    def stop(self, lane: QuicPipe, code: int) -> None:
        """Asks the peer to send nothing more on its stream."""

    def watch(self, lane: QuicPipe) -> None:
        """Calls `QuicPipe.look` whenever something was sent."""

    def forget(self, lane: QuicPipe) -> None:
        """The lane is gone."""


class QuicPipe:
    """A `Pipe`."""

    __slots__ = (
        "_error",
        "_giving_up",
        "_handler",
        "_held",
        "_held_bytes",
        "_is_closing",
        "_is_delivering",
        "_is_eof",
        "_is_eof_told",
        "_is_paused",
        "_lost_waiters",
        "_max_held_bytes",
        "_owner",
        "_unsent_at_most",
        "has_received",
        "is_congested",
        "is_gone",
        "is_lost",
        "peer",
        "stream_id",
    )

    def __init__(self, owner: LaneOwner, stream_id: int, peer: Peer, max_held_bytes: int) -> None:
        """A lane of a stream that has begun, or begins with what is written.

        Args:
            owner: the connection.
            stream_id: the stream's.
            peer: the other side.
            max_held_bytes: what may arrive while nothing is delivered.
        """
        self.peer = peer
        self.stream_id = stream_id
        self.is_congested = False
        self.has_received = False
        self.is_gone = False
        """Whether its stream has ended for this side."""
        self.is_lost = False
        """Whether its handler knows that."""
        self._owner = owner
        self._max_held_bytes = max_held_bytes
        self._handler: PipeHandler | None = None
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._is_paused = False
        self._is_delivering = False
        self._is_eof = False
        self._is_eof_told = False
        self._is_closing = False
        self._error: Exception | None = None
        self._unsent_at_most = 0
        self._giving_up: StallGuard | None = None
        self._lost_waiters: list[Waiter[None]] = []

    @property
    def unsent_bytes(self) -> int:
        """See `Pipe.unsent_bytes`."""
        return 0 if self.is_gone else self._owner.unsent(self)

    def start(self, handler: PipeHandler) -> None:
        """See `Pipe.start`."""
        self._handler = handler
        self._deliver_held()
        if self.is_lost:
            handler.on_lost(self._error)

    # -- bytes in

    def on_data(self, data: bytes, *, is_end: bool) -> None:
        """The stream brought bytes, or its end."""
        if self.is_gone:
            return
        if data:
            self.has_received = True
            if self._is_closing:
                pass
            elif self._held or self._is_paused or self._handler is None:
                self._hold(data)
            else:
                self._handler.on_data(data)
        if is_end and not self.is_gone:
            self._is_eof = True
            if self._is_closing:
                self.look()
            elif not self._held and not self._is_paused and self._handler is not None:
                self._tell_eof()

    def _hold(self, data: bytes) -> None:
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > self._max_held_bytes:
            size = self._held_bytes
            self.end(ConnectionError(f"the other side sent more than it was given credit for: {size} bytes"))
            self._owner.reset(self, ABORTED)

    def _deliver_held(self) -> None:
        handler = self._handler
        if handler is None or self._is_delivering:
            return
        self._is_delivering = True
        try:
            while self._held and not self._is_paused and not self._is_closing:
                data = self._held.pop(0)
                self._held_bytes -= len(data)
                handler.on_data(data)
        finally:
            self._is_delivering = False
        if self._is_eof and not self._held and not self._is_paused and not self._is_closing:
            self._tell_eof()

    def _tell_eof(self) -> None:
        if not self._is_eof_told and self._handler is not None:
            self._is_eof_told = True
            self._handler.on_eof()
            self.close()

    def pause_reading(self) -> None:
        """See `Pipe.pause_reading`."""
        self._is_paused = True

    def resume_reading(self) -> None:
        """See `Pipe.resume_reading`."""
        self._is_paused = False
        if self._held or self._is_eof:
            self._owner.reactor.call_soon(self._deliver_held)

    def on_reset(self, code: int) -> None:
        """The peer broke one half of the stream off; the other is of no use then."""
        if not self.is_gone:
            self._owner.reset(self, CLOSED)
            closed = self._is_closing or code == CLOSED
            self.end(None if closed else ConnectionResetError("the other side broke the connection off"))

    # -- bytes out

    def write(self, data: bytes) -> None:
        """See `Pipe.write`."""
        if self._is_closing or self.is_gone or not data:
            return
        self._unsent_at_most += len(data)
        self._owner.send(self, data)
        if self._unsent_at_most > HIGH_WATER_BYTES and not self.is_congested:
            self._unsent_at_most = self.unsent_bytes
            if self._unsent_at_most > HIGH_WATER_BYTES:
                self.is_congested = True
                self._owner.watch(self)
                if self._handler is not None:
                    self._handler.on_congested()

    def look(self) -> bool:
        """Something was sent; whether there may be more to look for."""
        if self.is_gone:
            return False
        unsent = self._owner.unsent(self)
        if self.is_congested and unsent <= HIGH_WATER_BYTES // 4:
            self.is_congested = False
            self._unsent_at_most = unsent
            if self._handler is not None:
                self._handler.on_writable()
        if self._is_closing and not unsent and self._is_eof:
            self.end(None)
            return False
        return self.is_congested or self._is_closing

    # -- the end

    def close(self) -> None:
        """See `Pipe.close`. The lane is gone when the peer has closed its half, too: then it has all that was sent."""
        if self._is_closing or self.is_gone:
            return
        if self._handler is None:
            self.abort()
            return
        self._is_closing = True
        self._held.clear()
        self._owner.send(self, b"", is_end=True)
        self._owner.watch(self)
        if self.look():
            reactor = self._owner.reactor
            self._giving_up = StallGuard(self, reactor.now, reactor.call_at, self._give_up)

    def _give_up(self) -> None:
        if self.unsent_bytes:
            self.abort()
        else:  # all of it was sent, and may be on its way still
            self._owner.stop(self, CLOSED)
            self.end(None)

    def abort(self) -> None:
        """See `Pipe.abort`."""
        if not self.is_gone:
            self._is_closing = True
            self._owner.reset(self, ABORTED)
            self.end(None)

    def end(self, error: Exception | None) -> None:
        """The stream, or the whole connection, is over; a second time does nothing."""
        if self.is_gone:
            return
        self.is_gone = self._is_closing = True
        self.is_congested = False
        self._error = error
        self._held.clear()
        if self._giving_up is not None:
            self._giving_up.cancel()
        self._owner.reactor.call_soon(self._tell_lost)

    def _tell_lost(self) -> None:
        self.is_lost = True
        self._owner.forget(self)
        wake_all(self._lost_waiters)
        if self._handler is not None:
            self._handler.on_lost(self._error)

    async def wait_closed(self) -> None:
        """See `Pipe.wait_closed`."""
        if not self.is_lost:
            waiter: Waiter[None] = self._owner.reactor.waiter()
            self._lost_waiters.append(waiter)
            await waiter
