"""A client that was generated from a stored old IDL talks to today's server, on every wire."""

from __future__ import annotations

import importlib
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from eventflux_codegen import generate
from eventflux_codegen.against import breaking_changes
from eventflux_codegen.order import Order
from eventflux_runtime import (
    Context,
    ServerConfig,
)
from eventflux_transport import (
    CompressionType,
    EventRequest,
    HeartbeatRequest,
    HeartbeatResponse,
    Message,
    MessageType,
    NodeStatus,
    TransportService,
)
from tests.project.import_graph import ROOT
from tests.support.wires import WIRES, address, connect, serve

OLD: Final = ROOT / "tests/idl/old"
CONFIG: Final = ServerConfig(drain_grace_s=0, reflection=False)


class Today(TransportService):
    """Answers with what the old IDL does not know, and keeps what it gets."""

    def __init__(self) -> None:
        self.received: list[Any] = []

    async def send_message(self, request: Message, context: Context) -> Message:
        self.received.append(request)
        return Message(
            id=request.id,
            message_type=MessageType.ACKNOWLEDGMENT,
            payload=request.payload[::-1],
            headers={"a": "b"},
            priority=7,
            compression=CompressionType.ZSTD,
        )

    async def stream_messages(self, requests: AsyncIterator[Message], context: Context) -> AsyncIterator[Message]:
        async for request in requests:
            yield await self.send_message(request, context)

    async def stream_events(self, request: EventRequest, context: Context) -> AsyncIterator[Message]:
        self.received.append(request)
        for number in range(3):
            yield Message(id=str(number), timestamp=number, target_node=request.node_id)

    async def heartbeat(self, request: HeartbeatRequest, context: Context) -> HeartbeatResponse:
        self.received.append(request)
        status = NodeStatus(cpu_usage=0.5, version="9")
        return HeartbeatResponse(server_timestamp=request.timestamp, server_status=status)


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The package of the old IDL."""
    folder = tmp_path_factory.mktemp("old")
    with pytest.MonkeyPatch.context() as patch:
        # protobuf's own modules of both IDLs do not go into one process, and the client does not need them.
        patch.setattr("eventflux_codegen.pipeline.generate_protobuf", lambda *_: {})
        generate(
            Order.of_paths([str(OLD / "transport.proto")], "old_transport", (), str(folder)),
            output=folder / "old_transport",
        )
    sys.path.insert(0, str(folder))
    yield importlib.import_module("old_transport")
    sys.path.remove(str(folder))


def test_today_s_idl_breaks_no_old_client() -> None:
    lock = OLD / "transport.lock"
    assert breaking_changes(Order.of_yaml(ROOT / "idl/transport.yaml"), str(lock)) == []
    assert breaking_changes(Order.of_paths([str(OLD / "transport.proto")], "old_transport", (), "."), str(lock)) == []


def test_native_calls_of_it_travel_as_protobuf(old: Any) -> None:
    before, now = (importlib.import_module(f"{name}.methods") for name in (old.__name__, "eventflux_transport"))
    for name in (
        "TRANSPORT_SEND_MESSAGE",
        "TRANSPORT_STREAM_MESSAGES",
        "TRANSPORT_STREAM_EVENTS",
        "TRANSPORT_HEARTBEAT",
    ):
        assert getattr(before, name).fingerprint != getattr(now, name).fingerprint


@pytest.mark.parametrize("wire", WIRES)
async def test_an_old_client_is_served(wire: str, old: Any, tmp_path: Path) -> None:
    today = Today()
    async with (
        serve([today], address(wire, tmp_path), config=CONFIG) as server,
        connect(server.endpoints[0]) as channel,
    ):
        client = old.TransportClient(channel)
        message = old.TransportMessage(id="1", message_type=old.MessageType.QUERY, payload=b"abc", headers={"k": "v"})
        reply = await client.send_message(message)
        assert (reply.id, reply.payload, reply.headers) == ("1", b"cba", {"a": "b"})
        assert reply.message_type == 8
        # What the old client does not know comes back to who does.
        await client.send_message(reply)
        sent, returned = today.received
        assert sent == Message(id="1", message_type=MessageType.QUERY, payload=b"abc", headers={"k": "v"})
        assert (returned.priority, returned.compression, returned.payload) == (7, CompressionType.ZSTD, b"cba")
        assert returned.message_type is MessageType.ACKNOWLEDGMENT

        async with client.stream_messages() as both:
            for text in (b"one", b"two"):
                await both.send(old.TransportMessage(payload=text))
            await both.end()
            assert [answer.payload async for answer in both] == [b"eno", b"owt"]
        async with client.stream_events(old.EventRequest(node_id="n")) as events:
            assert [event.timestamp async for event in events] == [0, 1, 2]
        beat = await client.heartbeat(old.HeartbeatRequest(node_id="n", timestamp=5))
        assert (beat.server_timestamp, beat.server_status.cpu_usage) == (5, 0.5)
