"""What is counted of one call of this engine, for its tally and for who observes it.

grpcio tells no sizes of compressed messages: bytes are those before compression on this engine.
"""

from __future__ import annotations

from time import perf_counter

from eventflux_runtime.rpc.attempt_record import AttemptRecord
from eventflux_runtime.rpc.call_observer import CancelCause
from eventflux_runtime.rpc.call_tally import CallTally
from eventflux_runtime.rpc.rpc_error import RpcError
from eventflux_runtime.rpc.status import Status, StatusCode

__all__ = ["CallCount"]


class CallCount:
    """One call, from now on."""

    def __init__(self, tally: CallTally, record: AttemptRecord | None = None) -> None:
        self._tally = tally
        self._record = record
        self.begun_at = perf_counter()
        self.sent_messages = 0
        self.sent_bytes = 0
        self.received_messages = 0
        self.received_bytes = 0
        self.cause: CancelCause | None = None
        tally.begun_calls += 1

    def sent(self, size: int) -> None:
        """A message of so many bytes is with grpcio."""
        self.sent_messages += 1
        self.sent_bytes += size
        self._tally.sent(size)
        if self._record is not None:
            self._record.sent(size)

    def received(self, size: int) -> None:
        """A message of so many bytes is taken."""
        self.received_messages += 1
        self.received_bytes += size
        self._tally.received(size)
        if self._record is not None:
            self._record.received(size)

    def ended(self, code: StatusCode, status: Status | None = None, *, is_over: bool = False) -> None:
        """The call has ended; a streaming one with a status that its record is told."""
        self._tally.ended(code, perf_counter() - self.begun_at)
        if self._record is not None:
            self._record.cause = self.cause
            if status is not None:
                self._record.ended(status, is_over=is_over)

    def failed(self, error: BaseException) -> None:
        """A unary call has ended by an error."""
        self.ended(error.code if isinstance(error, RpcError) else StatusCode.CANCELLED)
