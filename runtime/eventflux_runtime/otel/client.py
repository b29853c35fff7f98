"""A client's calls in OpenTelemetry: a span for each, and one below it for each attempt of a call that was repeated."""

from __future__ import annotations

from collections.abc import Callable
from time import time_ns
from typing import Final, TypeVar

from opentelemetry.context import Context, attach, detach, get_current
from opentelemetry.metrics import MeterProvider
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace import Span, SpanKind, TracerProvider, get_current_span

from eventflux_runtime.client.interceptor import ClientInterceptor, ClientProceed
from eventflux_runtime.otel.convention import (
    CLIENT_DURATION,
    CLIENT_ERRORS,
    Attributes,
    call_attributes,
    end_attributes,
    peer_attributes,
    span_name,
    target_attributes,
)
from eventflux_runtime.otel.instrument import CallSpan, Instrument, set_outcome
from eventflux_runtime.otel.propagation import extracted, with_context
from eventflux_runtime.rpc.call_head import CallHead
from eventflux_runtime.rpc.call_observer import Attempt, CallEnd
from eventflux_runtime.rpc.method import AnyMethod
from eventflux_runtime.rpc.status import Status

__all__ = ["client_interceptor"]

T = TypeVar("T")

_MOST_TARGETS: Final = 256
"""Channels whose attributes are kept; one interceptor serves as many as it is given to."""
_PREVIOUS_ATTEMPTS: Final = "previous-rpc-attempts"


def client_interceptor(
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    propagator: TextMapPropagator | None = None,
    message_events: bool = False,
    only: Callable[[AnyMethod], bool] | None = None,
) -> ClientInterceptor:
    """Spans and durations of a channel's calls, of every kind and on every wire; pass it to `connect`, outermost.

    Args:
        tracer_provider: where spans go; None: the global one.
        meter_provider: where durations go; None: the global one.
        propagator: puts the trace into the metadata of calls; None: the global one, which writes W3C's Trace Context
            and Baggage.
        message_events: whether each message is an event of its call's span.
        only: says of a method whether its calls are looked at; None: all are.

    Raises:
        ConfigError: an argument is not what it should be.
    """
    instrument = Instrument.of(
        histogram=CLIENT_DURATION,
        description="Measures the duration of an outgoing Remote Procedure Call (RPC).",
        errors=CLIENT_ERRORS,
        tracer_provider=tracer_provider,
        meter_provider=meter_provider,
        propagator=propagator,
        message_events=message_events,
        only=only,
    )
    return _ClientInterceptor(instrument)


class _ClientInterceptor:
    """A `ClientInterceptor`."""

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument
        self._targets: dict[str, tuple[Attributes, bool]] = {}

    async def __call__(self, method: AnyMethod, head: CallHead, proceed: ClientProceed[T]) -> T:
        """See `ClientInterceptor`."""
        instrument = self._instrument
        if not instrument.measures(method):
            return await proceed(head)
        propagator = instrument.propagator
        start_ns = time_ns()
        parent = get_current()
        if not get_current_span(parent).get_span_context().is_valid:
            # Perhaps within a handler of a server that makes no spans: then the call goes on with its client's trace.
            parent = extracted(propagator, head.metadata, parent)
        attributes = self._attributes(method, proceed.target)
        span, context = instrument.start(span_name(method), SpanKind.CLIENT, parent, attributes, start_ns)
        call = _ClientCall(instrument, method, span, context, attributes, start_ns)
        metadata = with_context(propagator, head.metadata, context)
        token = attach(context)
        try:
            return await proceed(head.with_metadata(metadata).observed_by(call))
        finally:
            detach(token)

    def _attributes(self, method: AnyMethod, target: str) -> Attributes:
        known = self._targets.get(target)
        if known is None:
            if len(self._targets) >= _MOST_TARGETS:
                self._targets.clear()
            known = self._targets[target] = target_attributes(target)
        server, is_grpc = known
        return {**call_attributes(method, is_grpc=is_grpc), **server}


class _ClientCall(CallSpan):
    """A call and its attempts.

    An attempt has a span of its own only where there is a second one, as gRPC's proposal A72 names it: the first's is
    made then, with the times at which it began and ended. Its parent is the span of the call, and so is that of the
    server's: an attempt goes out with the metadata of its call.

    https://github.com/grpc/proposal/blob/master/A72-open-telemetry-tracing.md
    """

    def __init__(
        self,
        instrument: Instrument,
        method: AnyMethod,
        span: Span,
        context: Context,
        measured: Attributes,
        start_ns: int,
    ) -> None:
        super().__init__(instrument, span, context, measured, start_ns, is_client=True)
        self._method = method
        self._first: tuple[Attempt, int] | None = None
        """The first attempt, and when it began; None: there is none, or a second one."""
        self._first_end: tuple[Status, int] | None = None
        self._attempt: Span | None = None
        """Of the attempt that is under way, if that is not the first."""
        self._last: Attempt | None = None

    def on_attempt(self, attempt: Attempt) -> None:
        """See `CallObserver.on_attempt`."""
        if not self.is_recording:
            return
        now_ns = time_ns()
        self._last = attempt
        if attempt.number == 1:
            self._first = (attempt, now_ns)
            return
        if self._first is not None:
            first, self._first = self._first, None
            span = self._attempt_span(*first)
            if self._first_end is not None:
                self._end_attempt(span, *self._first_end)
        self._attempt = self._attempt_span(attempt, now_ns)

    def on_attempt_end(self, attempt: Attempt, status: Status) -> None:
        """See `CallObserver.on_attempt_end`."""
        if not self.is_recording:
            return
        if self._attempt is not None:
            span, self._attempt = self._attempt, None
            self._end_attempt(span, status, time_ns())
        else:
            self._first_end = (status, time_ns())

    def on_end(self, end: CallEnd) -> None:
        """See `CallObserver.on_end`."""
        if self._last is not None:
            self.span.set_attributes(peer_attributes(self._last.endpoint))
        super().on_end(end)

    def _attempt_span(self, attempt: Attempt, start_ns: int) -> Span:
        name = f"Attempt.{self._method.service}.{self._method.name}"
        attributes = {_PREVIOUS_ATTEMPTS: attempt.number - 1, **peer_attributes(attempt.endpoint)}
        return self._instrument.tracer.start_span(name, self.context, attributes=attributes, start_time=start_ns)

    def _end_attempt(self, span: Span, status: Status, end_ns: int) -> None:
        set_outcome(span, end_attributes(status, CLIENT_ERRORS), status, CLIENT_ERRORS)
        span.end(end_ns)
