"""A byte stream over one endpoint: what is written travels in messages, or is offered to be read from here.

Invariants: no message leaves without a receive buffer at the peer (`credit`); bytes are delivered in the order in which
they were written, whatever way they came; after CLOSE nothing but ACKs leaves; `on_lost` is called once, when the
endpoint is closed. Bytes count as unsent until the card, or the peer that reads them, is done with them. Those on their
way and those that are offered congest nothing: they stand for what a socket's buffer has taken.
"""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING, Final

from eventflux_runtime.carrier.api import CLOSE_S, HIGH_WATER_BYTES, PipeHandler, StallGuard
from eventflux_runtime.carrier.rdma.credit import CreditMachine
from eventflux_runtime.carrier.rdma.frame import (
    CLOSE,
    DATA,
    HEADER_BYTES,
    OFFER,
    FrameError,
    Hello,
    decode_header,
    decode_offer,
)
from eventflux_runtime.carrier.rdma.inbound import Inbound
from eventflux_runtime.carrier.rdma.link import MOST_TOLD, Link
from eventflux_runtime.carrier.rdma.outbound import Outbound
from eventflux_runtime.carrier.rdma.queue_watch import QueueWatch
from eventflux_runtime.net.waiting import wake_all
from eventflux_runtime.rpc.peer import Peer

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor, TimerHandle, Waiter

__all__ = ["RdmaPipe"]

_RETRY_S: Final = 0.001
"""Seconds after which an operation is tried again that the provider had no room for."""


