"""One connection, either side: moves bytes between a protocol's machine and the pipe, and events to their calls.

Invariants: output is written once per turn of the loop, or sooner when nothing else is about to add to it; every call
that the machine knows stands in `_calls` until its last event; after `on_lost` there are none. A turn of the loop takes
no more than `TURN_EVENTS` from a connection, and none while as many of its calls wait for their handlers to start: what
one read brought beyond that is taken in the turns behind it, and nothing is read meanwhile. So a peer with much to say
holds up nobody else, and the objects of a thousand calls are not all made before the first is let go, for Python's
garbage collector to walk.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from eventflux_runtime.carrier.api import Pipe
from eventflux_runtime.net.limited_log import LimitedLog
from eventflux_runtime.net.waiting import wake, wake_all
from eventflux_runtime.net.wheel import Alarm, Expirable
from eventflux_runtime.protocol.core.error import RemoteProtocolError
from eventflux_runtime.protocol.core.event import CONNECTION_LOST, EVENT_KINDS, ConnectionLost, Event
from eventflux_runtime.protocol.core.machine import ALL, Machine
from eventflux_runtime.rpc.status import StatusCode
from eventflux_runtime.rpc.status_part import escaped

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor, Waiter

__all__ = ["CONGESTED", "TURN_EVENTS", "Session"]

_log: Final = LimitedLog(logging.getLogger("eventflux_runtime"), perf_counter)

TURN_EVENTS: Final = 128
"""Events of one connection in one turn: many enough that a turn costs little beside them, few enough that the calls of
a turn make fewer objects than Python collects garbage after, 700."""
CONGESTED: Final = 1
"""A reason not to read: the peer takes less than this side sends it."""
_BEHIND: Final = 2
"""A reason not to read: what was read last has not all been taken."""


class Session(Expirable):
    """A `PipeHandler`. Subclasses fill in `_handlers`, one callable for each kind of event."""

    def __init__(self, pipe: Pipe, core: Machine, reactor: Reactor) -> None:
        super().__init__(0.0)
        self.pipe = pipe
        self.core = core
        self.written = core.written
        self.reactor = reactor
        # What calls ask of the reactor each time, looked up once.
        self.wheel = reactor.wheel
        self.now = reactor.now
        self.close_reason: Exception | None = None
        self._handlers: list[Callable[[Any], None]] = [_ignore] * EVENT_KINDS
        self._handlers[CONNECTION_LOST] = self._on_connection_lost
        self._is_flush_scheduled = False
        self._is_lost = False
        self._is_closing = False
        self.heard_at: float = perf_counter()
        """When the latest data came, on the clock of durations. One look at it serves all that came with them."""
        self._holds = 0
        """Why nothing is read now: a sum of reasons; 0: it is."""
        self._room_waiters: dict[Waiter[None], None] = {}

    # -- bytes out

    def flush_soon(self) -> None:
        """Writes what the core has queued in the loop's next turn, together with what is queued until then."""
        if not self._is_flush_scheduled:
            self._is_flush_scheduled = True
            self.reactor.call_soon(self._flush_scheduled)

    def _flush_scheduled(self) -> None:
        self._is_flush_scheduled = False
        self.flush()

    def flush(self) -> None:
        """Writes what the core has queued now."""
        if self.core.has_output:
            self.pipe.write(self.core.data_to_send())

    async def wait_for_room(self, waiter: Waiter[None]) -> None:
        """Returns when the pipe may take more, is lost, or somebody else has settled the waiter.

        A sender calls it, with a waiter of its own, while `Pipe.is_congested`.
        """
        if self._is_lost:
            return
        self._room_waiters[waiter] = None
        try:
            await waiter
        finally:
            self._room_waiters.pop(waiter, None)

    async def wait_for_room_until(self, deadline: float | None) -> None:
        """Returns when the pipe takes more, is lost, or the deadline has passed."""
        while self.pipe.is_congested and not self._is_lost:
            waiter: Waiter[None] = self.reactor.waiter()
            if deadline is None:
                await self.wait_for_room(waiter)
                continue
            now = self.now()
            if deadline <= now:
                return
            alarm = Alarm(deadline, partial(wake, waiter))
            self.wheel.add(alarm, now)
            try:
                await self.wait_for_room(waiter)
            finally:
                self.wheel.discard(alarm)

    def on_congested(self) -> None:
        """See `PipeHandler.on_congested`."""
        self.core.set_blocked(True)

    def on_writable(self) -> None:
        """See `PipeHandler.on_writable`."""
        self.core.set_blocked(False)
        waiters, self._room_waiters = self._room_waiters, {}
        wake_all(waiters)

    # -- bytes in

    def on_data(self, data: bytes) -> None:
        """See `PipeHandler.on_data`."""
        self._receive(data, TURN_EVENTS)
        if (self.core.has_unread or self.is_behind()) and not self._holds & _BEHIND:
            self._hold(_BEHIND)
            self.reactor.call_soon(self._catch_up)

    def _receive(self, data: bytes, at_most: int) -> None:
        self.heard_at = perf_counter()
        try:
            events = self.core.receive_data(data, self.now(), at_most)
        except RemoteProtocolError as error:
            self._fail_with(error)
            return
        except Exception as failure:  # noqa: BLE001 - logged; on trio it would end the scope, with every other connection in it
            _log.error("the connection with %s failed within this process", self.pipe.peer.address, error=failure)
            self.fail(ConnectionError("it failed within this process; the log says how"))
            return
        self._dispatch(events)

    def _catch_up(self) -> None:
        """The next turn: takes more of what was read."""
        if self._is_lost or self._is_closing:
            return
        if not self.is_behind():
            self._receive(b"", TURN_EVENTS)
        if self.core.has_unread or self.is_behind():
            self.reactor.call_soon(self._catch_up)
        else:
            self._let_go(_BEHIND)

    def is_behind(self) -> bool:
        """Whether what was taken waits to be dealt with, so that it is time for others; for subclasses."""
        return False

    def _take_the_rest(self) -> None:
        """Nothing follows what was read; it is taken at once."""
        if self.core.has_unread and not self._is_closing:
            self._receive(b"", ALL)

    def _hold(self, reason: int) -> None:
        if not self._holds:
            self.pipe.pause_reading()
        self._holds |= reason

    def _let_go(self, reason: int) -> None:
        if self._holds == reason:
            self._holds = 0
            self.pipe.resume_reading()
        else:
            self._holds &= ~reason

    def on_eof(self) -> None:
        """See `PipeHandler.on_eof`."""
        self._take_the_rest()
        try:
            events = self.core.receive_eof(self.now())
        except RemoteProtocolError as error:
            self._fail_with(error)
            return
        self._dispatch(events)

    def _dispatch(self, events: list[Event]) -> None:
        handlers = self._handlers
        for event in events:
            try:
                handlers[event.kind](event)
            except Exception as failure:  # noqa: BLE001 - logged; other calls and the events behind have no part in it
                text = "a call on the connection with %s failed within this process"
                _log.error(text, self.pipe.peer.address, error=failure)
                self.break_off(event)
        if self.core.has_output:
            self.flush_soon()

    def break_off(self, event: Event) -> None:
        """Ends the call that an event belongs to, because this process failed to deal with it; for subclasses."""
        raise NotImplementedError

    def _on_connection_lost(self, event: ConnectionLost) -> None:
        self.fail(ConnectionError(event.reason))

    def on_lost(self, error: Exception | None) -> None:
        """See `PipeHandler.on_lost`."""
        self._take_the_rest()
        self._is_lost = True
        self.wheel.discard(self)
        if self.close_reason is None:
            self.close_reason = error
        self.on_writable()
        self.lost()

    def lost(self) -> None:
        """Every call ends here; for subclasses."""
        raise NotImplementedError

    def end_text(self) -> str:
        """Why it ended, for the log."""
        if self.close_reason is not None:
            return escaped(f"{type(self.close_reason).__name__}: {self.close_reason}")
        return "this side closed it" if self._is_closing else "the other side closed it"

    def say_goodbye(self, reason: str) -> None:
        """Tells the peer that this side leaves, and closes."""
        if not self.core.is_closed and self.core.is_greeted:
            self.core.go_away(StatusCode.OK, reason)
        self.close()

    def close(self) -> None:
        """Sends what is queued and closes; what the peer still sends is not for anybody."""
        self.flush()
        self._is_closing = True
        self.pipe.close()

    def fail(self, error: Exception) -> None:
        """Sends what the core has to say about an error, a go-away, and closes."""
        if self.close_reason is None:
            self.close_reason = error
        self.close()

    def _fail_with(self, error: RemoteProtocolError) -> None:
        """The peer broke the protocol: takes the events that came before, and fails."""
        events, error.events = error.events, []
        self._dispatch(events)
        # The error is kept as long as the connection; what its frames hold, such as a long message, must not be.
        error.__context__ = None
        self.fail(error.with_traceback(None))

    # -- time

    def schedule_timer(self) -> None:
        """Puts the core's next timer, if any, on the reactor's wheel."""
        when = self.core.next_timer()
        self.wheel.discard(self)
        if when is not None and not self._is_lost:
            self.expires_at = when
            self.wheel.add(self, self.now())

    def expire(self) -> None:
        """See `Expirable.expire`: the core's timer is due."""
        try:
            events = self.core.handle_timer(self.now())
        except RemoteProtocolError as error:
            self._fail_with(error)
            return
        self._dispatch(events)
        self.schedule_timer()


def _ignore(event: object) -> None:
    """Nothing to do for this kind of event on this side."""
