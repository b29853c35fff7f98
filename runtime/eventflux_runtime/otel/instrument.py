"""What both sides share: the tracer, the histogram, and a call that is told of its messages and its end.

Invariant: the span of a call ends once, when the call does, and its duration is what the histogram is given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from time import time_ns
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.metrics import Histogram, MeterProvider, get_meter
from opentelemetry.propagate import get_global_textmap
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace import Span, SpanKind, Tracer, TracerProvider, get_tracer, set_span_in_context
from opentelemetry.trace import Status as SpanStatus
from opentelemetry.trace import StatusCode as SpanStatusCode

from eventflux_runtime.otel.convention import BUCKETS_S, SCHEMA_URL, Attributes, end_attributes
from eventflux_runtime.rpc.call_observer import CallEnd, CallObserver
from eventflux_runtime.rpc.checked import require_instance, shown
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.method import AnyMethod
from eventflux_runtime.rpc.status import Status, StatusCode
from eventflux_runtime.rpc.status_part import escaped

__all__ = ["CallSpan", "Instrument", "set_outcome"]

_SCOPE: Final = "eventflux_runtime"
_CANCEL_CAUSE: Final = "eventflux.cancel_cause"
_SENT: Final = "Outbound message"
_RECEIVED: Final = "Inbound message"
_SEQUENCE: Final = "sequence-number"
_NS_PER_S: Final = 1e9


@dataclass(frozen=True, slots=True)
class Instrument:
    """What one side's calls are measured with."""

    tracer: Tracer
    durations: Histogram
    errors: frozenset[StatusCode]
    """The codes that are errors on this side."""
    has_message_events: bool
    own_propagator: TextMapPropagator | None
    only: Callable[[AnyMethod], bool] | None

    @classmethod
    def of(
        cls,
        *,
        histogram: str,
        description: str,
        errors: frozenset[StatusCode],
        tracer_provider: TracerProvider | None,
        meter_provider: MeterProvider | None,
        propagator: TextMapPropagator | None,
        message_events: bool,
        only: Callable[[AnyMethod], bool] | None,
    ) -> Instrument:
        """An instrument of the providers given, or of the global ones.

        Raises:
            ConfigError: an argument is not what it should be.
        """
        checks = (("tracer_provider", tracer_provider), ("meter_provider", meter_provider), ("propagator", propagator))
        for (name, value), kind in zip(checks, (TracerProvider, MeterProvider, TextMapPropagator), strict=True):
            if value is not None:
                require_instance(name, value, kind)
        require_instance("message_events", message_events, bool)
        if only is not None and not callable(only):
            raise ConfigError(f"only must be a function of a method, not {shown(only)}")
        meter = get_meter(_SCOPE, _version(), meter_provider, SCHEMA_URL)
        return cls(
            get_tracer(_SCOPE, _version(), tracer_provider, SCHEMA_URL),
            meter.create_histogram(
                histogram, unit="s", description=description, explicit_bucket_boundaries_advisory=list(BUCKETS_S)
            ),
            errors,
            message_events,
            propagator,
            only,
        )

    @property
    def propagator(self) -> TextMapPropagator:
        """The one that was given, or the global one as it is now."""
        return self.own_propagator if self.own_propagator is not None else get_global_textmap()

    def measures(self, method: AnyMethod) -> bool:
        """Whether calls of a method are looked at."""
        return self.only is None or self.only(method)

    def start(
        self, name: str, kind: SpanKind, parent: Context, attributes: Attributes, start_ns: int
    ) -> tuple[Span, Context]:
        """A span below another one, and the context in which it is the current one."""
        span = self.tracer.start_span(name, parent, kind, attributes, start_time=start_ns)
        return span, set_span_in_context(span, parent)


class CallSpan(CallObserver):
    """One call, as its span and the histogram tell of it."""

    def __init__(
        self,
        instrument: Instrument,
        span: Span,
        context: Context,
        measured: Attributes,
        start_ns: int,
        *,
        is_client: bool,
    ) -> None:
        """A call that begins.

        Args:
            instrument: its side's.
            span: its own.
            context: the one in which `span` is the current one.
            measured: its attributes in the histogram, as far as they are known.
            start_ns: when it began, in nanoseconds since the epoch.
            is_client: whether requests are sent, and responses received.
        """
        self.span: Final = span
        self.context: Final = context
        self.is_recording: Final = span.is_recording()
        self._instrument = instrument
        self._measured = measured
        self._start_ns = start_ns
        self._is_client = is_client
        self._has_events = instrument.has_message_events and self.is_recording
        self._counts = {_SENT: 0, _RECEIVED: 0}

    def on_request(self, message: Any) -> None:
        """See `CallObserver.on_request`."""
        if self._has_events:
            self._add_event(_SENT if self._is_client else _RECEIVED)

    def on_response(self, message: Any) -> None:
        """See `CallObserver.on_response`."""
        if self._has_events:
            self._add_event(_RECEIVED if self._is_client else _SENT)

    def _add_event(self, name: str) -> None:
        number = self._counts[name]
        self._counts[name] = number + 1
        self.span.add_event(name, {_SEQUENCE: number})

    def on_end(self, end: CallEnd) -> None:
        """See `CallObserver.on_end`."""
        end_ns = max(time_ns(), self._start_ns)
        found = end_attributes(end.status, self._instrument.errors)
        if self.is_recording:
            if end.cancel_cause is not None:
                self.span.set_attribute(_CANCEL_CAUSE, end.cancel_cause.value)
            set_outcome(self.span, found, end.status, self._instrument.errors)
        self.span.end(end_ns)
        seconds = (end_ns - self._start_ns) / _NS_PER_S
        self._instrument.durations.record(seconds, {**self._measured, **found}, context=self.context)


def set_outcome(span: Span, found: Attributes, status: Status, errors: frozenset[StatusCode]) -> None:
    """Notes on a span how what it stands for ended."""
    span.set_attributes(found)
    if status.code in errors:
        span.set_status(SpanStatus(SpanStatusCode.ERROR, escaped(status.message) or None))


def _version() -> str:
    try:
        return version("eventflux-transport")
    except PackageNotFoundError:  # run from its sources
        return ""
