"""The life of a client's end of a connection: it is greeted, takes calls, drains, and ends with all of them."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, Final

from eventflux_runtime.carrier.api import CLOSE_S, wait_closed
from eventflux_runtime.net.client_log import CLIENT_LOG
from eventflux_runtime.net.tls import explain_tls
from eventflux_runtime.net.waiting import wake
from eventflux_runtime.protocol.api import ConnectionState
from eventflux_runtime.protocol.core.event import GO_AWAY_RECEIVED, GoAwayReceived
from eventflux_runtime.protocol.core.machine import Machine
from eventflux_runtime.protocol.driver.client_call import StreamingCall, UnaryCall
from eventflux_runtime.protocol.driver.client_session import ClientSession
from eventflux_runtime.protocol.ping_backoff import PING_BACKOFF, ping_interval_s
from eventflux_runtime.rpc.call_observer import CancelCause
from eventflux_runtime.rpc.call_tally import TallyBook
from eventflux_runtime.rpc.rpc_error import RpcError, Unavailable
from eventflux_runtime.rpc.status import StatusCode
from eventflux_runtime.rpc.status_part import escaped

if TYPE_CHECKING:
    from eventflux_runtime.carrier.api import Pipe
    from eventflux_runtime.net.reactor import Reactor, Waiter
    from eventflux_runtime.rpc.config import ClientConfig
    from eventflux_runtime.rpc.endpoint import Endpoint

__all__ = ["ClientLife"]

_READY: Final = ConnectionState.READY
_DRAINING: Final = ConnectionState.DRAINING


class ClientLife(ClientSession):
    """The state of a connection, and the calls in flight on it.

    Invariant: a call stands in `_calls` from when it was sent until it has ended on this side.
    """

    def __init__(self, pipe: Pipe, core: Machine, reactor: Reactor, endpoint: Endpoint, config: ClientConfig) -> None:
        super().__init__(pipe, core, reactor, endpoint, config)
        self.state = ConnectionState.READY
        self.max_calls = 0
        self._ping_interval_s = ping_interval_s(config, endpoint)
        self._calls: dict[int, UnaryCall | StreamingCall[Any, Any]] = {}
        self.tallies = TallyBook()
        """See `ClientConnection.tallies`."""
        self._end_cause = CancelCause.DISCONNECTED
        self._greeting: Waiter[None] | None = None
        self._handlers[GO_AWAY_RECEIVED] = self._on_go_away

    def __repr__(self) -> str:
        return f"<connection to {self.endpoint}: {self.state.value}, {self.active_calls} active>"

    @property
    def active_calls(self) -> int:
        """See `ClientConnection.active_calls`."""
        return len(self._calls)

    # -- the beginning

    async def handshake(self) -> None:
        """Starts the pipe and returns when the server has said what it allows.

        Raises:
            Unavailable: the server closed the connection, or speaks something else.
        """
        # Before the pipe begins: a server that speaks first may have spoken already.
        greeting: Waiter[None] = self.reactor.waiter()
        self._greeting = greeting
        self.pipe.start(self)
        self.flush()
        self.schedule_timer()
        await greeting

    def greeted(self, max_calls: int) -> None:
        """The server said what it allows; for subclasses. Only the first time calls may begin."""
        self.max_calls = max_calls
        wake(self._greeting)
        self._greeting = None
        self.schedule_timer()

    # -- the end

    def _on_go_away(self, event: GoAwayReceived) -> None:
        if self.state is _READY:
            self.state = ConnectionState.DRAINING
        reason = f" ({event.reason})" if event.reason else ""
        CLIENT_LOG.debug(
            "%s is going away%s: %d calls in flight, of which %d never ran",
            self.endpoint,
            escaped(reason),
            len(self._calls),
            len(event.unprocessed),
        )
        for stream_id in event.unprocessed:
            call = self._end_call(stream_id)
            if call is not None:
                call.fail(Unavailable(f"{self.endpoint} is going away{reason}; the call never ran", unprocessed=True))
        if event.is_too_many_pings and self._ping_interval_s is not None:
            PING_BACKOFF.complained(self.endpoint, self._ping_interval_s)
        if event.code != StatusCode.OK:
            self.close_reason = Unavailable(f"{self.endpoint} closed the connection: {event.reason}")
        self._close_if_drained()

    def drain(self) -> None:
        """See `ClientConnection.drain`."""
        if self.state is _READY:
            self.state = ConnectionState.DRAINING
            self._close_if_drained()

    def _close_if_drained(self) -> None:
        if self.state is _DRAINING and not self._calls:
            self.close()

    def fail(self, error: Exception) -> None:
        """See `Session.fail`. The pipe may take a while to close; no call starts on it meanwhile."""
        if self.state is _READY:
            self.state = ConnectionState.DRAINING
        super().fail(error)

    def lost(self) -> None:
        """See `Session.lost`."""
        self.state = ConnectionState.CLOSED
        error = self._lost_error()
        if self._greeting is not None:
            if not self._greeting.done():
                self._greeting.set_exception(error)
            self._greeting = None
        calls, self._calls = self._calls, {}
        CLIENT_LOG.debug(
            "the connection to %s ended, and %d calls with it: %s", self.endpoint, len(calls), self.end_text()
        )
        for call in calls.values():
            self.wheel.discard(call)
            call.fail(error, self._end_cause)

    def _lost_error(self) -> RpcError:
        reason = self.close_reason
        if isinstance(reason, RpcError):
            return reason
        text = f": {reason}" if reason is not None and str(reason) else ""
        if isinstance(reason, ssl.SSLError):
            text = ": " + explain_tls(reason, "the server")
        return Unavailable(f"the connection to {self.endpoint} was lost{text}")

    async def aclose(self) -> None:
        """See `ClientConnection.aclose`."""
        if self.state is not ConnectionState.CLOSED:
            self.state = ConnectionState.CLOSED
            self._end_cause = CancelCause.STOPPED
            self.close_reason = Unavailable(f"the connection to {self.endpoint} was closed by this client")
            if not self._is_lost:
                self.say_goodbye("client closed")
        if not self._is_lost:
            await wait_closed(self.pipe, CLOSE_S)

    def _end_call(self, stream_id: int) -> UnaryCall | StreamingCall[Any, Any] | None:
        call = self._calls.pop(stream_id, None)
        if call is not None:
            self.wheel.discard(call)
        if self.state is _DRAINING:
            self._close_if_drained()
        return call
