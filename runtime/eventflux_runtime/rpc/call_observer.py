"""Who looks at calls: what an observer is told of one, and how it is told without harm to the call.

Invariant: an observer that raises is logged, and neither the call nor the other observers notice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import Enum
from typing import Any, Final, TypeVar

import msgspec

from eventflux_runtime.rpc.checked import shown
from eventflux_runtime.rpc.counted_log import CountedLog
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.peer import Peer
from eventflux_runtime.rpc.status import Status

__all__ = ["Attempt", "CallEnd", "CallObserver", "CancelCause", "ObserverGroup", "checked_observer"]

A = TypeVar("A")

_log: Final = CountedLog(logging.getLogger("eventflux_runtime"), each_up_to=10)


class CancelCause(Enum):
    """Why a call ended before its time, as far as this side knows."""

    CALLER = "caller"
    """The client's program cancelled it; on the server: its client reset the call."""
    DEADLINE = "deadline"
    """Its deadline passed."""
    DISCONNECTED = "disconnected"
    """The connection went: the other side is gone, silent, or broke the protocol."""
    STOPPED = "stopped"
    """This side stopped: the server was closed or the grace of its drain was over, or the channel was closed."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt of a client to make a call."""

    number: int
    """1 for the first."""
    endpoint: str
    """The URL of the address that it went to, which is one of those that the target was resolved to."""
    host: str = ""
    """The host in it; empty where the scheme has none."""
    port: int = 0
    """The port in it; 0 where the scheme has none."""


class CallEnd(msgspec.Struct, frozen=True, kw_only=True):
    """How a call ended.

    Bytes are those of encoded messages as they travelled, compressed where they were, without what frames them. Of a
    call that was tried again they are those of the last attempt.
    """

    status: Status
    """Code, message, details and trailers."""
    duration_s: float
    """Seconds from the beginning of the call, on the system's clock."""
    sent_messages: int = 0
    received_messages: int = 0
    """Messages that this side's program has taken."""
    sent_bytes: int = 0
    received_bytes: int = 0
    attempts: int = 0
    """Of a client: those that had a connection. Of a server: 0."""
    cancel_cause: CancelCause | None = None
    """None: it was not cut short, or the other side said nothing but a status."""
    endpoint: str | None = None
    """Of a client: the URL that the last attempt went to. Of a server: the one that the call came to."""
    peer: Peer | None = None
    """Of a server: who called."""


class CallObserver:
    """Looks at one call, or at several. Each method does nothing until a subclass says what.

    They are plain functions, called on the event loop of the call, and run while the call is cancelled, too. `on_end`
    comes once for each call that began, as the last. A message is seen once, however often the call is tried.
    """

    def on_attempt(self, attempt: Attempt) -> None:
        """A client has a connection for an attempt, which begins now."""

    def on_attempt_end(self, attempt: Attempt, status: Status) -> None:
        """An attempt has ended; another one may follow."""

    def on_request(self, message: Any) -> None:
        """A client has sent a request; a server's handler takes one."""

    def on_response(self, message: Any) -> None:
        """A server has sent a response; a client's program takes one."""

    def on_end(self, end: CallEnd) -> None:
        """The call is over."""


class ObserverGroup:
    """The observers of a call, told in the order in which they came."""

    __slots__ = ("_observers",)

    def __init__(self, observers: tuple[CallObserver, ...] = ()) -> None:
        self._observers = observers

    def add(self, observer: CallObserver) -> None:
        """One more, told what comes from now on."""
        self._observers = (*self._observers, observer)

    def attempt(self, attempt: Attempt) -> None:
        """See `CallObserver.on_attempt`."""
        for observer in self._observers:
            _tell(observer.on_attempt, attempt)

    def attempt_end(self, attempt: Attempt, status: Status) -> None:
        """See `CallObserver.on_attempt_end`."""
        for observer in self._observers:
            try:
                observer.on_attempt_end(attempt, status)
            except Exception as error:  # noqa: BLE001 - whatever an observer raises is logged, and the call goes on
                _note_failure(observer.on_attempt_end, error)

    def request(self, message: Any) -> None:
        """See `CallObserver.on_request`."""
        for observer in self._observers:
            _tell(observer.on_request, message)

    def response(self, message: Any) -> None:
        """See `CallObserver.on_response`."""
        for observer in self._observers:
            _tell(observer.on_response, message)

    def end(self, end: CallEnd) -> None:
        """See `CallObserver.on_end`."""
        observers, self._observers = self._observers, ()  # they may well refer to what refers to this
        for observer in observers:
            _tell(observer.on_end, end)


def checked_observer(observer: object) -> CallObserver:
    """An observer.

    Raises:
        ConfigError: it is none.
    """
    if isinstance(observer, CallObserver):
        return observer
    raise ConfigError(f"an observer is an instance of a subclass of CallObserver, not {shown(observer)}")


def _tell(method: Callable[[A], None], argument: A) -> None:
    try:
        method(argument)
    except Exception as error:  # noqa: BLE001 - whatever an observer raises is logged, and the call goes on
        _note_failure(method, error)


def _note_failure(method: Callable[..., None], error: Exception) -> None:
    _log.error("an observer failed in %s", getattr(method, "__qualname__", repr(method)), error=error)
