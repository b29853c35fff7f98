"""A client's call as it is told to observers: from the level of their interceptor on, down to each attempt.

Invariants: a watch ends once, and tells nothing afterwards; the watches of a call are in the order of their levels, the
outermost first.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any, Final

from eventflux_runtime.rpc.attempt_record import AttemptRecord
from eventflux_runtime.rpc.call_observer import Attempt, CallEnd, CallObserver, CancelCause, ObserverGroup
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.errors import CodecError
from eventflux_runtime.rpc.rpc_error import RpcError
from eventflux_runtime.rpc.status import OK_STATUS, Status, StatusCode

__all__ = ["CallWatch", "Observation", "outcome_of"]

CANCELLED_STATUS: Final = Status(StatusCode.CANCELLED, "the call was cancelled by its caller")
_CLOCK_S: Final = 0.01
"""Seconds by which a clock may be behind: an event loop's own has a resolution of its own."""


class CallWatch:
    """One call, from ``proceed(head)`` of one interceptor to its end, for the observers of that head."""

    def __init__(self, observers: tuple[CallObserver, ...]) -> None:
        self.is_handed_out = False
        """Whether the program has a stream of it, and ends it."""
        self.cause: CancelCause | None = None
        self._group = ObserverGroup(observers)
        self._begun_at = perf_counter()
        self._attempt: Attempt | None = None
        self._attempts = 0
        self._record: AttemptRecord | None = None
        self._has_request = False
        self._sent = 0
        self._received = 0
        self._is_over = False

    @property
    def accepted(self) -> int:
        """Messages that the wire has taken of the latest attempt."""
        return self._record.sent_messages if self._record is not None else 0

    def attempt(self, endpoint: Endpoint, record: AttemptRecord) -> None:
        """An attempt begins."""
        if self._is_over:
            return
        self.cause = None
        self._record = record
        self._attempts += 1
        self._attempt = Attempt(number=self._attempts, endpoint=str(endpoint), host=endpoint.host, port=endpoint.port)
        self._group.attempt(self._attempt)

    def attempt_end(self, status: Status) -> None:
        """The latest attempt has ended."""
        if self._attempt is not None and not self._is_over:
            self._group.attempt_end(self._attempt, status)

    def only_request(self, message: Any) -> None:
        """The request of a unary call is on its way, for the first time or again."""
        if not self._has_request:
            self._has_request = True
            self.request(message)

    def request(self, message: Any) -> None:
        """A request is on its way."""
        if not self._is_over:
            self._sent += 1
            self._group.request(message)

    def response(self, message: Any) -> None:
        """A response is handed out."""
        if not self._is_over:
            self._received += 1
            self._group.response(message)

    def failed(self, error: BaseException) -> None:
        """The call ends by what was raised instead of a result."""
        status = outcome_of(error)
        self.end(status, CancelCause.CALLER if not isinstance(error, Exception) else self.cause)

    def end(self, status: Status | None, cause: CancelCause | None = None) -> None:
        """The call has ended; None: with OK and nothing more."""
        if self._is_over:
            return
        self._is_over = True
        record = self._record
        end = CallEnd(
            status=status if status is not None else OK_STATUS,
            duration_s=perf_counter() - self._begun_at,
            sent_messages=self._sent,
            received_messages=self._received,
            sent_bytes=record.sent_bytes if record is not None else 0,
            received_bytes=record.received_bytes if record is not None else 0,
            attempts=self._attempts,
            cancel_cause=cause,
            endpoint=self._attempt.endpoint if self._attempt is not None else None,
        )
        self._group.end(end)


class Observation:
    """The attempts of one call, told to all its watches."""

    def __init__(
        self,
        watches: tuple[CallWatch, ...],
        deadline: float | None,
        now: Callable[[], float],
        is_stopped: Callable[[], bool],
    ) -> None:
        """Observes a call that is about to be made.

        Args:
            watches: the outermost first; not empty.
            deadline: of the call, on the loop's clock; None: none.
            now: the loop's clock.
            is_stopped: whether the channel has been closed.
        """
        self.is_final = True
        """Whether no attempt can follow the one that is under way."""
        self._watches = watches
        self._deadline = deadline
        self._now = now
        self._is_stopped = is_stopped
        self._is_attempting = False

    def attempt(self, endpoint: Endpoint) -> AttemptRecord:
        """An attempt of a streaming call begins."""
        return self._begin(endpoint, _StreamRecord(self))

    def unary_attempt(self, endpoint: Endpoint, request: Any) -> AttemptRecord:
        """An attempt of a unary call begins."""
        return self._begin(endpoint, _UnaryRecord(self, request))

    def _begin(self, endpoint: Endpoint, record: AttemptRecord) -> AttemptRecord:
        self._is_attempting = True
        for watch in self._watches:
            watch.attempt(endpoint, record)
        return record

    def sent_request(self, message: Any) -> None:
        """The request of a unary call is on its way."""
        for watch in self._watches:
            watch.only_request(message)

    def attempt_ended(self, status: Status, cause: CancelCause | None = None, *, is_over: bool = False) -> None:
        """The attempt under way has ended; what is over need not be received any more to be at its end."""
        if not self._is_attempting:
            return
        self._is_attempting = False
        for watch in reversed(self._watches):
            watch.attempt_end(status)
            watch.cause = cause = self._cause_of(status, cause)
            if is_over and self.is_final and watch.is_handed_out:
                watch.end(status, cause)

    def failed(self, error: BaseException, record: AttemptRecord | None) -> None:
        """The call ends by an error, within an attempt or without one."""
        status = outcome_of(error)
        cause = record.cause if record is not None else None
        if not isinstance(error, Exception):
            cause = CancelCause.CALLER
        cause = self._cause_of(status, cause)
        self.attempt_ended(status, cause)
        for watch in self._watches:
            watch.cause = cause

    def _cause_of(self, status: Status, cause: CancelCause | None) -> CancelCause | None:
        if cause is not None or status.code is StatusCode.OK:
            return cause
        if status.code is StatusCode.DEADLINE_EXCEEDED and self._deadline is not None:
            # Wherever it was noticed first, here or at the server.
            return CancelCause.DEADLINE if self._now() >= self._deadline - _CLOCK_S else None
        return CancelCause.STOPPED if self._is_stopped() and status.code is StatusCode.UNAVAILABLE else None


class _StreamRecord(AttemptRecord):
    """The record of an attempt of a streaming call."""

    def __init__(self, observation: Observation) -> None:
        super().__init__()
        self._observation = observation

    def ended(self, status: Status, *, is_over: bool) -> None:
        """See `AttemptRecord.ended`."""
        self._observation.attempt_ended(status, self.cause, is_over=is_over)


class _UnaryRecord(AttemptRecord):
    """The record of an attempt of a unary call."""

    def __init__(self, observation: Observation, request: Any) -> None:
        super().__init__()
        self._observation = observation
        self._request = request

    def sent(self, size: int) -> None:
        """See `AttemptRecord.sent`."""
        super().sent(size)
        self._observation.sent_request(self._request)


def outcome_of(error: BaseException) -> Status:
    """The status of a call that ended by an error, its own or one of the program."""
    if isinstance(error, RpcError):
        return error.status
    if not isinstance(error, Exception):
        return CANCELLED_STATUS
    if isinstance(error, CodecError):
        return Status(StatusCode.INTERNAL, f"a request cannot be encoded: {error}")
    return Status(StatusCode.UNKNOWN, f"{type(error).__name__}: {error}")
