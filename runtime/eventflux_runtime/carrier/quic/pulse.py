"""When a QUIC connection has to be looked at again, and whether anybody is there at its other end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from eventflux_runtime.net.waiting import wake, wake_all

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor, TimerHandle, Waiter

__all__ = ["Pulse", "RestlessTimer"]

_REFUSAL_S: Final = 0.25
"""Seconds that a peer has to prove the system wrong, which says that nobody is there. On the same machine, and in the
same network, that is the end of its process; but anybody who guesses two ports can forge the message."""


class RestlessTimer:
    """A timer whose time moves with each datagram.

    Invariant: the timer of the event loop is never later than the latest `arm` said. It may be earlier, because mostly
    the time moves back, and a look too early costs less than a timer for each datagram.
    """

    __slots__ = ("_at", "_callback", "_handle", "_reactor")

    def __init__(self, reactor: Reactor, callback: Callable[[], None]) -> None:
        self._reactor = reactor
        self._callback = callback
        self._handle: TimerHandle | None = None
        self._at = 0.0

    def arm(self, when: float | None) -> None:
        """Calls at that time of the reactor's clock at the latest; None: there is no hurry."""
        if when is None or (self._handle is not None and self._at <= when):
            return
        if self._handle is not None:
            self._handle.cancel()
        self._at = when
        self._handle = self._reactor.call_at(when, self._fire)

    def _fire(self) -> None:
        self._handle = None
        self._callback()

    def cancel(self) -> None:
        """Calls no more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


class Pulse:
    """Pings, and what a peer is suspected of.

    Attributes:
        heard_at: when something was received last, on the reactor's clock.
    """

    def __init__(self, reactor: Reactor, send: Callable[[int], None], give_up: Callable[[Exception], None]) -> None:
        """The pulse of a connection that begins now.

        Args:
            reactor: the event loop's.
            send: sends a ping of that number, if the connection lives.
            give_up: ends the connection.
        """
        self.heard_at = reactor.now()
        self._reactor = reactor
        self._send = send
        self._give_up = give_up
        self._pings: dict[int, Waiter[None]] = {}
        self._last_number = 0
        self._is_suspected = False
        self._is_over = False

    async def ping(self) -> None:
        """Returns when the peer has answered a ping.

        Raises:
            ConnectionError: the connection is over.
        """
        if not self._is_over:
            self._last_number += 1
            number = self._last_number
            waiter = self._pings[number] = self._reactor.waiter()
            try:
                self._send(number)
                await waiter
            finally:
                self._pings.pop(number, None)
        if self._is_over:
            raise ConnectionResetError("the connection is over")

    def answered(self, number: int) -> None:
        """A ping was answered."""
        wake(self._pings.get(number))

    def suspect(self, error: OSError) -> None:
        """The system says that nobody is there: asks whether that is so."""
        if not self._is_suspected and not self._is_over:
            self._is_suspected = True
            heard_at = self.heard_at
            self._send(0)
            self._reactor.call_at(self._reactor.now() + _REFUSAL_S, lambda: self._judge(heard_at, error))

    def _judge(self, heard_at: float, error: OSError) -> None:
        self._is_suspected = False
        if self.heard_at == heard_at and not self._is_over:
            reason = (error.strerror or str(error)).lower()
            self._give_up(ConnectionResetError(f"nobody is there any more: {reason}"))

    def stop(self) -> None:
        """The connection is over."""
        self._is_over = True
        wake_all(list(self._pings.values()))
