"""When a QUIC connection has to be looked at again, and whether anybody is there at its other end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from eventflux_runtime.net.waiting import wake, wake_all

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor, TimerHandle, Waiter

__all__ = ["Pulse", "RestlessTimer", "TailProbe"]

_REFUSAL_S: Final = 0.25
"""Seconds that a peer has to prove the system wrong, which says that nobody is there. On the same machine, and in the
same network, that is the end of its process; but anybody who guesses two ports can forge the message."""

_FIRST_USUAL_S: Final = 0.01
_LEAST_PATIENCE_S: Final = 0.002
_MOST_PATIENCE_S: Final = 0.025
"""The longest delay of an ACK: by then the library asks itself."""
_MOST_IN_VAIN: Final = 32
"""Probes in a row after which it takes twice as long to the next."""


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


class TailProbe:
    """Asks early whether the last thing that was sent has arrived.

    A packet that is lost with none behind it is missed only after the longest delay of an ACK, which is 25 ms, and some
    round trips (RFC 9002, 6.2). Two pings behind it are acknowledged at once (RFC 9000, 13.2.2), and show the gap. So
    they leave where an ACK takes twice as long as it took lately to hear something. Where nothing is lost they are in
    vain, and become rarer until there are none.
    """

    __slots__ = ("_asked", "_in_vain", "_is_owed", "_ping", "_reactor", "_sent_at", "_timer", "_usual_s", "_was_heard")

    def __init__(self, reactor: Reactor, ping: Callable[[], None], is_owed: Callable[[], bool]) -> None:
        """A probe of a connection that begins now.

        Args:
            reactor: the event loop's.
            ping: sends two of them.
            is_owed: whether something that was sent is not acknowledged.
        """
        self._reactor = reactor
        self._ping = ping
        self._is_owed = is_owed
        self._timer = RestlessTimer(reactor, self._look)
        self._usual_s = _FIRST_USUAL_S
        """Between something that was sent and the next that was heard."""
        self._sent_at = 0.0
        self._was_heard = True
        """Whether anything was received since."""
        self._asked = 0
        self._in_vain = 0
        """Probes since something was lost."""

    def sent(self) -> None:
        """Something left that has to arrive."""
        self._sent_at = self._reactor.now()
        self._was_heard = False
        self._asked = 0
        self._arm(self._sent_at)

    def heard(self, now: float) -> None:
        """Something was received."""
        if not self._was_heard:
            self._was_heard = True
            took_s = now - self._sent_at
            self._usual_s += (took_s - self._usual_s) / (2 if took_s < self._usual_s else 8)

    def lost(self) -> None:
        """Something had to be sent again."""
        self._in_vain = 0

    @property
    def _patience_s(self) -> float:
        doublings = self._asked + self._in_vain // _MOST_IN_VAIN
        return max(_LEAST_PATIENCE_S, 2 * self._usual_s) * float(1 << doublings)

    def _arm(self, since: float) -> None:
        patience_s = self._patience_s
        if patience_s < _MOST_PATIENCE_S:
            self._timer.arm(since + patience_s)

    def _look(self) -> None:
        if not self._is_owed():
            return
        now = self._reactor.now()
        if now < self._sent_at + self._patience_s:  # something left meanwhile
            self._arm(self._sent_at)
            return
        self._asked += 1
        self._in_vain += 1
        self._arm(now)
        self._ping()  # which may be the end

    def stop(self) -> None:
        """Asks no more."""
        self._timer.cancel()


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
