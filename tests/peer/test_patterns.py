"""One script for every transport: only the name given to the factory differs."""

from __future__ import annotations

import anyio
import pytest

from eventflux_runtime import ConfigError, TransportError, Unavailable
from eventflux_transport import (
    ConnectionState,
    GrpcTransport,
    GrpcTransportConfig,
    Listener,
    Message,
    MessageType,
    SimpleGrpcConfig,
    TcpTransport,
    TcpTransportConfig,
    Transport,
    TransportFactory,
)
from tests.support.nodes import LOOPBACK, PATIENCE_S, carried, echoing

TRANSPORTS = ["tcp", "grpc"]


@pytest.fixture(params=TRANSPORTS)
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


async def test_two_nodes_talk_both_ways(name: str) -> None:
    transport = TransportFactory.create(name)
    listener = await transport.listen(LOOPBACK)

    async def first_node() -> None:
        connection = await transport.accept(listener)
        hello = await transport.receive(connection)
        assert hello.headers == {"from": "node-2"}
        await transport.send(connection, Message.state(hello.payload[::-1]).with_header("from", "node-1"))
        assert (await transport.receive(connection)).message_type is MessageType.CHECKPOINT
        await transport.close(connection)

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(first_node)
            connection = await transport.connect(listener.local_addr)
            assert connection.state is ConnectionState.CONNECTED
            await transport.send(connection, Message.event(b"abc").with_header("from", "node-2"))
            answer = await transport.receive(connection)
            assert (answer.payload, answer.message_type) == (b"cba", MessageType.STATE)
            await transport.send(connection, Message.checkpoint(b""))
        await transport.close(connection)
        await listener.aclose()


@pytest.mark.parametrize("count", [1, 2, 3])
async def test_broadcast_reaches_every_node_and_each_acknowledges(name: str, count: int) -> None:
    acknowledged: list[str] = []

    async def node(transport: Transport, listener: Listener, number: int) -> None:
        connection = await transport.accept(listener)
        event = await transport.receive(connection)
        await transport.send(connection, Message.control(event.payload).with_header("node", str(number)))

    with anyio.fail_after(PATIENCE_S):
        async with TransportFactory.create(name) as transport, anyio.create_task_group() as tasks:
            listeners = [await transport.listen(LOOPBACK) for _ in range(count)]
            for number, listener in enumerate(listeners):
                tasks.start_soon(node, transport, listener, number)
            connections = [await transport.connect(listener.local_addr) for listener in listeners]
            for connection in connections:
                await transport.send(connection, Message.event(b"to all"))
            for connection in connections:
                answer = await transport.receive(connection)
                assert answer.payload == b"to all"
                acknowledged.append(answer.headers["node"])
    assert acknowledged == [str(number) for number in range(count)]


async def test_requests_get_their_responses(name: str) -> None:
    with anyio.fail_after(PATIENCE_S):
        async with TransportFactory.create(name) as transport, echoing(transport) as address:
            connection = await transport.connect(address)
            for size in (0, 1, 100_000, 1024 * 1024):
                request = Message.query(bytes(size)).with_header("size", str(size))
                await transport.send(connection, request)
                assert carried(await transport.receive(connection)) == request


async def test_both_directions_move_at_once(name: str) -> None:
    # With one lock for both directions, or without reading on, neither side could finish its first send.
    count, payload = 40, bytes(256 * 1024)

    async def exchange(transport: Transport, listener: Listener) -> None:
        async with anyio.create_task_group() as tasks:
            inbound = await transport.accept(listener)
            for connection in (outbound, inbound):
                for _ in range(count):
                    tasks.start_soon(transport.send, connection, Message.event(payload))
            for connection in (outbound, inbound):
                for _ in range(count):
                    tasks.start_soon(transport.receive, connection)

    with anyio.fail_after(3 * PATIENCE_S):
        async with TransportFactory.create(name) as transport:
            listener = await transport.listen(LOOPBACK)
            outbound = await transport.connect(listener.local_addr)
            await exchange(transport, listener)


async def test_many_receivers_get_each_message_once(name: str) -> None:
    got: list[str] = []

    async def receive(transport: Transport) -> None:
        got.append((await transport.receive(connection)).id)

    with anyio.fail_after(PATIENCE_S):
        async with TransportFactory.create(name) as transport, echoing(transport) as address:
            connection = await transport.connect(address)
            sent = [Message.event(b"x") for _ in range(20)]
            async with anyio.create_task_group() as tasks:
                for _ in sent:
                    tasks.start_soon(receive, transport)
                for message in sent:
                    await transport.send(connection, message)
    assert sorted(got) == sorted(message.id for message in sent)


async def test_connections_to_one_address_share_a_link_until_the_last_is_closed(name: str) -> None:
    with anyio.fail_after(PATIENCE_S):
        async with TransportFactory.create(name) as transport, echoing(transport) as address:
            first, second = await transport.connect(address), await transport.connect(address)
            assert first.id != second.id
            await transport.close(first)
            await transport.close(first)
            with pytest.raises(Unavailable, match="closed on this side"):
                await transport.send(first, Message.event(b""))
            await transport.send(second, Message.event(b"still"))
            assert (await transport.receive(second)).payload == b"still"
            assert first.state is ConnectionState.DISCONNECTED
            assert second.state is ConnectionState.CONNECTED


