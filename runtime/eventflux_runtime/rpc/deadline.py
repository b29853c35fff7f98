"""Deadlines: absolute times on the event loop's clock, and what a handler's own calls inherit."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final, Protocol, final

from eventflux_runtime.rpc.checked import MAX_SECONDS, shown
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.metadata import Metadata

__all__ = ["ENDLESS_S", "TRACE_KEYS", "UNSET", "CallScope", "Unset", "checked_timeout", "current_scope"]

ENDLESS_S: Final = float(MAX_SECONDS)
"""Seconds from which on a timeout is none. So no clock, timer or field of a wire has to hold one that is longer."""

TRACE_KEYS: Final = frozenset({"traceparent", "tracestate", "baggage", "grpc-trace-bin", "b3"})
"""Metadata keys handed on to a handler's outgoing calls (W3C Trace Context, W3C Baggage, OpenCensus, Zipkin B3)."""


@final
class Unset:
    """The type of `UNSET`: a value not given, where None means something else."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset()
"""As ``timeout_s`` of a call: what its method or its channel has. None there means no deadline."""


def checked_timeout(timeout_s: object) -> float | None:
    """The seconds that a call may take; None for so many that there is no deadline.

    Raises:
        ConfigError: it is no number, or below 0.
    """
    if not isinstance(timeout_s, int | float) or isinstance(timeout_s, bool) or not timeout_s >= 0:
        raise ConfigError(f"timeout_s must be a number of seconds, 0 or more, or None, not {shown(timeout_s)}")
    return float(timeout_s) if timeout_s < ENDLESS_S else None


class CallScope(Protocol):
    """What a running handler hands on to the calls it makes."""

    @property
    def has_ended(self) -> bool:
        """Whether the handler has returned: what it left running in the background has no client that waits for it."""

    @property
    def deadline(self) -> float | None:
        """When its client stops waiting, on the loop's clock; None: never."""

    @property
    def trace(self) -> Metadata:
        """The trace context, the metadata of `TRACE_KEYS`."""


current_scope: Final[ContextVar[CallScope | None]] = ContextVar("eventflux_call_scope", default=None)
"""Set by the server in each handler's own context."""
