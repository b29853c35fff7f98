"""Deadlines: absolute times on the event loop's clock, and what a handler's own calls inherit."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final, Protocol, final

from eventflux_runtime.metadata import Metadata

__all__ = ["TRACE_KEYS", "UNSET", "CallScope", "Unset", "current_scope"]

TRACE_KEYS: Final = frozenset({"traceparent", "tracestate", "baggage", "grpc-trace-bin", "b3"})
"""Metadata keys handed on to a handler's outgoing calls (W3C Trace Context, W3C Baggage, OpenCensus, Zipkin B3)."""


@final
class Unset:
    """The type of `UNSET`: a value not given, where None means something else."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset()


class CallScope(Protocol):
    """What a running handler hands on to the calls it makes."""

    @property
    def deadline(self) -> float | None:
        """When its client stops waiting, on the loop's clock; None: never."""

    @property
    def trace(self) -> Metadata:
        """The trace context, the metadata of `TRACE_KEYS`."""


current_scope: Final[ContextVar[CallScope | None]] = ContextVar("eventflux_call_scope", default=None)
"""Set by the server in each handler's own context."""