async def test_a_broken_connection_leaves_the_pool(name: str) -> None:
    with anyio.fail_after(PATIENCE_S):
        async with TransportFactory.create(name) as transport:
            listener = await transport.listen(LOOPBACK)
            connection = await transport.connect(listener.local_addr)
            accepted = await transport.accept(listener)
            await transport.close(accepted)
            with pytest.raises(Unavailable, match="closed the connection"):
                await transport.receive(connection)
            again = await transport.connect(listener.local_addr)
            accepted = await transport.accept(listener)
            await transport.send(again, Message.event(b"anew"))
            assert (await transport.receive(accepted)).payload == b"anew"


async def test_a_connection_that_the_peer_closed_unseen_is_not_handed_out(name: str) -> None:
    with anyio.fail_after(PATIENCE_S):
        async with TransportFactory.create(name) as transport:
            listener = await transport.listen(LOOPBACK)
            connection = await transport.connect(listener.local_addr)
            await transport.close(await transport.accept(listener))
            while connection.state is ConnectionState.CONNECTED:  # noqa: ASYNC110 - no event tells it unread
                await anyio.sleep(0.001)
            again = await transport.connect(listener.local_addr)
            accepted = await transport.accept(listener)
            await transport.send(again, Message.event(b"anew"))
            assert (await transport.receive(accepted)).payload == b"anew"


async def test_what_was_sent_before_a_close_still_arrives(name: str) -> None:
    with anyio.fail_after(PATIENCE_S):
        async with TransportFactory.create(name) as transport:
            listener = await transport.listen(LOOPBACK)
            connection = await transport.connect(listener.local_addr)
            for number in range(5):
                await transport.send(connection, Message.event(b"%d" % number))
            await transport.close(connection)
            accepted = await transport.accept(listener)
            assert [(await transport.receive(accepted)).payload for _ in range(5)] == [b"0", b"1", b"2", b"3", b"4"]
            with pytest.raises(Unavailable):
                await transport.receive(accepted)


async def test_a_cancelled_receive_loses_nothing(name: str) -> None:
    with anyio.fail_after(PATIENCE_S):
        async with TransportFactory.create(name) as transport, echoing(transport) as address:
            connection = await transport.connect(address)
            for number in range(20):
                with anyio.move_on_after(0):
                    await transport.receive(connection)
                await transport.send(connection, Message.event(b"%d" % number))
                with anyio.move_on_after(0.0001 * number):
                    assert (await transport.receive(connection)).payload == b"%d" % number
                    continue
                assert (await transport.receive(connection)).payload == b"%d" % number


async def test_closing_a_listener_ends_a_waiting_accept(name: str) -> None:
    failures: list[TransportError] = []

    async def accept(transport: Transport, listener: Listener) -> None:
        try:
            await transport.accept(listener)
        except TransportError as error:
            failures.append(error)

    with anyio.fail_after(PATIENCE_S):
        async with TransportFactory.create(name) as transport, anyio.create_task_group() as tasks:
            listener = await transport.listen(LOOPBACK)
            tasks.start_soon(accept, transport, listener)
            await anyio.wait_all_tasks_blocked()
            await listener.aclose()
    assert "was closed" in str(failures[0])


async def test_nobody_listens(name: str) -> None:
    async with TransportFactory.create(name) as transport:
        listener = await transport.listen(LOOPBACK)
        address = listener.local_addr
        await listener.aclose()
        with pytest.raises(Unavailable, match="cannot connect"):
            await transport.connect(address)


async def test_addresses_are_checked(name: str) -> None:
    async with TransportFactory.create(name) as transport:
        for wrong in ("", "localhost", "127.0.0.1:http", "unix:///tmp/x", "127.0.0.1:70000"):
            with pytest.raises(ConfigError):
                await transport.connect(wrong)
        async with await transport.listen(f"{name}://{LOOPBACK}") as listener:
            with pytest.raises(ConfigError, match="in use"):
                await transport.listen(listener.local_addr)


def test_the_factory_makes_transports_by_name() -> None:
    assert isinstance(TransportFactory.create("TCP"), TcpTransport)
    assert isinstance(TransportFactory.create("grpc"), GrpcTransport)
    assert isinstance(TransportFactory.create("grpc"), Transport)
    config = TcpTransportConfig(nodelay=False)
    assert TransportFactory.create("tcp", config).config is config
    with pytest.raises(ConfigError, match="unknown transport 'rdma': use one of grpc, tcp"):
        TransportFactory.create("rdma")
    with pytest.raises(ConfigError, match="takes a TcpTransportConfig, not a GrpcTransportConfig"):
        TransportFactory.create(TRANSPORTS[0], GrpcTransportConfig())


def test_defaults_are_those_of_eventflux() -> None:
    tcp, grpc, simple = TcpTransportConfig(), GrpcTransportConfig(), SimpleGrpcConfig()
    assert (tcp.connection_timeout_ms, tcp.read_timeout_ms, tcp.write_timeout_ms) == (5000, 30000, 30000)
    assert (tcp.keepalive_enabled, tcp.keepalive_interval_secs, tcp.nodelay) == (True, 30, True)
    assert (tcp.send_buffer_size, tcp.recv_buffer_size, tcp.max_message_size) == (65536, 65536, 10485760)
    assert (grpc.connection_timeout_ms, grpc.request_timeout_ms, grpc.keep_alive_interval_secs) == (10000, 30000, 30)
    assert (grpc.max_message_size, grpc.enable_compression, grpc.preferred_compression.name) == (52428800, True, "ZSTD")
    assert grpc.http2_keep_alive_enabled is True
    assert (grpc.http2_keep_alive_interval_secs, grpc.http2_keep_alive_timeout_secs) == (30, 5)
    assert (grpc.tls_config, grpc.max_concurrent_requests) == (None, 1000)
    assert (simple.connection_timeout_ms, simple.enable_compression) == (10000, True)
    assert simple.server_address == "127.0.0.1:50051"
