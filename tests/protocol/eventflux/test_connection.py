"""The native server's port: EventFlux peers are told by their first bytes and served beside native clients."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import pytest
from anyio.abc import ByteStream

from eventflux_runtime import Context, NotFound, ServerConfig, connect, serve
from eventflux_transport import CompressionType, Message, MessageType, TcpTransport, TransportClient
from tests.support.nodes import PATIENCE_S, body_of, frame, is_closed_by_peer, raw_connect, read_frame
from tests.support.probe import Probe

RICH = Message(
    id="r",
    message_type=MessageType.ACKNOWLEDGMENT,
    payload=b"ACK",
    headers={"acknowledged-id": "7"},
    timestamp=1_700_000_000_000,
    source_node="node-1",
    target_node="node-2",
    priority=5,
    compression=CompressionType.ZSTD,
)
"""An answer with everything that EventFlux's frames have no place for."""


class Node(Probe):
    """Echoes; knows one message that it does not find, and one that it answers with everything a message can have."""

    async def send_message(self, request: Message, context: Context) -> Message:
        if request.payload == b"missing":
            raise NotFound("no such thing")
        if request.payload == b"rich":
            return RICH
        return await super().send_message(request, context)


@asynccontextmanager
async def serving(config: ServerConfig | None = None, scheme: str = "tcp") -> AsyncIterator[tuple[Node, str]]:
    node = Node()
    async with serve([node], f"{scheme}://127.0.0.1:0", config=config or ServerConfig(drain_grace_s=0)) as server:
        yield node, server.endpoints[0].partition("://")[2]


def parsed(body: bytes) -> Message:
    return Message.from_wire(body, "eventflux")


async def test_a_peer_and_a_native_client_share_a_port() -> None:
    async with serving() as (node, address), TcpTransport() as transport:
        connection = await transport.connect(address)
        async with connect(f"tcp://{address}") as channel:
            for number in range(3):
                message = Message.event(b"%d" % number).with_header("k", "v")
                await transport.send(connection, message)
                assert await transport.receive(connection) == message
                assert await TransportClient(channel).send_message(message) == message
        assert len(node.seen) == 6
        assert node.contexts[0].peer.address.startswith("tcp://127.0.0.1:")
        assert node.contexts[0].deadline is None


async def test_first_bytes_may_come_one_by_one() -> None:
    async with serving() as (_, address), await raw_connect(address) as stream:
        message = Message.query(b"q")
        for byte in frame(body_of(message)):
            await stream.send(bytes([byte]))
        assert parsed(await read_frame(stream)) == message


async def test_answers_come_in_the_order_of_the_messages() -> None:
    messages = [Message.event(b"%d" % number) for number in range(200)]
    async with serving() as (_, address), await raw_connect(address) as stream:
        await stream.send(b"".join(frame(body_of(message)) for message in messages))
        assert [parsed(await read_frame(stream)) for _ in messages] == messages


async def test_a_failed_message_is_refused_and_the_connection_goes_on() -> None:
    async with serving() as (_, address), TcpTransport() as transport:
        connection = await transport.connect(address)
        request = Message.query(b"missing")
        await transport.send(connection, request)
        answer = await transport.receive(connection)
        assert answer.message_type is MessageType.CONTROL
        assert answer.headers == {"refused-id": request.id, "status": "NOT_FOUND", "status-message": "no such thing"}
        await transport.send(connection, Message.query(b"fine"))
        assert (await transport.receive(connection)).payload == b"fine"


async def test_of_an_answer_that_frames_cannot_carry_whole_they_carry_what_they_can() -> None:
    async with serving() as (_, address), TcpTransport() as transport:
        connection = await transport.connect(address)
        await transport.send(connection, Message.query(b"rich"))
        assert await transport.receive(connection) == Message(
            id="r",
            message_type=MessageType.EVENT,
            payload=b"ACK",
            headers={"acknowledged-id": "7", "source_node": "node-1", "target_node": "node-2"},
        )


GOOD = body_of(Message(id="abc", message_type=MessageType.EVENT, payload=b"x"))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (frame(GOOD) + b"\x00\xa0\x00\x01", "a frame of 10485761 bytes, the limit is 10485760"),
        (b"\x00\xa0\x00\x01", "a frame of 10485761 bytes, the limit is 10485760"),
        (frame(GOOD)[:-1], "within a frame"),
        (frame(GOOD[:-4] + b"\x06\x00\x00\x00"), "TransportMessage.message_type"),
        (frame(GOOD.replace(b"abc", b"a\xffc")), "TransportMessage.id"),
        (frame(GOOD + b"!"), "ends at byte"),
        (frame(GOOD) + b"!garbage", "the limit is"),
    ],
)
async def test_a_bad_frame_closes_its_connection_and_no_other(
    data: bytes, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        serving() as (_, address),
        await raw_connect(address) as good,
        await raw_connect(address) as bad,
    ):
        await good.send(frame(GOOD))
        assert await read_frame(good) == GOOD
        with caplog.at_level(logging.WARNING, "eventflux_runtime.server"):
            await bad.send(data)
            if data == frame(GOOD)[:-1]:
                await bad.send_eof()
            assert await is_closed_by_peer(bad)
        assert text in caplog.text
        await good.send(frame(GOOD))
        assert await read_frame(good) == GOOD


