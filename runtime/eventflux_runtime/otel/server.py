"""A server's calls in OpenTelemetry: a span for each, which is the current one in its handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import time_ns
from typing import Final

from opentelemetry.context import Context as TraceContext
from opentelemetry.context import attach, get_current
from opentelemetry.metrics import MeterProvider
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace import SpanKind, TracerProvider

from eventflux_runtime.otel.convention import (
    SERVER_DURATION,
    SERVER_ERRORS,
    call_attributes,
    peer_attributes,
    span_name,
)
from eventflux_runtime.otel.instrument import CallSpan, Instrument
from eventflux_runtime.otel.propagation import extracted, injected
from eventflux_runtime.rpc.context import Context
from eventflux_runtime.rpc.method import AnyMethod
from eventflux_runtime.rpc.rpc_error import RpcError
from eventflux_runtime.server.interceptor import ServerInterceptor

__all__ = ["server_interceptor"]

_ROOT: Final = TraceContext()


def server_interceptor(
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    propagator: TextMapPropagator | None = None,
    message_events: bool = False,
    only: Callable[[AnyMethod], bool] | None = None,
) -> ServerInterceptor:
    """Spans and durations of a server's calls, of every kind and on every wire; pass it to `serve`, outermost.

    Calls of methods that nobody serves come to no interceptor; `Server.stats` counts them.

    Args:
        tracer_provider: where spans go; None: the global one.
        meter_provider: where durations go; None: the global one.
        propagator: reads the trace from the metadata of calls; None: the global one, which reads W3C's Trace Context
            and Baggage.
        message_events: whether each message is an event of its call's span.
        only: says of a method whether its calls are looked at; None: all are.

    Raises:
        ConfigError: an argument is not what it should be.
    """
    instrument = Instrument.of(
        histogram=SERVER_DURATION,
        description="Measures the duration of an incoming Remote Procedure Call (RPC).",
        errors=SERVER_ERRORS,
        tracer_provider=tracer_provider,
        meter_provider=meter_provider,
        propagator=propagator,
        message_events=message_events,
        only=only,
    )
    return _ServerInterceptor(instrument)


class _ServerInterceptor:
    """A `ServerInterceptor`."""

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument

    async def __call__(self, context: Context, proceed: Callable[[], Awaitable[None]]) -> None:
        """See `ServerInterceptor`."""
        instrument, method = self._instrument, context.method
        if not instrument.measures(method):
            await proceed()
            return
        propagator = instrument.propagator
        start_ns = time_ns()
        # Not below what was current where the server was opened, which has nothing to do with this call.
        parent = extracted(propagator, context.metadata, _ROOT)
        measured = call_attributes(method, is_grpc=context.protocol == "grpc")
        attributes = {**measured, **peer_attributes(context.peer.address)}
        span, current = instrument.start(span_name(method), SpanKind.SERVER, parent, attributes, start_ns)
        call = CallSpan(instrument, span, current, measured, start_ns, is_client=False)
        context.observe(call)
        context.hand_on(lambda: injected(propagator, get_current()))
        # To the end of the call, which runs in a context of its own: so what the runtime logs of a handler that failed
        # belongs to the trace, too.
        attach(current)
        try:
            await proceed()
        except Exception as error:
            if call.is_recording and not isinstance(_unwrapped(error), RpcError):
                span.record_exception(error)
            raise


def _unwrapped(error: BaseException) -> BaseException:
    """The error that a task group has wrapped, where it is the only one, as the server takes it."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