class RdmaPipe:
    """A `Pipe` over a connected link, which it owns."""

    def __init__(self, link: Link, hello: Hello, peer: Peer, reactor: Reactor, poll_s: float) -> None:
        """A pipe whose other side has said hello.

        Raises:
            ConfigError: this event loop cannot watch a descriptor.
            OSError: the provider's queues cannot be watched.
        """
        self.peer = peer
        self.is_congested = False
        self.unsent_bytes = 0
        self._link = link
        self._reactor = reactor
        self._credits = CreditMachine(link.depth, hello.depth)
        self._outbound = Outbound(link, hello, self._credits)
        self._inbound = Inbound(link, self._credits, reactor.now)
        self._handler: PipeHandler | None = None
        self._posted = deque(range(link.depth))
        """The receive buffers that wait for a message, in the order in which they are filled."""
        self._ahead: dict[int, int] = {}
        """Messages that were told of before one that came earlier: their buffers and sizes."""
        self._unposted: list[int] = []
        self._is_closing = False
        self._is_peer_done = False
        self._is_lost = False
        self._is_told = False
        self._is_broken = False
        """Whether nothing can be sent any more; what has arrived is still to be read."""
        self._error: Exception | None = None
        self._retry_timer: TimerHandle | None = None
        self._end_timer: TimerHandle | StallGuard | None = None
        self._lost_waiters: list[Waiter[None]] = []
        self._watch = QueueWatch(link.port.fabric, link.queue_fid, self._read, reactor, poll_s)
        link.port.tell(link.fid, self)
        self._watch.start()

    def start(self, handler: PipeHandler) -> None:
        """See `Pipe.start`."""
        self._handler = handler
        self._inbound.start(handler.on_data)
        self._go_on()
        if self._is_told:
            handler.on_lost(self._error)

    # -- what has ended

    def _read(self) -> bool:
        """Deals with operations that have ended; whether as many as are told at a time."""
        return self._deal() >= MOST_TOLD and not self._is_lost

    def _deal(self) -> int:
        """Deals with some operations that have ended, and tells how many."""
        done: list[tuple[int, int]] = []
        try:
            done = self._link.completions()
            if not done and not self._unposted:
                if self._link.is_flushed and not self._is_closing:
                    self._lose_later()
                return 0
            self._watch.note_activity()
            for number, size in done:
                if number < self._link.depth:
                    self._arrived(number, size)
                elif number < self._link.depth + self._link.sends:
                    self.unsent_bytes -= self._outbound.sent(number)
                else:
                    self._inbound.end_read(number - self._link.depth - self._link.sends)
                if self._is_lost:
                    return 0
            self._after_delivery()
            self._pump()
        except FrameError as error:
            self._lose(ConnectionError(f"the peer broke the rules of RDMA messages: {error}"))
        except OSError as error:
            self._break_soon(error)
        return len(done)

    def _arrived(self, number: int, size: int) -> None:
        """Messages fill the buffers in the order in which these were posted; they may be told of in any other."""
        posted = self._posted
        if posted[0] != number:
            self._ahead[number] = size
            return
        self._receive(number, size)
        while self._ahead and not self._is_lost and posted[0] in self._ahead:
            self._receive(posted[0], self._ahead.pop(posted[0]))

    def _receive(self, number: int, size: int) -> None:
        self._posted.popleft()
        link = self._link
        start = link.offset(number)
        view = link.view
        kind, returned, read = decode_header(view, size, start)
        if kind == DATA:
            data = bytes(view[start + HEADER_BYTES : start + size])
            self._post(number)
            self._inbound.take(data)
        elif kind == OFFER:
            offer = decode_offer(bytes(view[start + HEADER_BYTES : start + size]), self._inbound.most_bytes)
            self._post(number)
            self._inbound.take_offer(offer)
        else:
            self._post(number)
            if kind == CLOSE:
                self._inbound.take_close()
            else:
                self._credits.take_ack()
        self._credits.receive(returned)
        if read:
            self.unsent_bytes -= self._outbound.window.done(read)

    def _post(self, number: int) -> None:
        code = self._link.post(number)
        if code == -errno.EAGAIN:
            self._unposted.append(number)
            self._retry_later()
        elif code < 0:
            self._link.check(code, "cannot post a receive buffer")
        else:
            self._posted.append(number)

    def _after_delivery(self) -> None:
        if not self._inbound.advance():
            self._retry_later()
        if self._inbound.is_at_end and not self._is_peer_done and self._handler is not None:
            self._is_peer_done = True
            if not self._is_closing:
                self._handler.on_eof()
                self.close()
        if self._outbound.is_close_sent and self._inbound.is_at_end:
            self._lose(None)

    # -- what leaves

    def write(self, data: bytes) -> None:
        """See `Pipe.write`."""
        if self._is_closing or not data:
            return
        self._outbound.write(data)
        self.unsent_bytes += len(data)
        self._try_to_pump()
        if self._outbound.waiting_bytes > HIGH_WATER_BYTES and not self.is_congested and not self._is_closing:
            self.is_congested = True
            if self._handler is not None:
                self._handler.on_congested()

    def _try_to_pump(self) -> None:
        try:
            self._pump()
        except OSError as error:
            self._break_soon(error)

    def _pump(self) -> None:
        """Sends what may be sent now."""
        if self._is_lost or self._is_broken:
            return
        if self._unposted:
            unposted, self._unposted = self._unposted, []
            for number in unposted:
                self._post(number)
        if not self._outbound.pump():
            self._retry_later()
        self.unsent_bytes -= self._outbound.take_gone()
        if self.is_congested and self._outbound.waiting_bytes <= HIGH_WATER_BYTES // 4:
            self.is_congested = False
            if self._handler is not None and not self._is_closing:
                self._handler.on_writable()

    def _retry_later(self) -> None:
        if self._retry_timer is None:
            self._retry_timer = self._reactor.call_at(self._reactor.now() + _RETRY_S, self._retry)

    def _retry(self) -> None:
        self._retry_timer = None
        self._watch.turn_soon()
        self._go_on()

    # -- reading

    def pause_reading(self) -> None:
        """See `Pipe.pause_reading`. What has arrived is delivered; the peer gets no buffers back meanwhile."""
        if not self._is_closing:
            self._credits.is_paused = True

    def resume_reading(self) -> None:
        """See `Pipe.resume_reading`."""
        if self._credits.is_paused:
            self._credits.resume()
            self._watch.turn_soon()
            self._reactor.call_soon(self._go_on)

    def _go_on(self) -> None:
        if self._is_lost:
            return
        try:
            self._after_delivery()
            self._pump()
        except OSError as error:
            self._break_soon(error)

    # -- the end

    def on_connected(self, data: bytes) -> None:
        """See `ConnectionEvents.on_connected`; that was before this pipe."""

    def on_shutdown(self, error: OSError | None) -> None:
        """See `ConnectionEvents.on_shutdown`. What arrived before is read first."""
        while not self._is_lost and self._deal():
            pass
        if not self._is_lost:
            is_orderly = self._is_peer_done or self._is_closing
            said = f" ({error.strerror or error})" if error is not None else ""
            lost = ConnectionResetError(errno.ECONNRESET, f"the peer is gone{said}")
            self._lose(None if is_orderly else lost)

    def close(self) -> None:
        """See `Pipe.close`. The peer is told, and answers when it has read everything."""
        if self._is_closing:
            return
        self._is_closing = True
        self._outbound.close()
        self._inbound.stop()
        self._credits.resume()
        if self._end_timer is not None:
            self._end_timer.cancel()
        self._end_timer = StallGuard(self, self._reactor.now, self._reactor.call_at, self.abort)
        self._reactor.call_soon(self._go_on)

    def abort(self) -> None:
        """See `Pipe.abort`."""
        if not self._is_lost:
            self._let_link_go(None)
            self._reactor.call_soon(self._tell_lost)

    def _break_soon(self, error: OSError) -> None:
        if not self._is_broken:
            self._is_broken = True
            self._reactor.call_soon(lambda: self.on_shutdown(error))

    def _lose_later(self) -> None:
        """The provider gave operations up: the event that says why should follow, and if none does, it is the end."""
        if self._end_timer is None:
            error = ConnectionResetError(errno.ECONNRESET, "the connection has ended")
            self._end_timer = self._reactor.call_at(self._reactor.now() + CLOSE_S, lambda: self._lose(error))

    def _lose(self, error: Exception | None) -> None:
        if not self._is_lost:
            self._let_link_go(error)
            self._tell_lost()

    def _let_link_go(self, error: Exception | None) -> None:
        self._is_lost = self._is_closing = True
        self._error = error
        self._outbound.clear()
        self.unsent_bytes = 0
        self.is_congested = False
        self._watch.stop()
        for timer in (self._retry_timer, self._end_timer):
            if timer is not None:
                timer.cancel()
        self._inbound.stop()
        self._link.close()

    def _tell_lost(self) -> None:
        self._is_told = True
        if self._handler is not None:
            self._handler.on_lost(self._error)
        wake_all(self._lost_waiters)

    async def wait_closed(self) -> None:
        """See `Pipe.wait_closed`."""
        if not self._is_told:
            waiter: Waiter[None] = self._reactor.waiter()
            self._lost_waiters.append(waiter)
            await waiter
