"""The server's end of a connection: turns opened streams into calls of the dispatcher."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import anyio

from eventflux_runtime.carrier.api import StallDetector, wait_closed
from eventflux_runtime.net.limited_log import LimitedLog
from eventflux_runtime.protocol.api import Dispatcher, ServerConnection
from eventflux_runtime.protocol.core.error import LimitError
from eventflux_runtime.protocol.core.event import (
    GO_AWAY_RECEIVED,
    HALF_CLOSED,
    LAST_CALL_KNOWN,
    MESSAGE_RECEIVED,
    MESSAGE_SENT,
    PEER_READY,
    STREAM_OPENED,
    STREAM_RESET,
    Event,
    GoAwayReceived,
    HalfClosed,
    LastCallKnown,
    MessageReceived,
    MessageSent,
    StreamOpened,
    StreamReset,
)
from eventflux_runtime.protocol.core.machine import Machine
from eventflux_runtime.protocol.driver.decoding import decoded_of
from eventflux_runtime.protocol.driver.encoding import Encoding
from eventflux_runtime.protocol.driver.inbox import AHEAD_BYTES
from eventflux_runtime.protocol.driver.packing import Packer, write_packed
from eventflux_runtime.protocol.driver.server_call import ServerSession, StreamServerCall
from eventflux_runtime.protocol.driver.session import CONGESTED, TURN_EVENTS
from eventflux_runtime.rpc.binding import AnyBinding
from eventflux_runtime.rpc.call_observer import CancelCause
from eventflux_runtime.rpc.config import Compression, ServerConfig
from eventflux_runtime.rpc.deadline import ENDLESS_S
from eventflux_runtime.rpc.errors import ProtocolError
from eventflux_runtime.rpc.metadata import Metadata
from eventflux_runtime.rpc.rpc_error import ResourceExhausted
from eventflux_runtime.rpc.status import OK_STATUS, Status, StatusCode

if TYPE_CHECKING:
    from eventflux_runtime.carrier.api import Pipe, PipeHandler
    from eventflux_runtime.net.reactor import Reactor, TimerHandle

__all__ = ["ServerConnectionBase"]

_PLAIN: Final = Compression.NONE
_ENDLESS_US: Final = int(ENDLESS_S * 1e6)
_LINGER_S: Final = 0.5
"""Seconds that a client has to close a drained connection before the server does, once it has all that was sent."""
_CALLS_A_LOOK: Final = 8
"""Calls of one turn that end at the same time, on the clock of durations."""
_TRANSIT_S: Final = 0.02
"""Seconds by which a client may be ahead of the deadline as this side has it."""
_LAST_S: Final = 0.4
"""Seconds that a client has, once its last call was broken off and it did not close, to take what is left for it."""


class ServerConnectionBase(ServerSession):
    """One client. Each protocol says how it names methods.

    Invariants: `_starting` counts handlers that were spawned and have not run yet; the last of them to start writes for
    all that came in with one read. While the pipe is congested nothing is read, so that a client that does not take its
    answers cannot ask for more; a client never does so in return, or both could wait for each other.
    """

    def __init__(
        self,
        pipe: Pipe,
        core: Machine,
        reactor: Reactor,
        dispatcher: Dispatcher,
        config: ServerConfig,
        on_lost: Callable[[ServerConnection], None],
        log: LimitedLog,
    ) -> None:
        super().__init__(pipe, core, reactor, config)
        self._max_message_bytes = config.max_message_bytes
        self._compression = config.compression
        self._packer = Packer(core, config.compression_min_bytes)
        self._handle = dispatcher.handle
        self._tallies = dispatcher.tallies
        self._count_refused = dispatcher.count_refused
        self._spawn = reactor.spawn
        self._calls: dict[int, StreamServerCall] = {}
        self._notify_lost = on_lost
        self._log = log
        self._starting = 0
        self._looked_at = 0.0
        self._looks_left = 0
        self._bytes_taken = 0
        self._is_draining = False
        self._was_told_to_leave = False
        self._linger: TimerHandle | None = None
        self._handlers[PEER_READY] = self._on_ready
        self._handlers[STREAM_OPENED] = self._on_opened
        self._handlers[MESSAGE_RECEIVED] = self._on_message
        self._handlers[HALF_CLOSED] = self._on_half_closed
        self._handlers[STREAM_RESET] = self._on_reset
        self._handlers[MESSAGE_SENT] = self._on_sent
        self._handlers[GO_AWAY_RECEIVED] = self._on_go_away
        self._handlers[LAST_CALL_KNOWN] = self._on_last_call_known

    @property
    def active_calls(self) -> int:
        """See `ServerConnection.active_calls`."""
        has_more = self.pipe.unsent_bytes > 0 or (self._is_draining and self.core.takes_calls)
        return len(self._calls) + int(has_more)

    # -- the life of the connection

    def start(self, handler: PipeHandler | None = None) -> None:
        """Begins to serve; `handler` stands in for this connection at its pipe and forwards to it."""
        # Before the pipe begins: it may deliver at once, and the handler give this connection's place to another.
        self.schedule_timer()
        self.pipe.start(self if handler is None else handler)

    def step_aside(self) -> None:
        """See `ServerConnection.step_aside`."""
        self.wheel.discard(self)

    def _on_ready(self, event: Event) -> None:
        self.schedule_timer()

    def encoding_of(self, event: StreamOpened) -> Encoding | None:
        """How the method of a call is served; None: it is not, and the client was told. For subclasses."""
        raise NotImplementedError

    def _on_go_away(self, event: GoAwayReceived) -> None:
        self._is_draining = True
        self._was_told_to_leave = False
        self._close_if_drained()

    def _on_last_call_known(self, event: LastCallKnown) -> None:
        self._close_if_drained()

    def drain(self) -> None:
        """Tells the client to go elsewhere and closes when the last call has ended."""
        if not self._is_draining:
            self._is_draining = True
            if not self.core.is_closed and self.core.is_greeted:
                self.core.drain("server is draining")
                self._was_told_to_leave = True
                self.schedule_timer()
                self.flush()
        self._close_if_drained()

    def _close_if_drained(self) -> None:
        if not self._is_draining or self._calls or self.core.takes_calls:
            return
        self.flush()
        if not self._was_told_to_leave:
            self.close()
        elif self._linger is None:
            # A socket closed with requests still on their way is reset, which can cost the client our go-away. It
            # closes by itself once it has read that.
            self._linger_on(StallDetector(self.pipe))

    def _linger_on(self, stall: StallDetector) -> None:
        self._linger = self.reactor.call_at(self.now() + _LINGER_S, lambda: self._look_after(stall))

    def _look_after(self, stall: StallDetector) -> None:
        if stall.is_stalled():
            self.close()
        else:
            self._linger_on(stall)

    def fail(self, error: Exception) -> None:
        """See `Session.fail`."""
        if isinstance(error, ProtocolError):
            self._log.warning("closing the connection from %s: %s", self.pipe.peer.address, error)
        super().fail(error)

    def lost(self) -> None:
        """See `Session.lost`."""
        for call in list(self._calls.values()):
            self._remove(call)
            call.leave(CancelCause.DISCONNECTED)
        if self._linger is not None:
            self._linger.cancel()
        self._log.debug("the connection from %s ended: %s", self.pipe.peer.address, self.end_text())
        self._notify_lost(self)

    async def aclose(self) -> None:
        """Ends every call with UNAVAILABLE and closes, within a second; at once where this wait is cancelled."""
        if not self._is_lost:
            for call in list(self._calls.values()):
                self.abort(call, StatusCode.UNAVAILABLE, "the server is shutting down", CancelCause.STOPPED)
        try:
            if self._linger is not None:
                with anyio.move_on_after(_LINGER_S):
                    await self.pipe.wait_closed()
        finally:
            if not self._is_lost:
                self.say_goodbye("server is shutting down")
                await wait_closed(self.pipe, _LAST_S)

    # -- a client that does not read

    def on_congested(self) -> None:
        """See `PipeHandler.on_congested`."""
        super().on_congested()
        self._bytes_taken = self.core.sent_bytes - self.pipe.unsent_bytes
        self._hold(CONGESTED)

    def on_writable(self) -> None:
        """See `PipeHandler.on_writable`."""
        self._let_go(CONGESTED)
        super().on_writable()

    def expire(self) -> None:
        """See `Expirable.expire`. Who is not read lives as long as it takes what was sent."""
        if self._holds & CONGESTED:
            taken = self.core.sent_bytes - self.pipe.unsent_bytes
            if taken > self._bytes_taken:
                self._bytes_taken = taken
                self.core.heard(self.now())
        super().expire()

    # -- calls

    def is_behind(self) -> bool:
        """See `Session.is_behind`. A handler that waits at once takes a turn to start, and others queue behind it."""
        return self._starting >= TURN_EVENTS

    def _on_opened(self, event: StreamOpened) -> None:
        encoding = self.encoding_of(event)
        if encoding is None:
            return
        now = self.now()
        expires_at = 0.0
        if 0 <= event.timeout_us < _ENDLESS_US:
            expires_at = now + event.timeout_us * 1e-6
        call = StreamServerCall(self, encoding, event.stream_id, event.metadata, expires_at)
        self._calls[event.stream_id] = call
        encoding.tally.begun_calls += 1
        if event.has_message:
            message = decoded_of(encoding.decode, event, self._max_message_bytes)
            call.on_first_message(message, event.end - event.start)
        if event.end_stream:
            call.on_half_close()
        if expires_at:
            self.wheel.add(call, now)
        if encoding.compression is not _PLAIN:
            self.core.compress(event.stream_id, self._packer.usable_id(encoding.compression, event.stream_id))
        self._starting += 1
        call.run_in(self._spawn(self._begin, encoding.binding, call))

    def _begin(self, binding: AnyBinding, call: StreamServerCall) -> Coroutine[Any, Any, None]:
        self.mark_started(call)
        return self._handle(binding, call)

    def refuse(self, event: StreamOpened, code: StatusCode, message: str) -> None:
        """Ends a call that no handler gets to see; for subclasses."""
        self._count_refused()
        self.core.send_status(event.stream_id, Status(code, message))

    def adopt(self, encoding: Encoding, binding: AnyBinding) -> None:
        """Fills in what the calls of a method have in common on this server; for subclasses."""
        encoding.compression = binding.method.compression or self._compression
        encoding.tally = self._tallies.of(binding.method.path)

    def mark_started(self, call: StreamServerCall) -> None:
        """The call's handler runs, or never will."""
        if call.starts():
            self._starting -= 1

    # -- what calls do

    def send_message(self, stream_id: int, message: Any, encoding: Encoding) -> bool:
        """Sends one response of a streaming call; False: part of it waits for credit."""
        try:
            if encoding.compression is _PLAIN:
                is_whole = self.core.send_message(stream_id, message, encoding.encode)
            else:
                data, wire_id = self._packer.pack(message, encoding.encode, encoding.compression, stream_id)
                is_whole = self.core.send_message(stream_id, data, write_packed, False, wire_id)
        except LimitError as error:
            raise ResourceExhausted(str(error)) from None
        self.flush_soon()
        return is_whole

    def send_headers(self, stream_id: int, metadata: Metadata) -> None:
        """Sends initial metadata."""
        self.core.send_headers(stream_id, metadata)
        self.flush_soon()

    def send_status(self, call: StreamServerCall, status: Status, message: Any) -> bool:
        """Ends a call; False: the response waits for credit. Where it raises, the call is still open."""
        encoding = call.encoding
        has_response = encoding.has_one_response and (status is OK_STATUS or status.code is StatusCode.OK)
        encode = encoding.encode if has_response else None
        try:
            if encode is None or encoding.compression is _PLAIN:
                is_whole = self.core.send_status(call.stream_id, status, message, encode)
            else:
                data, wire_id = self._packer.pack(message, encode, encoding.compression, call.stream_id)
                is_whole = self.core.send_status(call.stream_id, status, data, write_packed, wire_id)
        except LimitError as error:
            raise ResourceExhausted(str(error)) from None
        # Of calls that are answered at once, one behind another, not each looks at the clock.
        if not self._starting or self._looks_left <= 0 or self._looked_at < self.heard_at:
            self._looked_at = perf_counter()
            self._looks_left = _CALLS_A_LOOK
        self._looks_left -= 1
        if encode is None:
            call.on_finished(status, self._looked_at)
        else:
            call.on_answered(status, self.written.size, self._looked_at)
        if is_whole:
            self._remove(call)
        if self._starting and not self.core.has_plenty:
            self.flush_soon()
        else:
            self.flush()
        return is_whole

    def abort(self, call: StreamServerCall, code: StatusCode, message: str, cause: CancelCause | None) -> None:
        """Ends a call from this side and cancels its handler."""
        if call.is_finished:
            self.core.reset(call.stream_id, code)
            self._remove(call)
            self.flush_soon()
        else:
            self.send_status(call, Status(code, message), None)
        call.leave(cause)

    def _remove(self, call: StreamServerCall) -> None:
        self._calls.pop(call.stream_id, None)
        self.wheel.discard(call)
        if self._is_draining:
            self._close_if_drained()

    def consumed(self, stream_id: int, credit: int) -> None:
        """The handler took a message; its credit goes back."""
        self.core.consumed(stream_id, credit)
        if self.core.has_output:
            self.flush_soon()

    # -- events

    def break_off(self, event: Event) -> None:
        """See `Session.break_off`."""
        stream_id = getattr(event, "stream_id", 0)
        call = self._calls.get(stream_id)
        if call is not None:
            text = f"{call.method.path} failed within the server; its log says how"
            self.abort(call, StatusCode.INTERNAL, text, None)
        elif stream_id:
            self.core.reset(stream_id, StatusCode.INTERNAL, "the call failed within the server")

    def _on_message(self, event: MessageReceived) -> None:
        call = self._calls.get(event.stream_id)
        if call is not None:
            call.on_message(event, self._max_message_bytes, AHEAD_BYTES // len(self._calls))
            if event.end_stream:
                call.on_half_close()

    def _on_half_closed(self, event: HalfClosed) -> None:
        call = self._calls.get(event.stream_id)
        if call is not None:
            call.on_half_close()

    def _on_reset(self, event: StreamReset) -> None:
        call = self._calls.get(event.stream_id)
        if call is not None:
            self._remove(call)
            # The client's deadline is a little ahead of ours: what it resets then, it has given up for that.
            is_late = 0.0 < call.expires_at <= self.now() + _TRANSIT_S
            call.leave(CancelCause.DEADLINE if is_late else CancelCause.CALLER)

    def _on_sent(self, event: MessageSent) -> None:
        call = self._calls.get(event.stream_id)
        if call is not None:
            call.on_sent()
            if call.is_finished:
                self._remove(call)
