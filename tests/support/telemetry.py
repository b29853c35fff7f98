"""OpenTelemetry's SDK with exporters in memory, and a service that tells which span was the current one in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from opentelemetry import baggage
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.trace import SpanKind, get_current_span

from eventflux_runtime import ClientInterceptor, Context, ServerInterceptor
from eventflux_runtime.otel import client_interceptor, server_interceptor
from inventory_sdk import (
    ChangeSummary,
    GetItemRequest,
    InventoryService,
    Item,
    Reservation,
    ReservationResult,
    StockChange,
    WatchRequest,
)


class Telemetry:
    """What was recorded, by providers of its own."""

    def __init__(self, sampler: Sampler | None = None) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracer_provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.meter_provider = MeterProvider([self._reader], shutdown_on_exit=False)
        self.tracer = self.tracer_provider.get_tracer("tests")

    def client(self, **options: Any) -> ClientInterceptor:
        """A client's interceptor that records here."""
        return client_interceptor(tracer_provider=self.tracer_provider, meter_provider=self.meter_provider, **options)

    def server(self, **options: Any) -> ServerInterceptor:
        """A server's."""
        return server_interceptor(tracer_provider=self.tracer_provider, meter_provider=self.meter_provider, **options)

    def spans(self, kind: SpanKind | None = None) -> list[ReadableSpan]:
        """Those that have ended, in the order in which they began; of one kind, or all."""
        spans = [span for span in self._exporter.get_finished_spans() if kind in (None, span.kind)]
        return sorted(spans, key=lambda span: span.start_time or 0)

    def span(self, kind: SpanKind) -> ReadableSpan:
        """The only one of its kind."""
        (span,) = self.spans(kind)
        return span

    def durations(self, name: str) -> list[HistogramDataPoint]:
        """The points of a histogram."""
        data = self._reader.get_metrics_data()
        if data is None:
            return []
        metrics = [m for resource in data.resource_metrics for scope in resource.scope_metrics for m in scope.metrics]
        points = [point for metric in metrics if metric.name == name for point in metric.data.data_points]
        return [point for point in points if isinstance(point, HistogramDataPoint)]


def span_id(span: ReadableSpan) -> int:
    """The id of a span."""
    context = span.get_span_context()
    assert context is not None
    return context.span_id


def parent_id(span: ReadableSpan) -> int | None:
    """The id of a span's parent; None: it is a root."""
    return span.parent.span_id if span.parent is not None else None


class TellingInventory(InventoryService):
    """Notes the id of the current span, and the baggage ``who``, each time that a handler runs or goes on."""

    def __init__(self) -> None:
        self.noted: list[tuple[str, int, object]] = []
        self.contexts: list[Context] = []

    def _note(self, where: str, context: Context) -> None:
        self.noted.append((where, get_current_span().get_span_context().span_id, baggage.get_baggage("who")))
        self.contexts.append(context)

    async def get_item(self, request: GetItemRequest, context: Context) -> Item:
        """Answers at once."""
        self._note("get", context)
        return Item(sku=request.sku)

    async def record_changes(self, requests: AsyncIterator[StockChange], context: Context) -> ChangeSummary:
        """Counts."""
        count = 0
        async for _ in requests:
            self._note("record", context)
            count += 1
        return ChangeSummary(changes=count)

    async def watch_items(self, request: WatchRequest, context: Context) -> AsyncIterator[StockChange]:
        """One change for each item."""
        for sku in request.skus:
            self._note(f"watch {sku}", context)
            yield StockChange(sku=sku)

    async def reserve(self, requests: AsyncIterator[Reservation], context: Context) -> AsyncIterator[ReservationResult]:
        """One result for each reservation."""
        async for request in requests:
            self._note(f"reserve {request.sku}", context)
            yield ReservationResult()