@pytest.mark.parametrize("scheme", ["tcp", "unix"])
@pytest.mark.parametrize("sent", [1, 3, 4, 5, 20], ids=lambda sent: f"{sent}-bytes")
async def test_a_frame_that_begins_and_stalls_is_given_up(scheme: str, sent: int, tmp_path: Path) -> None:
    config = ServerConfig(handshake_timeout_s=0.3, drain_grace_s=0)
    url = "tcp://127.0.0.1:0" if scheme == "tcp" else f"unix://{tmp_path}/node.sock"
    async with serve([Node()], url, config=config) as server:
        address = server.endpoints[0].partition("://")[2]

        async def opened() -> ByteStream:
            return await raw_connect(address) if scheme == "tcp" else await anyio.connect_unix(address)

        async with await opened() as idle, await opened() as fresh, await opened() as used:
            await idle.send(frame(GOOD))
            assert await read_frame(idle) == GOOD
            await used.send(frame(GOOD) + frame(GOOD)[:sent])
            assert await read_frame(used) == GOOD
            await fresh.send(frame(GOOD)[:sent])
            began = anyio.current_time()
            assert await is_closed_by_peer(fresh)
            assert await is_closed_by_peer(used)
            assert anyio.current_time() - began < 5
            await idle.send(frame(GOOD))
            assert await read_frame(idle) == GOOD, "who has sent whole frames may be silent"


async def test_a_frame_that_trickles_in_is_given_up() -> None:
    async with (
        serving(ServerConfig(handshake_timeout_s=0.3, drain_grace_s=0)) as (_, address),
        await raw_connect(address) as stream,
        anyio.create_task_group() as tasks,
    ):
        await stream.send((1000).to_bytes(4, "big"))

        async def trickle() -> None:
            with suppress(anyio.BrokenResourceError):
                while True:
                    await stream.send(b"x")
                    await anyio.sleep(0.05)

        tasks.start_soon(trickle)
        assert await is_closed_by_peer(stream)
        tasks.cancel_scope.cancel()


async def test_a_long_frame_may_take_longer_as_long_as_it_comes_on() -> None:
    async with (
        serving(ServerConfig(handshake_timeout_s=1.0, drain_grace_s=0)) as (_, address),
        await raw_connect(address) as stream,
    ):
        body = body_of(Message.event(bytes(100_000)))
        data = frame(body)
        for begin in range(0, len(data), 4000):
            await stream.send(data[begin : begin + 4000])
            await anyio.sleep(0.1)
        assert await read_frame(stream) == body


async def test_a_peer_that_has_to_wait_within_a_frame_is_not_given_up() -> None:
    payload = bytes(2 * 1024 * 1024)
    async with (
        serving(ServerConfig(handshake_timeout_s=0.2, drain_grace_s=0)) as (node, address),
        await raw_connect(address) as stream,
        anyio.create_task_group() as tasks,
    ):
        await stream.send(frame(body_of(Message.event(b"").with_header("do", "linger"))))
        with anyio.fail_after(PATIENCE_S):
            await node.started.wait()
        # The server stops reading, most likely within one of these.
        message = Message.event(payload)
        tasks.start_soon(stream.send, frame(body_of(message)) * 5)
        await anyio.sleep(1.0)
        node.release.set()
        await read_frame(stream)
        for _ in range(5):
            assert parsed(await read_frame(stream)) == message


async def test_what_came_before_a_bad_frame_is_answered() -> None:
    async with serving() as (_, address), await raw_connect(address) as stream:
        await stream.send(frame(GOOD) + frame(GOOD) + b"\xff\xff\xff\xff")
        assert [await read_frame(stream), await read_frame(stream)] == [GOOD, GOOD]
        assert await is_closed_by_peer(stream)


async def test_the_servers_own_limit_holds() -> None:
    async with serving(ServerConfig(max_message_bytes=100)) as (_, address), await raw_connect(address) as stream:
        await stream.send((101).to_bytes(4, "big"))
        assert await is_closed_by_peer(stream)


async def test_a_peer_that_sends_faster_than_it_is_served_has_to_wait() -> None:
    payload = bytes(256 * 1024)
    async with serving() as (node, address), await raw_connect(address) as stream:
        await stream.send(frame(body_of(Message.event(b"").with_header("do", "linger"))))
        with anyio.fail_after(PATIENCE_S):
            await node.started.wait()
        sent = 0
        with anyio.move_on_after(1.0):
            while sent < 400:
                await stream.send(frame(body_of(Message.event(payload))))
                sent += 1
        assert sent < 100  # the system's buffers and the server's own; not 100 MiB


async def test_a_peer_that_leaves_cancels_its_handler() -> None:
    async with serving() as (node, address):
        async with await raw_connect(address) as stream:
            await stream.send(frame(body_of(Message.event(b"").with_header("do", "linger"))))
            with anyio.fail_after(PATIENCE_S):
                await node.started.wait()
        with anyio.fail_after(PATIENCE_S):
            await node.cancelled.wait()


async def test_a_drain_serves_what_has_arrived_and_closes() -> None:
    node = Node()
    async with serve([node], "tcp://127.0.0.1:0") as server:
        address = server.endpoints[0].partition("://")[2]
        async with await raw_connect(address) as busy, await raw_connect(address) as idle:
            await idle.send(frame(GOOD))
            assert await read_frame(idle) == GOOD
            await busy.send(frame(body_of(Message.event(b"last").with_header("do", "linger"))))
            with anyio.fail_after(PATIENCE_S):
                await node.started.wait()
            assert server.active_calls == 1
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(server.drain)
                assert await is_closed_by_peer(idle)
                node.release.set()
                assert parsed(await read_frame(busy)).payload == b"last"
            assert await is_closed_by_peer(busy)
