"""A node in JavaScript, on @grpc/grpc-js, and one in Python are peers over gRPC, in both directions."""

from __future__ import annotations

from contextlib import suppress

import anyio
import pytest

from eventflux_runtime import ResourceExhausted, TransportError
from eventflux_transport import (
    Connection,
    GrpcTransport,
    GrpcTransportConfig,
    Listener,
    Message,
    SimpleGrpcConfig,
    SimpleGrpcTransport,
)
from tests.interop.conftest import Program
from tests.interop.test_rust import SIZES, TYPES, message_of
from tests.support.nodes import carried

pytestmark = pytest.mark.slow  # what differs by loop is below what a peer sees: one a case

LIMIT = 2 * 1024 * 1024


async def echo(transport: GrpcTransport, connection: Connection) -> None:
    with suppress(TransportError):
        while True:
            await transport.send(connection, await transport.receive(connection))
    await transport.close(connection)


async def echo_all(transport: GrpcTransport, listener: Listener) -> None:
    async with anyio.create_task_group() as tasks:
        while True:
            tasks.start_soon(echo, transport, await transport.accept(listener))


def check_filled(got: Message, sent: Message) -> None:
    """What came back is what was sent, with what the transports fill in as EventFlux's own do."""
    assert carried(got) == sent
    assert (got.source_node, got.target_node, got.priority) == ("python", "", 5)
    assert got.timestamp > 1_700_000_000_000


async def test_python_calls_node(node_peer: Program) -> None:
    config = GrpcTransportConfig(max_message_size=LIMIT)
    async with node_peer.serving() as address, GrpcTransport(config) as transport:
        connection = await transport.connect(address)
        for message_type in TYPES:
            for size in SIZES:
                message = message_of(message_type, size)
                await transport.send(connection, message)
                check_filled(await transport.receive(connection), message)
        with pytest.raises(ResourceExhausted, match="the limit is 2097152"):
            await transport.send(connection, message_of(TYPES[0], LIMIT + 1))
        await transport.send(connection, message_of(TYPES[0], 1))
        assert (await transport.receive(connection)).payload == b"\x00"


async def test_python_makes_plain_calls_to_node(node_peer: Program) -> None:
    async with node_peer.serving() as address, SimpleGrpcTransport(SimpleGrpcConfig(server_address=address)) as simple:
        await simple.connect()
        for message_type in TYPES:
            for size in SIZES:
                message = message_of(message_type, size)
                check_filled(await simple.send_message(address, message), message)
        assert (await simple.heartbeat(address, "py")).server_node_id == "node of py"


async def test_node_calls_a_python_transport(node_peer: Program) -> None:
    async with GrpcTransport(GrpcTransportConfig(max_message_size=LIMIT)) as transport:
        listener = await transport.listen("127.0.0.1:0")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(echo_all, transport, listener)
            assert await node_peer.run("call", listener.local_addr) == "36 messages came back unchanged"
            assert await node_peer.run("exceed", listener.local_addr, str(LIMIT + 1)) == "RESOURCE_EXHAUSTED"
            assert await node_peer.run("call", listener.local_addr) == "36 messages came back unchanged"
            tasks.cancel_scope.cancel()


async def test_node_subscribes_to_a_python_transport(node_peer: Program) -> None:
    async with GrpcTransport() as transport, anyio.create_task_group() as tasks:
        listener = await transport.listen("127.0.0.1:0")

        async def publish() -> None:
            subscriber = await transport.accept(listener)
            await transport.send(subscriber, Message.state(b"not wanted"))
            await transport.send(subscriber, Message(id="wanted", message_type=TYPES[0]))

        tasks.start_soon(publish)
        assert await node_peer.run("subscribe", listener.local_addr) == "wanted"
