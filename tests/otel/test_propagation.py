"""The trace goes through programs as it should: from a caller to handlers, and from these to what they call."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

import anyio
import pytest
from opentelemetry import baggage
from opentelemetry.context import Context as TraceContext
from opentelemetry.context import attach, detach, get_current
from opentelemetry.propagators.textmap import Setter, TextMapPropagator, default_setter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NoOpTracerProvider, SpanKind, get_current_span

from eventflux_runtime import (
    AnyMethod,
    CallHead,
    Channel,
    ClientInterceptor,
    ClientProceed,
    Context,
    Metadata,
    ServerInterceptor,
    Unavailable,
    connect,
    serve,
)
from eventflux_runtime.otel import client_interceptor, server_interceptor
from eventflux_runtime.testing import memory_endpoint
from inventory_sdk import GetItemRequest, InventoryClient, Item, Reservation, StockChange, WatchRequest
from tests.support.telemetry import Telemetry, TellingInventory, parent_id, span_id

T = TypeVar("T")

TRACE_ID, SPAN_ID = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331
CALLER = {"traceparent": f"00-{TRACE_ID:032x}-{SPAN_ID:016x}-01", "tracestate": "v=1", "baggage": "who=ada"}


class Front(TellingInventory):
    """Asks another service for each item, by one call of its own."""

    def __init__(self, behind: Channel) -> None:
        super().__init__()
        self._behind = InventoryClient(behind)

    async def get_item(self, request: GetItemRequest, context: Context) -> Item:
        self._note("get", context)
        return await self._behind.get_item(request)

    async def watch_items(self, request: WatchRequest, context: Context) -> AsyncIterator[StockChange]:
        for sku in request.skus:
            yield StockChange(sku=(await self._behind.get_item(GetItemRequest(sku=sku))).sku)


@asynccontextmanager
async def two_services(
    front: list[ServerInterceptor], between: list[ClientInterceptor]
) -> AsyncIterator[tuple[InventoryClient, TellingInventory]]:
    """A client, without interceptors, of a service that calls another one."""
    behind = TellingInventory()
    first, second = memory_endpoint(), memory_endpoint()
    with anyio.fail_after(20):
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(serve([behind], second))
            channel = await stack.enter_async_context(connect(second, interceptors=between))
            await stack.enter_async_context(serve([Front(channel)], first, interceptors=front))
            yield InventoryClient(await stack.enter_async_context(connect(first))), behind


def received(service: TellingInventory) -> list[tuple[str, ...]]:
    """What each call brought of the trace: each value once, whatever the number of places that set it."""
    return [tuple(str(value) for value in c.metadata.get_all("traceparent")) for c in service.contexts]


async def test_a_handlers_own_calls_are_children_of_its_span_and_say_so_once() -> None:
    telemetry = Telemetry()
    async with two_services([telemetry.server()], [telemetry.client()]) as (client, behind):
        await client.get_item(GetItemRequest(), metadata=CALLER)
        async with client.watch_items(WatchRequest(skus=["a", "b"]), metadata=CALLER) as items:
            assert [item.sku async for item in items] == ["a", "b"]
    servers, inner = telemetry.spans(SpanKind.SERVER), telemetry.spans(SpanKind.CLIENT)
    assert [parent_id(span) for span in servers] == [SPAN_ID] * 2
    assert [parent_id(span) for span in inner] == [span_id(servers[0]), span_id(servers[1]), span_id(servers[1])]
    for got, span in zip(received(behind), inner, strict=True):
        assert got == (f"00-{TRACE_ID:032x}-{span_id(span):016x}-01",)
    for context in behind.contexts:
        assert context.metadata.get_all("baggage") == ("who=ada",)
        assert context.metadata.get_all("tracestate") == ("v=1",)


async def test_by_a_channel_without_interceptor_they_are_children_of_the_handlers_span_too() -> None:
    telemetry = Telemetry()
    async with two_services([telemetry.server()], []) as (client, behind):
        await client.get_item(GetItemRequest(), metadata=CALLER)
    server = telemetry.span(SpanKind.SERVER)
    assert received(behind) == [(f"00-{TRACE_ID:032x}-{span_id(server):016x}-01",)]
    assert behind.contexts[0].metadata.get_all("baggage") == ("who=ada",)


async def test_behind_a_server_without_interceptor_they_are_children_of_its_clients_span() -> None:
    telemetry = Telemetry()
    async with two_services([], [telemetry.client()]) as (client, behind):
        await client.get_item(GetItemRequest(), metadata=CALLER)
    inner = telemetry.span(SpanKind.CLIENT)
    assert parent_id(inner) == SPAN_ID
    assert received(behind) == [(f"00-{TRACE_ID:032x}-{span_id(inner):016x}-01",)]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_where_nothing_records_the_clients_trace_goes_on_as_it_came() -> None:
    nothing = NoOpTracerProvider()
    front, between = server_interceptor(tracer_provider=nothing), client_interceptor(tracer_provider=nothing)
    async with two_services([front], [between]) as (client, behind):
        await client.get_item(GetItemRequest(), metadata=CALLER)
        await client.get_item(GetItemRequest())
    assert received(behind) == [(CALLER["traceparent"],), ()]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_trace_that_is_not_sampled_goes_on_as_one_that_is_not() -> None:
    telemetry = Telemetry(ALWAYS_OFF)
    async with two_services([telemetry.server()], [telemetry.client()]) as (client, behind):
        await client.get_item(GetItemRequest(), metadata=CALLER)
    assert telemetry.spans() == []
    ((got,),) = received(behind)
    assert got.startswith(f"00-{TRACE_ID:032x}-")
    assert got.endswith("-00")
    assert len(telemetry.durations("rpc.server.call.duration")) == 1, "what is not traced is measured"


@asynccontextmanager
async def one_service(
    telemetry: Telemetry, behind: list[ClientInterceptor], inner: list[ServerInterceptor]
) -> AsyncIterator[tuple[InventoryClient, TellingInventory]]:
    service, url = TellingInventory(), memory_endpoint()
    with anyio.fail_after(20):
        async with (
            serve([service], url, interceptors=[telemetry.server(), *inner]),
            connect(url, interceptors=[telemetry.client(), *behind]) as channel,
        ):
            yield InventoryClient(channel), service


async def test_interceptors_behind_it_run_within_the_span_of_the_call() -> None:
    seen: list[tuple[str, int]] = []

    async def client_behind(method: AnyMethod, head: CallHead, proceed: ClientProceed[T]) -> T:
        seen.append(("client", get_current_span().get_span_context().span_id))
        return await proceed(head)

    async def server_behind(context: Context, proceed: Callable[[], Awaitable[None]]) -> None:
        await proceed()
        seen.append(("server", get_current_span().get_span_context().span_id))

    telemetry = Telemetry()
    async with one_service(telemetry, [client_behind], [server_behind]) as (client, _):
        await client.get_item(GetItemRequest())
        async with client.watch_items(WatchRequest(skus=["a"])) as items:
            assert len([item async for item in items]) == 1
    clients, servers = telemetry.spans(SpanKind.CLIENT), telemetry.spans(SpanKind.SERVER)
    assert [which for side, which in seen if side == "client"] == [span_id(span) for span in clients]
    assert [which for side, which in seen if side == "server"] == [span_id(span) for span in servers]


async def test_streams_side_by_side_keep_to_their_own_spans() -> None:
    telemetry = Telemetry()
    async with one_service(telemetry, [], []) as (client, service), client.reserve() as one, client.reserve() as two:
        for _ in range(3):
            await one.send(Reservation(sku="one"))
            await two.send(Reservation(sku="two"))
            await one.receive()
            await two.receive()
    spans = telemetry.spans(SpanKind.SERVER)
    noted = {where: {which for name, which, _ in service.noted if name == where} for where, _, _ in service.noted}
    assert len(service.noted) == 6
    assert {where.partition(" ")[2] for where in noted} == {"one", "two"}
    assert sorted(next(iter(ids)) for ids in noted.values()) == sorted(span_id(span) for span in spans)


async def test_the_callers_own_context_is_as_before_however_the_call_ends() -> None:
    telemetry = Telemetry()

    async def failing(context: Context, proceed: Callable[[], Awaitable[None]]) -> None:
        raise Unavailable("not today")

    with telemetry.tracer.start_as_current_span("program") as program:
        before = get_current()
        async with one_service(telemetry, [], []) as (client, service):
            token = attach(baggage.set_baggage("who", "grace"))
            await client.get_item(GetItemRequest())
            detach(token)
            assert get_current() is before
            with anyio.CancelScope() as scope:
                scope.cancel()
                await client.get_item(GetItemRequest())
            assert get_current() is before
        async with one_service(telemetry, [], [failing]) as (client, _):
            with pytest.raises(Unavailable):
                await client.get_item(GetItemRequest())
            assert get_current() is before
    assert {parent_id(span) for span in telemetry.spans(SpanKind.CLIENT)} == {program.get_span_context().span_id}
    assert service.noted[0][2] == "grace"


async def test_a_server_that_was_opened_within_a_span_begins_traces_of_its_own() -> None:
    telemetry, service, url = Telemetry(), TellingInventory(), memory_endpoint()
    with anyio.fail_after(20), telemetry.tracer.start_as_current_span("start"):
        async with serve([service], url, interceptors=[telemetry.server()]), connect(url) as channel:
            await InventoryClient(channel).get_item(GetItemRequest())
    assert parent_id(telemetry.span(SpanKind.SERVER)) is None


class Broken(TextMapPropagator):
    """Writes what is no metadata."""

    def extract(self, carrier: Any, context: TraceContext | None = None, getter: Any = None) -> TraceContext:
        return context if context is not None else TraceContext()

    def inject(self, carrier: Any, context: TraceContext | None = None, setter: Setter[Any] = default_setter) -> None:
        setter.set(carrier, "x-trace", "ä")

    @property
    def fields(self) -> set[str]:
        return {"x-trace"}


async def test_a_propagator_that_is_broken_harms_no_call(caplog: pytest.LogCaptureFixture) -> None:
    telemetry, service, url = Telemetry(), TellingInventory(), memory_endpoint()
    with anyio.fail_after(20), caplog.at_level(logging.WARNING, "eventflux_runtime.otel"):
        interceptor = telemetry.client(propagator=Broken())
        async with serve([service], url), connect(url, interceptors=[interceptor]) as channel:
            for _ in range(50):
                await InventoryClient(channel).get_item(GetItemRequest(), metadata={"kept": "1"})
    assert service.contexts[-1].metadata == Metadata.of({"kept": "1"})
    assert len(telemetry.spans(SpanKind.CLIENT)) == 50
    lines = [record for record in caplog.records if "the trace context is left out" in record.getMessage()]
    assert len(lines) <= 11, "the log has a bound"
