"""Spans and durations of calls of every kind, on every wire."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind
from opentelemetry.trace import StatusCode as SpanStatus

from eventflux_runtime import (
    CancelCause,
    ClientConfig,
    ConfigError,
    MissingExtraError,
    NotFound,
    RetryPolicy,
    RpcError,
    ServerConfig,
    StatusCode,
    Unavailable,
    Unknown,
)
from eventflux_runtime.otel import client_interceptor, server_interceptor
from eventflux_runtime.otel.convention import BUCKETS_S, SCHEMA_URL, peer_attributes, target_attributes
from eventflux_runtime.rpc.endpoint import parse_endpoint
from eventflux_runtime.testing import memory_endpoint
from eventflux_transport import (
    EventRequest,
    HeartbeatRequest,
    HeartbeatResponse,
    Message,
    TransportClient,
    TransportFactory,
)
from inventory_sdk import GetItemRequest, InventoryClient, Reservation, StockChange, WatchRequest
from tests.support.probe import Probe
from tests.support.telemetry import Telemetry, TellingInventory, parent_id, span_id
from tests.support.wires import WIRES, address, connect, serve

SEND = "eventflux.transport.Transport/SendMessage"


async def one_of_each_kind(client: InventoryClient) -> None:
    await client.get_item(GetItemRequest(sku="a"))
    async with client.record_changes() as changes:
        await changes.send(StockChange())
        await changes.send(StockChange())
        await changes.finish()
    async with client.watch_items(WatchRequest(skus=["a", "b"])) as items:
        assert [item.sku async for item in items] == ["a", "b"]
    async with client.reserve() as stream:
        await stream.send(Reservation(sku="a"))
        await stream.end()
        assert len([result async for result in stream]) == 1


@pytest.mark.parametrize("wire", WIRES)
async def test_calls_of_each_kind_have_a_span_on_either_side_and_a_duration(wire: str, tmp_path: Path) -> None:
    telemetry, service = Telemetry(), TellingInventory()
    url = address(wire, tmp_path)
    with anyio.fail_after(20):
        async with (
            serve([service], url, interceptors=[telemetry.server()]) as server,
            connect(server.endpoints[0], interceptors=[telemetry.client()]) as channel,
        ):
            await one_of_each_kind(InventoryClient(channel))
            target = server.endpoints[0]
    clients, servers = telemetry.spans(SpanKind.CLIENT), telemetry.spans(SpanKind.SERVER)
    names = [span.name.rpartition("/")[2] for span in clients]
    assert names == ["GetItem", "RecordChanges", "WatchItems", "Reserve"]
    assert [span.name for span in servers] == [span.name for span in clients]
    assert [parent_id(span) for span in servers] == [span_id(span) for span in clients]
    assert [noted[1] for noted in service.noted] == [span_id(servers[index]) for index in (0, 1, 1, 2, 2, 3)]
    for span in (*clients, *servers):
        attributes = dict(span.attributes or {})
        assert attributes["rpc.system.name"] == ("grpc" if wire in {"grpc", "grpcio"} else "eventflux")
        assert (attributes["rpc.method"], attributes["rpc.response.status_code"]) == (span.name, "OK")
        assert "error.type" not in attributes
        assert span.status.status_code is SpanStatus.UNSET
        assert (span.instrumentation_scope.schema_url if span.instrumentation_scope else "") == SCHEMA_URL
    assert_addresses(wire, target, clients[0], servers[0])
    assert_durations(telemetry, clients, servers)


def assert_addresses(wire: str, target: str, client: ReadableSpan, server: ReadableSpan) -> None:
    """The addresses of both sides are those of the server, and of the peer."""
    sent, served = dict(client.attributes or {}), dict(server.attributes or {})
    assert "server.address" not in served, "a server does not know by which name it was called"
    if wire in {"unix", "memory"}:
        path = target.partition("://")[2]
        assert (sent["server.address"], sent["network.peer.address"]) == (path, path)
        assert served["network.peer.address"] == path
        assert not {key for key in (*sent, *served) if key.endswith(".port")}
    else:
        port = parse_endpoint(target).port
        assert (sent["server.address"], sent["server.port"]) == ("127.0.0.1", port)
        assert (sent["network.peer.address"], sent["network.peer.port"]) == ("127.0.0.1", port)
        assert served["network.peer.address"] == "127.0.0.1"
        assert served["network.peer.port"] != port


def assert_durations(telemetry: Telemetry, clients: list[ReadableSpan], servers: list[ReadableSpan]) -> None:
    """The histograms have the durations of the spans, in seconds, and the buckets that the conventions ask for."""
    points = []
    for side, spans in (("client", clients), ("server", servers)):
        points = telemetry.durations(f"rpc.{side}.call.duration")
        assert {dict(point.attributes or {})["rpc.method"] for point in points} == {span.name for span in spans}
        seconds = sum((span.end_time or 0) - (span.start_time or 0) for span in spans) / 1e9
        assert sum(point.sum for point in points) == pytest.approx(seconds)
        assert all(tuple(point.explicit_bounds) == BUCKETS_S for point in points)
    keys = {"rpc.system.name", "rpc.method", "rpc.response.status_code"}
    assert set(points[0].attributes or {}) == keys, "no address of a peer, of which there is no end"


@asynccontextmanager
async def probed(
    telemetry: Telemetry, config: ClientConfig | None = None
) -> AsyncIterator[tuple[TransportClient, Probe]]:
    service, url = Probe(), memory_endpoint()
    with anyio.fail_after(20):
        async with (
            serve([service], url, config=ServerConfig(drain_grace_s=0), interceptors=[telemetry.server()]),
            connect(url, config=config, interceptors=[telemetry.client()]) as channel,
        ):
            yield TransportClient(channel), service


async def test_messages_in_eventfluxs_own_frames_are_calls_too() -> None:
    telemetry = Telemetry()
    with anyio.fail_after(20):
        async with (
            serve([Probe()], "tcp://127.0.0.1:0", interceptors=[telemetry.server()]) as server,
            TransportFactory.create("tcp") as transport,
        ):
            connection = await transport.connect(server.endpoints[0].removeprefix("tcp://"))
            await transport.send(connection, Message.event(b"hello"))
            assert (await transport.receive(connection)).payload == b"hello"
    attributes = dict(telemetry.span(SpanKind.SERVER).attributes or {})
    assert (attributes["rpc.system.name"], attributes["rpc.method"]) == ("eventflux", SEND)


FAULTS_OF_SERVERS = {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_every_code_is_an_error_to_clients_and_some_are_errors_of_servers() -> None:
    telemetry = Telemetry()
    codes = [code for code in StatusCode if code is not StatusCode.OK]
    async with probed(telemetry, ClientConfig(retry=RetryPolicy(max_attempts=1))) as (client, _):
        for code in codes:
            with pytest.raises(RpcError):
                await client.send_message(Message(headers={"do": "fail", "code": code.name}))
    for kind, errors in ((SpanKind.CLIENT, {code.name for code in codes}), (SpanKind.SERVER, FAULTS_OF_SERVERS)):
        spans = telemetry.spans(kind)
        found = [dict(span.attributes or {}) for span in spans]
        assert [attributes["rpc.response.status_code"] for attributes in found] == [code.name for code in codes]
        assert {attributes["error.type"] for attributes in found if "error.type" in attributes} == errors
        for span, attributes in zip(spans, found, strict=True):
            is_error = attributes["rpc.response.status_code"] in errors
            assert (span.status.status_code is SpanStatus.ERROR) is is_error
            assert span.status.description == ("as asked" if is_error else None)
    points = telemetry.durations("rpc.server.call.duration")
    assert {dict(point.attributes or {}).get("error.type") for point in points} == FAULTS_OF_SERVERS | {None}


async def test_what_a_handler_raises_is_on_its_span_and_not_told_to_the_client() -> None:
    telemetry = Telemetry()
    async with probed(telemetry) as (client, _):
        with pytest.raises(Unknown):
            await client.send_message(Message(headers={"do": "crash"}))
        with pytest.raises(NotFound):
            await client.send_message(Message(headers={"do": "fail-with-trailers"}))
    crashed, refused = telemetry.spans(SpanKind.SERVER)
    (event,) = crashed.events
    assert dict(event.attributes or {})["exception.type"] == "ZeroDivisionError"
    assert refused.events == ()
    assert not [event for span in telemetry.spans(SpanKind.CLIENT) for event in span.events]


async def test_a_call_that_is_cut_short_ends_its_spans_and_says_why() -> None:
    telemetry = Telemetry()
    async with probed(telemetry) as (client, service):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.send_message, Message(headers={"do": "linger"}))
            await service.started.wait()
            tasks.cancel_scope.cancel()
        await service.cancelled.wait()
        async with client.stream_events(EventRequest(node_id="forever")) as events:
            await events.receive()
        async with client.stream_messages(timeout_s=0.05) as stream:
            with pytest.raises(RpcError):
                await stream.receive()
    causes = [dict(span.attributes or {}).get("eventflux.cancel_cause") for span in telemetry.spans(SpanKind.CLIENT)]
    assert causes == [CancelCause.CALLER.value, CancelCause.CALLER.value, CancelCause.DEADLINE.value]
    assert [dict(s.attributes or {})["rpc.response.status_code"] for s in telemetry.spans(SpanKind.CLIENT)] == [
        "CANCELLED",
        "CANCELLED",
        "DEADLINE_EXCEEDED",
    ]
    assert len(telemetry.spans(SpanKind.SERVER)) == 3


class Flaky(Probe):
    """Fails so many calls before it answers."""

    failures = 2

    async def heartbeat(self, request: HeartbeatRequest, context: object) -> HeartbeatResponse:
        if self.failures:
            self.failures -= 1
            raise Unavailable("not yet")
        return HeartbeatResponse()


async def test_attempts_of_a_call_that_was_repeated_are_spans_below_that_of_the_call() -> None:
    telemetry, url, service = Telemetry(), memory_endpoint(), Flaky()
    config = ClientConfig(retry=RetryPolicy(max_attempts=3, initial_backoff_s=0.001, max_backoff_s=0.002))
    with anyio.fail_after(20):
        async with serve([service], url), connect(url, config=config, interceptors=[telemetry.client()]) as channel:
            await TransportClient(channel).heartbeat(HeartbeatRequest())
            await TransportClient(channel).heartbeat(HeartbeatRequest())
    repeated, plain = telemetry.spans(SpanKind.CLIENT)
    attempts = telemetry.spans(SpanKind.INTERNAL)
    assert [parent_id(span) for span in attempts] == [span_id(repeated)] * 3
    assert {span.name for span in attempts} == {"Attempt.eventflux.transport.Transport.Heartbeat"}
    told = [dict(span.attributes or {}) for span in attempts]
    assert [attributes["previous-rpc-attempts"] for attributes in told] == [0, 1, 2]
    codes = [attributes["rpc.response.status_code"] for attributes in told]
    assert codes == ["UNAVAILABLE", "UNAVAILABLE", "OK"]
    assert [span.status.status_code for span in attempts] == [SpanStatus.ERROR, SpanStatus.ERROR, SpanStatus.UNSET]
    times = [(span.start_time or 0, span.end_time or 0) for span in (repeated, *attempts)]
    (began, ended), rest = times[0], times[1:]
    assert began <= rest[0][0] <= rest[0][1] <= rest[1][0] <= rest[1][1] <= rest[2][0] <= rest[2][1] <= ended
    assert repeated.status.status_code is plain.status.status_code is SpanStatus.UNSET


async def test_messages_are_events_only_where_that_is_asked_for() -> None:
    telemetry, url = Telemetry(), memory_endpoint()
    with anyio.fail_after(20):
        async with (
            serve([TellingInventory()], url, interceptors=[telemetry.server(message_events=True)]),
            connect(url, interceptors=[telemetry.client(message_events=True)]) as channel,
            connect(url, interceptors=[telemetry.client()]) as quiet,
        ):
            for client in (InventoryClient(channel), InventoryClient(quiet)):
                async with client.watch_items(WatchRequest(skus=["a", "b"])) as items:
                    assert len([item async for item in items]) == 2
    told, silent = telemetry.spans(SpanKind.CLIENT)
    expected = [("Outbound message", 0), ("Inbound message", 0), ("Inbound message", 1)]
    assert [(event.name, dict(event.attributes or {})["sequence-number"]) for event in told.events] == expected
    assert silent.events == ()
    server, _ = telemetry.spans(SpanKind.SERVER)
    assert [event.name for event in server.events] == ["Inbound message", "Outbound message", "Outbound message"]


async def test_methods_that_are_left_out_have_no_span_and_no_duration() -> None:
    telemetry, url = Telemetry(), memory_endpoint()
    with anyio.fail_after(20):
        async with (
            serve([TellingInventory()], url, interceptors=[telemetry.server(only=lambda method: False)]),
            connect(url, interceptors=[telemetry.client(only=lambda method: method.name == "WatchItems")]) as channel,
        ):
            await one_of_each_kind(InventoryClient(channel))
    assert [span.name.rpartition("/")[2] for span in telemetry.spans()] == ["WatchItems"]
    assert telemetry.durations("rpc.server.call.duration") == []


@pytest.mark.parametrize(
    ("target", "attributes", "is_grpc"),
    [
        ("grpc://orders.example:50051", {"server.address": "orders.example", "server.port": 50051}, True),
        ("tcps://[::1]:7070", {"server.address": "::1", "server.port": 7070}, False),
        ("unix:///run/orders.sock", {"server.address": "/run/orders.sock"}, False),
        ("grpc+unix:///run/orders.sock", {"server.address": "/run/orders.sock"}, True),
        ("tcp://10.0.0.1:1,tcp://10.0.0.2:1", {"server.address": "tcp://10.0.0.1:1,tcp://10.0.0.2:1"}, False),
        ("grpc+dns:///orders:1", {"server.address": "grpc+dns:///orders:1"}, True),
        ("nonsense", {"server.address": "nonsense"}, False),
    ],
)
def test_the_server_is_what_the_channel_was_told(target: str, attributes: dict[str, object], is_grpc: bool) -> None:
    assert target_attributes(target) == (attributes, is_grpc)


def test_a_peer_of_no_known_address_has_no_attributes() -> None:
    assert peer_attributes("somewhere") == {}
    assert peer_attributes("tcp://[::1]:7") == {"network.peer.address": "::1", "network.peer.port": 7}


@pytest.mark.parametrize("make", [client_interceptor, server_interceptor])
@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"tracer_provider": "jaeger"}, "tracer_provider must be .*TracerProvider.*, not 'jaeger'"),
        ({"meter_provider": 7}, "meter_provider must be .*MeterProvider.*, not 7"),
        ({"propagator": "b3"}, "propagator must be .*TextMapPropagator.*, not 'b3'"),
        ({"message_events": 1}, "message_events must be True or False, not 1"),
        ({"only": "SendMessage"}, "only must be a function of a method, not 'SendMessage'"),
    ],
)
def test_a_wrong_option_is_refused(make: Callable[..., object], option: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make(**option)


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("eventflux_runtime.otel")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("opentelemetry.context", "opentelemetry.trace", "opentelemetry.metrics"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"eventflux_runtime\.otel needs an extra: run pip install"):
        import eventflux_runtime.otel  # noqa: F401 - to import it is the test
