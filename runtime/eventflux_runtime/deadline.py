"""Deadlines: absolute times on the event loop's clock, and what a handler's own calls inherit."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final, final

import msgspec

from eventflux_runtime.metadata import EMPTY_METADATA, Metadata

__all__ = ["TRACE_KEYS", "UNSET", "CallScope", "Unset", "current_scope", "effective_deadline"]

TRACE_KEYS: Final = frozenset({"traceparent", "tracestate", "baggage", "grpc-trace-bin", "b3"})
"""Metadata keys handed on to a handler's outgoing calls (W3C Trace Context, W3C Baggage, OpenCensus, Zipkin B3)."""


@final
class Unset:
    """The type of `UNSET`: a value not given, where None means something else."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset()


class CallScope(msgspec.Struct, frozen=True):
    """What a running handler hands on to the calls it makes: its deadline and its trace context."""

    deadline: float | None = None
    trace: Metadata = EMPTY_METADATA


current_scope: Final[ContextVar[CallScope | None]] = ContextVar("eventflux_call_scope", default=None)
"""Set by the server in each handler's own context."""


def effective_deadline(now: float, timeout_s: float | None, inherited: float | None) -> float | None:
    """The earlier of the call's own deadline and the inherited one, in seconds of the loop's clock."""
    if timeout_s is None:
        return inherited
    own = now + timeout_s
    return own if inherited is None or own < inherited else inherited
