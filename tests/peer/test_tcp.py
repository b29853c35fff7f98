"""`TcpTransport`: what each field of its configuration does, and what bad peers get."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from eventflux_runtime import (
    CodecError,
    ConfigError,
    DeadlineExceeded,
    ProtocolError,
    ResourceExhausted,
    TransportError,
    Unavailable,
)
from eventflux_transport import (
    CompressionType,
    Connection,
    ConnectionState,
    Message,
    MessageType,
    TcpTransport,
    TcpTransportConfig,
)
from tests.support.nodes import (
    LOOPBACK,
    PATIENCE_S,
    body_of,
    echoing,
    frame,
    has_gone,
    is_closed_by_peer,
    option,
    raw_connect,
    raw_node,
    read_frame,
    receive_patiently,
    socket_of,
)


@asynccontextmanager
async def silent_peer(config: TcpTransportConfig) -> AsyncIterator[tuple[TcpTransport, Connection, SocketStream]]:
    """A connection to a peer that says nothing by itself."""
    async with raw_node() as node, TcpTransport(config) as transport:
        connection = await transport.connect(node.address)
        async with await node.accept() as stream:
            yield transport, connection, stream


async def test_connection_timeout() -> None:
    # With a full backlog the kernel ignores further connections, as a firewall does.
    async with raw_node(backlog=0) as node, TcpTransport(TcpTransportConfig(connection_timeout_ms=50)) as transport:
        fillers = [socket.socket() for _ in range(8)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", int(node.address.rpartition(":")[2])))
        with pytest.raises(Unavailable, match="nothing answered within connection_timeout_ms=50"):
            await transport.connect(node.address)
        for filler in fillers:
            filler.close()


async def test_read_timeout() -> None:
    async with silent_peer(TcpTransportConfig(read_timeout_ms=30)) as (transport, connection, _):
        with pytest.raises(DeadlineExceeded, match="no whole message within read_timeout_ms=30"):
            await transport.receive(connection)
        assert connection.state is ConnectionState.CONNECTED


async def test_a_read_timeout_within_a_frame_loses_no_byte() -> None:
    message = Message.event(bytes(range(256))).with_header("a", "b")
    data = frame(body_of(message)) * 2
    async with silent_peer(TcpTransportConfig(read_timeout_ms=20)) as (transport, connection, stream):
        for cut in (2, 4, 9, 100, len(data) // 2 + 3):
            position = 0
            for end in (cut, len(data)):
                await stream.send(data[position:end])
                position = end
                if end < len(data) // 2:
                    with pytest.raises(DeadlineExceeded):
                        await transport.receive(connection)
            assert await receive_patiently(transport, connection) == message
            assert await receive_patiently(transport, connection) == message


@pytest.mark.parametrize("sent", [1, 4, 30])
async def test_a_frame_that_begins_and_stalls_breaks_the_connection(sent: int) -> None:
    async with silent_peer(TcpTransportConfig(read_timeout_ms=300)) as (transport, connection, stream):
        await stream.send(frame(body_of(Message.event(bytes(100))))[:sent])
        with pytest.raises(DeadlineExceeded):
            await transport.receive(connection)
        assert connection.state is ConnectionState.CONNECTED
        with anyio.fail_after(PATIENCE_S), pytest.raises(Unavailable, match="sent no whole message"):
            while True:
                with suppress(DeadlineExceeded):
                    await transport.receive(connection)
        assert await is_closed_by_peer(stream)


async def test_write_timeout_breaks_the_connection() -> None:
    config = TcpTransportConfig(write_timeout_ms=100, send_buffer_size=8192, recv_buffer_size=8192)
    async with silent_peer(config) as (transport, connection, _):
        with anyio.fail_after(PATIENCE_S), pytest.raises(DeadlineExceeded, match="write_timeout_ms=100"):
            while True:
                await transport.send(connection, Message.event(bytes(1024 * 1024)))
        assert connection.state is ConnectionState.ERROR
        with pytest.raises(Unavailable, match="was cut off"):
            await transport.send(connection, Message.event(b""))


async def test_a_cancelled_send_that_was_cut_off_breaks_the_connection() -> None:
    async with silent_peer(TcpTransportConfig(send_buffer_size=8192)) as (transport, connection, _):
        async with anyio.create_task_group() as tasks:

            async def send() -> None:
                while True:
                    await transport.send(connection, Message.event(bytes(1024 * 1024)))

            tasks.start_soon(send)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        with pytest.raises(Unavailable, match="was cut off"):
            await transport.receive(connection)


@pytest.mark.parametrize("is_on", [True, False])
async def test_socket_options(is_on: bool) -> None:
    config = TcpTransportConfig(
        keepalive_enabled=is_on,
        keepalive_interval_secs=17,
        nodelay=is_on,
        send_buffer_size=20_000 if is_on else None,
        recv_buffer_size=30_000 if is_on else None,
    )
    async with TcpTransport(config) as transport:
        listener = await transport.listen(LOOPBACK)
        connected = await transport.connect(listener.local_addr)
        for connection in (connected, await transport.accept(listener)):
            assert bool(option(connection, socket.SOL_SOCKET, socket.SO_KEEPALIVE)) is is_on
            assert bool(option(connection, socket.IPPROTO_TCP, socket.TCP_NODELAY)) is is_on
            # Linux doubles what it is asked for.
            assert (option(connection, socket.SOL_SOCKET, socket.SO_SNDBUF) == 40_000) is is_on
            assert (option(connection, socket.SOL_SOCKET, socket.SO_RCVBUF) == 60_000) is is_on
            if is_on:
                assert option(connection, socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 17


async def test_max_message_size_holds_when_sending() -> None:
    async with TcpTransport(TcpTransportConfig(max_message_size=1000)) as transport, echoing(transport) as address:
        connection = await transport.connect(address)
        with pytest.raises(ResourceExhausted, match="over the limit of 1000"):
            await transport.send(connection, Message(message_type=MessageType.EVENT, payload=bytes(1000)))
        await transport.send(connection, Message.event(b"goes on"))
        assert (await transport.receive(connection)).payload == b"goes on"


async def test_max_message_size_holds_when_receiving() -> None:
    message = Message(message_type=MessageType.EVENT, payload=bytes(1000))
    limit = len(body_of(message))
    async with silent_peer(TcpTransportConfig(max_message_size=limit)) as (transport, connection, stream):
        await stream.send(frame(body_of(message)))
        assert await transport.receive(connection) == message
        await stream.send((limit + 1).to_bytes(4, "big"))
        with pytest.raises(ResourceExhausted, match=f"a frame of {limit + 1} bytes, the limit is {limit}"):
            await transport.receive(connection)
        assert await is_closed_by_peer(stream)


@pytest.mark.parametrize(
    "wrong",
    [
        Message(message_type=MessageType.EVENT, id="\ud800"),
        Message(message_type=MessageType.EVENT, headers=cast("dict[str, str]", None), source_node="a"),
        Message(message_type=MessageType.EVENT, payload=cast("bytes", "text"), compression=CompressionType.ZSTD),
        cast("Message", "a text"),
    ],
)
async def test_what_is_no_message_is_not_sent(wrong: Message) -> None:
    async with TcpTransport() as transport, echoing(transport) as address:
        connection = await transport.connect(address)
        with pytest.raises(CodecError):
            await transport.send(connection, wrong)
        await transport.send(connection, Message.event(b"goes on"))
        assert (await transport.receive(connection)).payload == b"goes on"


GOOD = body_of(Message(id="abc", message_type=MessageType.EVENT, payload=b"x", headers={"k": "v"}))

BAD_PEERS = {
    "length beyond the limit": (b"\xff\xff\xff\xff", ResourceExhausted, "4294967295 bytes, the limit is 10485760"),
    "truncated frame": (frame(GOOD)[:-1], ProtocolError, "closed the connection within a frame"),
    "truncated header": (b"\x00\x00", ProtocolError, "within a frame's header, after 2 of 4 bytes"),
    "truncated message": (frame(GOOD[:-1]), CodecError, "TransportMessage.message_type"),
    "unknown variant": (frame(GOOD[:-4] + b"\x06\x00\x00\x00"), CodecError, "TransportMessage.message_type"),
    "bad UTF-8": (frame(GOOD.replace(b"abc", b"a\xffc")), CodecError, "TransportMessage.id"),
    "garbage within the frame": (frame(GOOD + b"!"), CodecError, "ends at byte 50"),
    "garbage after the frame": (frame(GOOD) + b"!garbage", ResourceExhausted, "the limit is"),
}


@pytest.mark.parametrize(("data", "error", "text"), BAD_PEERS.values(), ids=BAD_PEERS)
async def test_a_bad_frame_closes_its_connection_and_no_other(
    data: bytes, error: type[TransportError], text: str
) -> None:
    async with TcpTransport() as transport:
        listener = await transport.listen(LOOPBACK)
        async with await raw_connect(listener.local_addr) as bad, await raw_connect(listener.local_addr) as good:
            broken, whole = await transport.accept(listener), await transport.accept(listener)
            await bad.send(data)
            if error is ProtocolError:
                await bad.send_eof()
            if data.startswith(frame(GOOD)):
                assert (await transport.receive(broken)).id == "abc"
            with anyio.fail_after(PATIENCE_S), pytest.raises(error, match=text):
                await transport.receive(broken)
            assert broken.state is ConnectionState.ERROR
            assert isinstance(broken.error, error)
            with pytest.raises(Unavailable, match="is closed"):
                await transport.receive(broken)
            assert await is_closed_by_peer(bad)
            await good.send(frame(GOOD))
            await transport.send(whole, await transport.receive(whole))
            assert await read_frame(good) == GOOD


async def test_a_reset_breaks_the_connection() -> None:
    async with raw_node() as node, TcpTransport() as transport:
        connection = await transport.connect(node.address)
        stream = await node.accept()
        stream.extra(SocketAttribute.raw_socket).setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00"
        )
        await anyio.aclose_forcefully(stream)
        with anyio.fail_after(PATIENCE_S), pytest.raises(Unavailable, match="reset"):
            await transport.receive(connection)


@pytest.mark.parametrize(
    "field", ["connection_timeout_ms", "read_timeout_ms", "write_timeout_ms", "keepalive_interval_secs"]
)
def test_numbers_are_checked(field: str) -> None:
    wrong: dict[str, Any] = {field: 0}
    with pytest.raises(ConfigError, match=f"{field} must be (above 0|at least 1)"):
        TcpTransportConfig(**wrong)
    with pytest.raises(ConfigError, match="max_message_size must be at least 1"):
        TcpTransportConfig(max_message_size=0)


async def test_send_raises_at_once_when_the_peer_has_closed() -> None:
    message = Message.event(b"farewell")
    async with silent_peer(TcpTransportConfig()) as (transport, connection, stream):
        await stream.send(frame(body_of(message)))
        await stream.aclose()
        await has_gone(connection)
        with pytest.raises(Unavailable, match="closed the connection: connect again"):
            await transport.send(connection, Message.event(b"too late"))
        # What came before its end is still there.
        assert await transport.receive(connection) == message
        with pytest.raises(Unavailable, match="closed the connection"):
            await transport.receive(connection)
        assert connection.state is ConnectionState.DISCONNECTED


async def test_what_was_sent_arrives_though_this_side_closes_with_messages_unread() -> None:
    # More than the peer's system takes at first: the rest leaves after the close, unless a reset throws it away.
    message = Message.event(bytes(300_000))
    async with silent_peer(TcpTransportConfig(send_buffer_size=400_000)) as (transport, connection, stream):
        await stream.send(frame(body_of(Message.event(b"unread"))))
        with anyio.fail_after(PATIENCE_S):
            await anyio.wait_readable(socket_of(connection))
        await transport.send(connection, message)
        await transport.close(connection)
        assert await read_frame(stream) == body_of(message)


async def test_close_ends_those_who_wait() -> None:
    async with silent_peer(TcpTransportConfig()) as (transport, connection, _), anyio.create_task_group() as tasks:

        async def receive() -> None:
            with pytest.raises(Unavailable, match="is lost \\(it was closed\\)|is closed"):
                await transport.receive(connection)

        tasks.start_soon(receive)
        await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(PATIENCE_S):
            await transport.close(connection)
