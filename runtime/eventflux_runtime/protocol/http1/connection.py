"""A connection that brings a request of HTTP/1: it is answered and ends, or is led to another protocol.

Invariants: there is one request; once it is answered, or led on, what still comes is dropped; `_alarm` stands in the
reactor's wheel until the head is whole, and from the answer until the end where more of the request may come.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from eventflux_runtime.carrier.api import HttpRefusal, HttpUpgraded, wait_closed
from eventflux_runtime.net.limited_log import LimitedLog
from eventflux_runtime.net.wheel import Alarm
from eventflux_runtime.protocol.api import Offer, ServerConnection
from eventflux_runtime.protocol.http1.answer import Answer, encode_answer, told
from eventflux_runtime.protocol.http1.head import HeadError, HeadReader, RequestHead
from eventflux_runtime.protocol.http1.site import Site
from eventflux_runtime.protocol.sniff import SNIFF_BYTES, Sniff, describe_peer, sniff
from eventflux_runtime.rpc.config import ServerConfig
from eventflux_runtime.rpc.endpoint import Endpoint

if TYPE_CHECKING:
    from eventflux_runtime.carrier.api import Pipe, PipeHandler
    from eventflux_runtime.net.reactor import Reactor

__all__ = ["Http1Connection", "Lead"]

Lead = Callable[[ServerConnection, Offer, HttpUpgraded, bytes], None]
_LINGER_S: Final = 0.5
"""Seconds in which the rest of a request may come that was answered before it was read: a socket closed with bytes
unread is reset, which can cost the client the answer."""
_LAST_S: Final = 0.9
"""Seconds that a client has to take its answer once the server stops."""
_INSTEAD: Final = {
    Sniff.NATIVE: "it speaks the native protocol: use a ws:// URL, or have the server listen on tcp:// too",
    Sniff.HTTP2: "it speaks HTTP/2: use a ws:// URL, or have the server listen on grpc:// too",
}


class Http1Connection:
    """A `ServerConnection`."""

    def __init__(
        self,
        pipe: Pipe,
        site: Site,
        reactor: Reactor,
        config: ServerConfig,
        on_lost: Callable[[ServerConnection], None],
        lead: Lead,
        log: LimitedLog,
    ) -> None:
        self.pipe = pipe
        self.endpoint: Endpoint | None = None
        self._site = site
        self._reactor = reactor
        self._patience_s = config.handshake_timeout_s
        self._notify_lost = on_lost
        self._lead = lead
        self._log = log
        self._reader = HeadReader()
        self._is_over = False
        self._alarm: Alarm | None = None
        # Here and not in `start`, which is not called where another one has started the pipe.
        self._set_alarm(self._patience_s, self._give_up)

    @property
    def active_calls(self) -> int:
        """See `ServerConnection.active_calls`."""
        return int(self.pipe.unsent_bytes > 0)

    # -- the life of the connection

    def start(self, handler: PipeHandler | None = None) -> None:
        """See `ServerConnection.start`."""
        self.pipe.start(self if handler is None else handler)

    def step_aside(self) -> None:
        """See `ServerConnection.step_aside`."""
        self._is_over = True
        self._clear_alarm()

    def drain(self) -> None:
        """Closes, unless the answer is on its way."""
        if not self._is_over:
            self._is_over = True
            self.pipe.close()

    async def aclose(self) -> None:
        """See `ServerConnection.aclose`."""
        self._is_over = True
        self.pipe.close()
        await wait_closed(self.pipe, _LAST_S)

    def _set_alarm(self, in_s: float, callback: Callable[[], None]) -> None:
        self._clear_alarm()
        now = self._reactor.now()
        self._alarm = Alarm(now + in_s, callback)
        self._reactor.wheel.add(self._alarm, now)

    def _clear_alarm(self) -> None:
        alarm, self._alarm = self._alarm, None
        if alarm is not None:
            self._reactor.wheel.discard(alarm)

    def _give_up(self) -> None:
        self._refuse(HTTPStatus.REQUEST_TIMEOUT, f"the request was not there within {self._patience_s:g} s")

    # -- the pipe

    def on_data(self, data: bytes) -> None:
        """See `PipeHandler.on_data`."""
        if self._is_over:
            return
        try:
            head = self._reader.receive_data(data)
        except HeadError as error:
            self._check_kind(self._reader.beginning)
            if not self._is_over:
                self._refuse(error.status, error.reason)
            return
        if head is None:
            self._check_kind(self._reader.beginning)
        else:
            self._take(head)

    def _check_kind(self, beginning: bytes) -> None:
        """Where nothing but HTTP/1 is spoken, peers of everything else come here too."""
        if len(beginning) >= SNIFF_BYTES and sniff(beginning) is not Sniff.HTTP1:
            found = _INSTEAD.get(sniff(beginning)) or describe_peer(beginning, "ws")
            self._refuse(HTTPStatus.BAD_REQUEST, f"the peer sends no request of HTTP/1: {found}")

    def on_eof(self) -> None:
        """See `PipeHandler.on_eof`; the pipe closes by itself."""
        self._is_over = True

    def on_lost(self, error: Exception | None) -> None:
        """See `PipeHandler.on_lost`."""
        self._is_over = True
        self._clear_alarm()
        self._log.debug("the connection from %s ended: %s", self.pipe.peer.address, error or "it was closed")
        self._notify_lost(self)

    def on_congested(self) -> None:
        """See `PipeHandler.on_congested`; an answer is all there is to send."""

    def on_writable(self) -> None:
        """See `PipeHandler.on_writable`."""

    # -- the request

    def _take(self, head: RequestHead) -> None:
        self._clear_alarm()
        offer = self._site.offer_for(head)
        if offer is None:
            self._send(self._site.answer(head), is_head=head.method == "HEAD", has_more=head.has_body)
            return
        outcome = offer.upgrade(head.raw, self.pipe, self._reactor, self._log)
        if isinstance(outcome, HttpRefusal):
            self._refuse(outcome.status, outcome.reason, outcome.headers, has_more=head.has_body)
            return
        self.pipe.write(outcome.answer)
        self._lead(self, offer, outcome, self._reader.rest)

    def _refuse(
        self, status: int, reason: str, fields: tuple[tuple[str, str], ...] = (), *, has_more: bool = True
    ) -> None:
        self._log.warning("refused the request of %s with %d: %s", self.pipe.peer.address, status, reason)
        self._send(told(status, reason, fields), has_more=has_more)

    def _send(self, answer: Answer, *, is_head: bool = False, has_more: bool = False) -> None:
        self._is_over = True
        self.pipe.write(encode_answer(answer, is_head=is_head))
        if has_more:
            self._set_alarm(_LINGER_S, self.pipe.close)
        else:
            self.pipe.close()
