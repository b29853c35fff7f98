"""A byte stream in binary WebSocket messages, over another pipe: what is written at once is one message.

Invariants: what arrives before `start` waits in `_early`; the handler's `on_lost` is called once; after a close frame
has left nothing else does; a pipe that is closing ends `CLOSE_S` seconds later at the latest, as soon as the peer takes
what was written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventflux_runtime.carrier.api import CLOSE_S, Pipe, PipeHandler
from eventflux_runtime.carrier.websocket.frame import GOING_AWAY, NO_STATUS, NORMAL, FrameMachine
from eventflux_runtime.rpc.peer import Peer

if TYPE_CHECKING:
    from eventflux_runtime.net.limited_log import LimitedLog
    from eventflux_runtime.net.reactor import Reactor, TimerHandle

__all__ = ["WebSocketPipe"]

_UNREAD_BYTES: Final = 64 * 1024
"""Bytes that a peer has not taken from which on it gets no pong: it does not read, so it would not see one either."""
_ORDERLY: Final = frozenset({NORMAL, GOING_AWAY, NO_STATUS})


class WebSocketPipe:
    """A `StackedPipe` behind its handshake."""

    def __init__(
        self, lower: Pipe, reactor: Reactor, peer: Peer, *, is_client: bool, log: LimitedLog | None = None
    ) -> None:
        """A pipe over another one, of which it has to be made the handler.

        Args:
            lower: what carries it.
            reactor: the event loop's.
            peer: the other side.
            is_client: which side this is.
            log: told of a peer that breaks the rules; None: `on_lost` alone tells.
        """
        self.lower = lower
        self.peer = peer
        self._reactor = reactor
        self._machine = FrameMachine(is_client=is_client, now=reactor.now())
        self._is_client = is_client
        self._log = log
        self._handler: PipeHandler | None = None
        self._early: list[bytes] = []
        self._is_eof = False
        self._is_closing = False
        self._is_lost = False
        self._error: Exception | None = None
        self._end: TimerHandle | None = None

    @property
    def is_congested(self) -> bool:
        """See `Pipe.is_congested`."""
        return self.lower.is_congested

    @property
    def unsent_bytes(self) -> int:
        """See `Pipe.unsent_bytes`."""
        return self.lower.unsent_bytes

    # -- the pipe below

    def on_data(self, data: bytes) -> None:
        """See `PipeHandler.on_data`."""
        machine = self._machine
        received = machine.receive_data(data, self._reactor.now())
        if machine.pings:
            self._answer_pings()
        if received and not self._is_closing:
            if self._handler is None:
                self._early.append(received)
            else:
                self._handler.on_data(received)
        if machine.failure is not None:
            self._fail()
        elif machine.close_code:
            self._on_close()

    def _answer_pings(self) -> None:
        if not self._is_closing and self.lower.unsent_bytes <= _UNREAD_BYTES:
            machine = self._machine
            self.lower.write(b"".join([machine.encode_pong(ping) for ping in machine.pings]))
            machine.pings.clear()

    def _fail(self) -> None:
        failure = self._machine.failure
        if failure is None or self._is_eof:
            return
        self._is_eof = True
        if self._log is not None:
            self._log.warning("closing the WebSocket of %s: %s", self.peer.address, failure)
        self._error = ConnectionError(f"the peer broke the rules of WebSocket: {failure}")
        self._send_close(failure.code, failure.reason)
        self.lower.close()

    def _on_close(self) -> None:
        """The peer has said its last word, and this side says it too; then the server lets go first (RFC 6455, 7.1)."""
        if self._is_eof:
            return
        self._is_eof = True
        code = self._machine.close_code
        if code not in _ORDERLY:
            reason = self._machine.close_reason
            self._error = ConnectionError(f"the peer closed the WebSocket with {code}{reason and f' ({reason})'}")
        if self._handler is not None and not self._is_closing:
            self._handler.on_eof()
        self._send_close(code, "")
        if self._is_client:
            self._end_later()
        else:
            self.lower.close()

    def _send_close(self, code: int, reason: str) -> None:
        if not self._is_closing and not self._is_lost:
            self._is_closing = True
            self.lower.write(self._machine.encode_close(code, reason))

    def _end_later(self) -> None:
        if self._end is None and not self._is_lost:
            self._end = self._reactor.call_at(self._reactor.now() + CLOSE_S, self.lower.close)

    def on_eof(self) -> None:
        """See `PipeHandler.on_eof`. One that comes without a close frame is for the protocol above to judge."""
        if not self._is_eof:
            self._is_eof = True
            if self._handler is not None and not self._is_closing:
                self._handler.on_eof()

    def on_lost(self, error: Exception | None) -> None:
        """See `PipeHandler.on_lost`."""
        self._is_lost = True
        if self._end is not None:
            self._end.cancel()
        if self._error is None:
            self._error = error
        if self._handler is not None:
            self._handler.on_lost(self._error)

    def on_congested(self) -> None:
        """See `PipeHandler.on_congested`."""
        if self._handler is not None:
            self._handler.on_congested()

    def on_writable(self) -> None:
        """See `PipeHandler.on_writable`."""
        if self._handler is not None:
            self._handler.on_writable()

    # -- the handler above

    def start(self, handler: PipeHandler) -> None:
        """See `Pipe.start`."""
        self._handler = handler
        early, self._early = self._early, []
        for data in early:
            handler.on_data(data)
        if self._is_eof and self._machine.failure is None:
            handler.on_eof()
        if self._is_lost:
            handler.on_lost(self._error)

    def write(self, data: bytes) -> None:
        """See `Pipe.write`."""
        if data and not self._is_closing:
            self.lower.write(self._machine.encode(data))

    def pause_reading(self) -> None:
        """See `Pipe.pause_reading`."""
        if not self._is_closing:
            self.lower.pause_reading()

    def resume_reading(self) -> None:
        """See `Pipe.resume_reading`."""
        self.lower.resume_reading()

    def close(self) -> None:
        """See `Pipe.close`. The peer has `CLOSE_S` seconds to say farewell too; what else it sends is dropped."""
        if self._is_closing or self._is_lost:
            return
        self._send_close(self._machine.close_code or (NORMAL if self._is_client else GOING_AWAY), "")
        self.lower.resume_reading()  # the handler above may have paused, and the peer's close frame is behind that
        self._end_later()

    def abort(self) -> None:
        """See `Pipe.abort`."""
        self.lower.abort()

    async def wait_closed(self) -> None:
        """See `Pipe.wait_closed`."""
        await self.lower.wait_closed()
