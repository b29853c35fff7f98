"""The node's service over real wires: acknowledgments, fan-out, slow subscribers, heartbeats."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio.lowlevel import checkpoint

from eventflux_node.filter import Filter
from eventflux_node.header import ACKNOWLEDGED_ID_HEADER, STREAM_HEADER, SUBSCRIBED_METADATA
from eventflux_node.hub import Hub
from eventflux_node.publisher import publish
from eventflux_node.service import NodeService
from eventflux_runtime import InvalidArgument, ResourceExhausted, Unavailable, connect, serve
from eventflux_transport import (
    EventFilter,
    EventRequest,
    HeartbeatRequest,
    Message,
    MessageType,
    NodeHealth,
    TcpTransport,
    TransportClient,
)
from tests.support.engine import can_hold

WIRES = ("tcp", "unix", "memory", "grpc", "grpcio")


def address(wire: str, folder: Path) -> str:
    return {
        "tcp": "tcp://127.0.0.1:0",
        "grpc": "grpc://127.0.0.1:0",
        "grpcio": "grpcio://127.0.0.1:0",
        "unix": f"unix://{folder}/socket",
        "memory": "memory://node",
    }[wire]


@asynccontextmanager
async def node(*urls: str, hub: Hub | None = None) -> AsyncIterator[tuple[str, ...]]:
    """A node on some endpoints; yields those really bound."""
    service = NodeService(node_id="node-1", version="1.2.3", cluster_id="cluster-1", hub=hub)
    with anyio.fail_after(60):
        async with serve([service], *urls) as server:
            yield server.endpoints


def event(number: int, stream: str = "s") -> Message:
    made = Message.event(str(number).encode()).with_header(STREAM_HEADER, stream)
    made.timestamp = number
    made.source_node = "tester"
    return made


async def each(messages: list[Message]) -> AsyncIterator[Message]:
    for message in messages:
        yield message


@pytest.mark.parametrize("wire", WIRES)
async def test_a_message_is_acknowledged_by_its_id(wire: str, tmp_path: Path) -> None:
    sent = event(1)
    async with node(address(wire, tmp_path)) as (url,), connect(url) as channel:
        answer = await TransportClient(channel).send_message(sent)
    assert answer.message_type is MessageType.ACKNOWLEDGMENT
    assert answer.headers == {ACKNOWLEDGED_ID_HEADER: sent.id}
    assert answer.id != sent.id
    assert (answer.source_node, answer.target_node) == ("node-1", "tester")
    assert answer.timestamp > 1_700_000_000_000


async def test_a_peer_in_eventflux_frames_gets_an_acknowledgment_that_fits_them() -> None:
    sent = Message.event(b"data").with_header(STREAM_HEADER, "s")
    async with (
        node("tcp://127.0.0.1:0") as (url,),
        connect(url) as channel,
        TransportClient(channel).stream_events(EventRequest()) as events,
        TcpTransport() as transport,
    ):
        await events.initial_metadata()
        connection = await transport.connect(url.removeprefix("tcp://"))
        await transport.send(connection, sent)
        answer = await transport.receive(connection)
        assert await events.receive() == sent
    assert answer.message_type is MessageType.CONTROL
    assert answer.headers == {ACKNOWLEDGED_ID_HEADER: sent.id, "source_node": "node-1"}


@pytest.mark.parametrize("wire", WIRES)
async def test_subscribers_get_what_is_streamed_in(wire: str, tmp_path: Path) -> None:
    sent = [event(number, "odd" if number % 2 else "even") for number in range(600)]
    async with node(address(wire, tmp_path)) as (url,), connect(url) as channel:
        client = TransportClient(channel)
        everything = client.stream_events(EventRequest())
        odd = client.stream_events(EventRequest(filter=EventFilter(stream_names=["odd"], start_timestamp=100)))
        async with everything, odd:
            for stream in (everything, odd):
                assert (await stream.initial_metadata()).get(SUBSCRIBED_METADATA) == "node-1"
            assert await publish(client, each(sent)) == 600
            assert [await everything.receive() for _ in sent] == sent
            wanted = [message for message in sent[100:] if message.timestamp % 2]
            assert [await odd.receive() for _ in wanted] == wanted


async def test_events_cross_from_wire_to_wire(anyio_backend_name: str, tmp_path: Path) -> None:
    wires = [wire for wire in WIRES if can_hold(wire, anyio_backend_name, "")]
    async with node(*(address(wire, tmp_path) for wire in wires)) as urls:
        for sender in urls:
            for receiver in urls:
                await _one_event(sender, receiver)


async def _one_event(sender: str, receiver: str) -> None:
    async with connect(receiver) as ours, TransportClient(ours).stream_events(EventRequest()) as events:
        await events.initial_metadata()
        sent = event(7)
        async with connect(sender) as theirs:
            await TransportClient(theirs).send_message(sent)
        assert await events.receive() == sent


@pytest.mark.parametrize("wire", WIRES)
async def test_a_subscriber_that_does_not_read_is_cut_off_and_told(wire: str, tmp_path: Path) -> None:
    # Larger than what the wires themselves hold for a reader that does not read.
    payload = bytes(256 * 1024)
    hub = Hub(buffer_events=4, patience_s=0.05)
    async with node(address(wire, tmp_path), hub=hub) as (url,), connect(url) as channel:
        client = TransportClient(channel)
        async with client.stream_events(EventRequest()) as events:
            await events.initial_metadata()
            sent = [Message.event(payload) for _ in range(100)]
            async with connect(url) as other:
                for message in sent:
                    await TransportClient(other).send_message(message)
            got: list[str] = []
            with pytest.raises(ResourceExhausted, match="its buffer of 4 events"):
                async for message in events:
                    got.append(message.id)
            assert 4 <= len(got) < 100
            assert got == [message.id for message in sent[: len(got)]], "no gap before the error"


@pytest.mark.parametrize("wire", WIRES)
async def test_a_subscriber_that_leaves_is_forgotten(wire: str, tmp_path: Path) -> None:
    hub = Hub()
    async with node(address(wire, tmp_path), hub=hub) as (url,), connect(url) as channel:
        async with TransportClient(channel).stream_events(EventRequest()) as events:
            await events.initial_metadata()
            assert hub.subscription_count == 1
        while hub.subscription_count:
            await checkpoint()


@pytest.mark.parametrize("wire", WIRES)
async def test_subscribers_are_told_that_the_node_stops(wire: str, tmp_path: Path) -> None:
    hub = Hub()
    async with node(address(wire, tmp_path), hub=hub) as (url,), connect(url) as channel:
        async with TransportClient(channel).stream_events(EventRequest()) as events:
            await events.initial_metadata()
            hub.close()
            with pytest.raises(Unavailable, match="the node is stopping"):
                await events.receive()
        with pytest.raises(Unavailable, match="the node is stopping"):
            await TransportClient(channel).send_message(event(1))


@pytest.mark.parametrize(
    ("request_", "fault"),
    [
        (EventRequest(batch_size=-1), "batch_size must be 0 or more, not -1"),
        (EventRequest(filter=EventFilter(start_timestamp=-2)), "not -2"),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused(request_: EventRequest, fault: str) -> None:
    async with node("memory://node") as (url,), connect(url) as channel:
        with pytest.raises(InvalidArgument, match=fault):
            async for _ in TransportClient(channel).stream_events(request_):
                pass


@pytest.mark.parametrize("wire", WIRES)
async def test_a_heartbeat_has_the_figures_of_the_moment(wire: str, tmp_path: Path) -> None:
    async with node(address(wire, tmp_path)) as (url,), connect(url) as channel:
        client = TransportClient(channel)
        async with connect(url) as one_that_leaves:
            await TransportClient(one_that_leaves).send_message(event(0))
        for number in range(4):
            await client.send_message(event(number))
        async with client.stream_events(EventRequest()) as events:
            await events.initial_metadata()
            answer = await client.heartbeat(HeartbeatRequest(node_id="tester"))
    assert answer.server_node_id == "node-1"
    assert answer.server_timestamp > 1_700_000_000_000
    status = answer.server_status
    assert status is not None
    assert status.health in (NodeHealth.HEALTHY, NodeHealth.DEGRADED)
    assert status.version == "1.2.3"
    assert 0 <= status.cpu_usage <= 100
    assert 0 < status.memory_usage < 100
    assert status.active_connections == 1
    assert 0 <= status.events_per_second <= 5, "0 if a second of the clock began meanwhile"
    assert status.metadata["events_total"] == "5"
    assert status.metadata["subscribers"] == "1"
    assert answer.cluster_info is not None
    assert (answer.cluster_info.cluster_id, answer.cluster_info.total_nodes) == ("cluster-1", 1)


async def test_a_node_that_holds_publishers_up_calls_itself_degraded() -> None:
    hub = Hub(buffer_events=1)
    service = NodeService(node_id="n", version="1", hub=hub)
    with hub.subscribe(Filter()) as subscription:
        assert service.status().health is NodeHealth.HEALTHY
        await hub.publish(event(1))
        assert service.status().health is NodeHealth.DEGRADED
        await subscription.__anext__()
        assert service.status().health is NodeHealth.HEALTHY
