"""A node in Rust and one in Python are peers in EventFlux's TCP frames, in both directions."""

from __future__ import annotations

import anyio
import pytest

from eventflux_runtime import Context, ResourceExhausted, TransportError, Unavailable, serve
from eventflux_transport import CompressionType, Listener, Message, MessageType, TcpTransport, TcpTransportConfig
from tests.interop.conftest import Program
from tests.support.probe import Probe

pytestmark = pytest.mark.slow  # what differs by loop is below what a peer sees: one a case

TYPES = [
    MessageType.EVENT,
    MessageType.QUERY,
    MessageType.STATE,
    MessageType.CONTROL,
    MessageType.HEARTBEAT,
    MessageType.CHECKPOINT,
]
SIZES = [0, 300, 1024 * 1024]
LIMIT = 10 * 1024 * 1024


def message_of(message_type: MessageType, size: int) -> Message:
    headers = {"source_node": "python", "größe": str(size), "": ""}
    payload = (bytes(range(251)) * (size // 251 + 1))[:size]
    return Message(id=f"{message_type.name}-{size}", message_type=message_type, payload=payload, headers=headers)


async def echo(transport: TcpTransport, listener: Listener, ends: list[TransportError]) -> None:
    connection = await transport.accept(listener)
    try:
        while True:
            await transport.send(connection, await transport.receive(connection))
    except TransportError as error:
        ends.append(error)
    finally:
        await transport.close(connection)


async def test_python_calls_rust(rust_peer: Program) -> None:
    async with rust_peer.serving() as address, TcpTransport() as transport:
        connection = await transport.connect(address)
        for message_type in TYPES:
            for size in SIZES:
                message = message_of(message_type, size)
                await transport.send(connection, message)
                assert await transport.receive(connection) == message
        with pytest.raises(ResourceExhausted, match="over the limit of 10485760"):
            await transport.send(connection, message_of(MessageType.EVENT, LIMIT))
        await transport.send(connection, message_of(MessageType.EVENT, 1))
        assert (await transport.receive(connection)).payload == b"\x00"


def enriched(message: Message) -> Message:
    """A message as it comes over gRPC from one of EventFlux's nodes, which mark each as compressed."""
    message.timestamp, message.priority = 1_700_000_000_000, 5
    message.source_node = message.headers["source_node"]
    message.compression = CompressionType.ZSTD
    return message


async def test_python_relays_to_rust_what_came_over_grpc(rust_peer: Program) -> None:
    async with rust_peer.serving() as address, TcpTransport() as transport:
        connection = await transport.connect(address)
        for message_type in TYPES:
            await transport.send(connection, enriched(message_of(message_type, 300)))
            assert await transport.receive(connection) == message_of(message_type, 300)
        acknowledgment = Message(
            id="a", message_type=MessageType.ACKNOWLEDGMENT, payload=b"ACK", source_node="server", target_node="rust"
        )
        await transport.send(connection, acknowledgment)
        headers = {"source_node": "server", "target_node": "rust"}
        expected = Message(id="a", message_type=MessageType.EVENT, payload=b"ACK", headers=headers)
        assert await transport.receive(connection) == expected


class Enriching(Probe):
    """Answers with fields that EventFlux's frames have no place for."""

    async def send_message(self, request: Message, context: Context) -> Message:
        return enriched(await super().send_message(request, context))


async def test_a_python_handler_answers_rust_with_fields_that_frames_lack(rust_peer: Program) -> None:
    async with serve([Enriching()], "tcp://127.0.0.1:0") as server:
        address = server.endpoints[0].removeprefix("tcp://")
        assert await rust_peer.run("call", address) == "18 messages came back unchanged"


async def test_rust_closes_on_a_frame_over_its_limit_and_on_no_other(rust_peer: Program) -> None:
    async with (
        rust_peer.serving() as address,
        TcpTransport(TcpTransportConfig(max_message_size=2 * LIMIT)) as generous,
        TcpTransport() as ordinary,
    ):
        kept = await ordinary.connect(address)
        broken = await generous.connect(address)
        with pytest.raises(Unavailable):
            await generous.send(broken, message_of(MessageType.EVENT, LIMIT))
            await generous.receive(broken)
        await ordinary.send(kept, message_of(MessageType.EVENT, 5))
        assert len((await ordinary.receive(kept)).payload) == 5


async def test_rust_calls_a_python_transport(rust_peer: Program) -> None:
    ends: list[TransportError] = []
    async with TcpTransport() as transport, anyio.create_task_group() as tasks:
        listener = await transport.listen("127.0.0.1:0")
        tasks.start_soon(echo, transport, listener, ends)
        assert await rust_peer.run("call", listener.local_addr) == "18 messages came back unchanged"
        tasks.start_soon(echo, transport, listener, ends)
        assert await rust_peer.run("exceed", listener.local_addr) == "the connection was closed"
    assert [type(error) for error in ends] == [Unavailable, ResourceExhausted]


async def test_rust_calls_a_python_server_on_the_port_of_its_native_clients(rust_peer: Program) -> None:
    async with serve([Probe()], "tcp://127.0.0.1:0") as server:
        address = server.endpoints[0].removeprefix("tcp://")
        assert await rust_peer.run("call", address) == "18 messages came back unchanged"
        assert await rust_peer.run("exceed", address) == "the connection was closed"
        assert await rust_peer.run("call", address) == "18 messages came back unchanged"
