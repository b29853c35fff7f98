"""What the gRPC transports fill in of a message that leaves it unset, as EventFlux's own nodes do."""

from __future__ import annotations

import time

import anyio
import pytest

from eventflux_runtime import CodecError, connect
from eventflux_runtime.peer.message import stamp
from eventflux_transport import (
    CompressionType,
    EventRequest,
    GrpcTransport,
    Message,
    MessageType,
    SimpleGrpcTransport,
    TransportClient,
)
from tests.peer.test_grpc import recording, round_trip
from tests.support.nodes import LOOPBACK, PATIENCE_S, carried

ROUTED = {"source_node": "node-1", "target_node": "node-2"}


def bare() -> Message:
    return Message(id="7", message_type=MessageType.EVENT, payload=b"x", headers=dict(ROUTED))


def filled(message: Message, since_ms: int) -> tuple[str, str, int]:
    """What was filled in; the time is checked here."""
    assert since_ms <= message.timestamp <= time.time_ns() // 1_000_000
    assert message.compression is CompressionType.NONE
    return message.source_node, message.target_node, message.priority


async def test_each_transport_fills_in_what_is_unset_and_leaves_the_message_alone() -> None:
    since_ms = time.time_ns() // 1_000_000
    message = bare()
    async with recording() as (recorder, address), GrpcTransport() as transport, SimpleGrpcTransport() as simple:
        await round_trip(transport, await transport.connect(address), message)
        await simple.connect(address)
        await simple.send_message(address, message)
    assert message == bare()
    for seen in recorder.seen:
        assert filled(seen, since_ms) == ("node-1", "node-2", 5)
        assert carried(seen) == message


async def test_what_is_set_stays() -> None:
    message = bare()
    message.timestamp, message.source_node, message.target_node, message.priority = 15, "me", "you", 9
    async with recording() as (recorder, address), GrpcTransport() as transport:
        await round_trip(transport, await transport.connect(address), message)
    assert recorder.seen == [message]


async def test_what_a_listener_sends_is_filled_in_too() -> None:
    since_ms = time.time_ns() // 1_000_000
    async with GrpcTransport() as transport:
        listener = await transport.listen(LOOPBACK)
        async with connect(f"grpc://{listener.local_addr}") as channel, anyio.create_task_group() as tasks:
            client = TransportClient(channel)

            async def answer() -> None:
                await transport.send(await transport.accept(listener), bare())

            with anyio.fail_after(PATIENCE_S):
                tasks.start_soon(answer)
                assert filled(await client.send_message(Message.query(b"")), since_ms) == ("node-1", "node-2", 5)
                async with client.stream_events(EventRequest(node_id="n")) as events:
                    await answer()
                    assert filled(await events.receive(), since_ms) == ("node-1", "node-2", 5)
                async with client.stream_messages() as stream:
                    tasks.start_soon(answer)
                    assert filled(await stream.receive(), since_ms) == ("node-1", "node-2", 5)


@pytest.mark.parametrize(
    ("text", "priority"),
    [
        ("0", 0),
        ("9", 9),
        ("+2", 2),
        ("-3", -3),
        ("0000000000000000003", 3),
        ("2147483647", 2147483647),
        ("2147483648", 5),
        ("-2147483649", 5),
        ("high", 5),
        (" 2", 5),
        ("2_0", 5),
        ("٣", 5),
        ("9" * 5000, 5),
        ("", 5),
    ],
)
def test_a_header_names_the_priority_as_rust_reads_it(text: str, priority: int) -> None:
    message = Message.event(b"").with_header("priority", text)
    assert stamp(message, 1, True).priority == priority
    assert stamp(message, 1, False).priority == 5


async def test_the_simple_transport_reads_no_priority_as_eventfluxs_does() -> None:
    message = bare().with_header("priority", "2")
    async with recording() as (recorder, address), GrpcTransport() as transport, SimpleGrpcTransport() as simple:
        await round_trip(transport, await transport.connect(address), message)
        await simple.connect(address)
        await simple.send_message(address, message)
    assert [seen.priority for seen in recorder.seen] == [2, 5]


async def test_what_is_no_message_is_refused() -> None:
    async with recording() as (_, address), GrpcTransport() as transport:
        connection = await transport.connect(address)
        for wrong in ("text", None, Message(headers=None)):  # type: ignore[arg-type]  # what a program may do all the same
            with pytest.raises(CodecError, match="cannot be sent as a message"):
                await transport.send(connection, wrong)  # type: ignore[arg-type]  # as above
        assert (await round_trip(transport, connection, bare())).payload == b"x"
