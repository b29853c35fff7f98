"""How calls end for those who observe them: counts and causes, on both sides, on every wire and every event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from eventflux_runtime import (
    CancelCause,
    Cancelled,
    Channel,
    ClientConfig,
    Compression,
    DeadlineExceeded,
    KeepaliveConfig,
    Server,
    ServerConfig,
    StatusCode,
    Unavailable,
)
from eventflux_transport import EventRequest, Message, TransportClient
from tests.support.observing import Seen, WatchingClient, WatchingServer
from tests.support.probe import Probe
from tests.support.proxy import proxied
from tests.support.wires import WIRES, address, connect, serve

QUICK = KeepaliveConfig(interval_s=0.2, timeout_s=0.3)
LONG = Message(payload=b"a" * 20_000)


@dataclass
class Pair:
    """A server and a client, each with an observer for each call."""

    client: TransportClient
    channel: Channel
    server: Server
    service: Probe
    sent: WatchingClient
    served: WatchingServer
    wire: str

    async def ends(self) -> tuple[Seen, Seen]:
        """Of the only call, client and server, once both sides know."""
        with anyio.fail_after(10):
            await self.sent.seen.ended.wait()
            await self.served.began.wait()
            await self.served.seen.ended.wait()
        return self.sent.seen, self.served.seen


@asynccontextmanager
async def pair(
    wire: str, tmp_path: Path, compression: Compression = Compression.NONE, grace_s: float = 0
) -> AsyncIterator[Pair]:
    service, sent, served = Probe(), WatchingClient(), WatchingServer()
    server_config = ServerConfig(drain_grace_s=grace_s, compression=compression)
    client_config = ClientConfig(compression=compression)
    with anyio.fail_after(20):
        async with (
            serve([service], address(wire, tmp_path), config=server_config, interceptors=[served]) as server,
            connect(server.endpoints[0], config=client_config, interceptors=[sent]) as channel,
        ):
            yield Pair(TransportClient(channel), channel, server, service, sent, served, wire)


def size(message: Message | EventRequest, wire: str) -> int:
    """The bytes of a message on a wire, from the codec alone."""
    return len(message.to_protobuf() if wire.startswith("grpc") else message.to_wire())


@pytest.mark.parametrize("wire", WIRES)
async def test_messages_and_bytes_of_each_kind_are_what_the_codec_says(wire: str, tmp_path: Path) -> None:
    async with pair(wire, tmp_path) as both:
        await both.client.send_message(LONG)
        async with both.client.stream_events(EventRequest(node_id="n", batch_size=3)) as events:
            assert len([event async for event in events]) == 3
        async with both.client.stream_messages() as stream:
            for message in (LONG, Message(id="b")):
                await stream.send(message)
                await stream.receive()
            await stream.end()
            assert [message.id async for message in stream] == ["end"]
        for seen in both.served.calls:
            await seen.ended.wait()
        stats = both.channel.stats(), both.server.stats()
        assert {context.endpoint for context in both.service.contexts} == set(both.server.endpoints)
    expected: list[tuple[list[Message | EventRequest], list[Message]]] = [
        ([LONG], [LONG]),
        ([EventRequest(node_id="n", batch_size=3)], [Message(id=str(index)) for index in range(3)]),
        ([LONG, Message(id="b")], [LONG, Message(id="b"), Message(id="end")]),
    ]
    for seen, (requests, responses) in zip(both.sent.calls, expected, strict=True):
        assert (seen.requests, seen.responses) == (requests, responses)
        assert (seen.end.sent_messages, seen.end.received_messages) == (len(requests), len(responses))
        assert seen.end.sent_bytes == sum(size(message, wire) for message in requests)
        assert seen.end.received_bytes == sum(size(message, wire) for message in responses)
    for seen, (requests, responses) in zip(both.served.calls, expected, strict=True):
        assert (seen.requests, seen.responses) == (requests, responses)
        assert seen.end.received_bytes == sum(size(message, wire) for message in requests)
        assert seen.end.sent_bytes == sum(size(message, wire) for message in responses)
    sent, served = (side.calls for side in stats)
    assert (sent.started, sent.in_flight, sent.ended) == (3, 0, {StatusCode.OK: 3})
    assert (served.started, served.in_flight, served.ended) == (3, 0, {StatusCode.OK: 3})
    assert sent.sent_bytes == served.received_bytes == sum(seen.end.sent_bytes for seen in both.sent.calls)
    assert served.sent_bytes == sent.received_bytes == sum(seen.end.sent_bytes for seen in both.served.calls)
    assert (sent.sent_messages, sent.received_messages) == (4, 7)
    assert sent.latency.count == served.latency.count == 3


@pytest.mark.parametrize("wire", ["tcp", "grpc"])
async def test_bytes_of_compressed_messages_are_those_that_travel(wire: str, tmp_path: Path) -> None:
    async with pair(wire, tmp_path, Compression.GZIP) as both:
        await both.client.send_message(Message(id="first"))  # tells a gRPC client what the server reads
        await both.client.send_message(LONG)
        await both.served.calls[1].ended.wait()
        sent, served = both.sent.calls[1].end, both.served.calls[1].end
    assert 0 < sent.sent_bytes < 1000
    assert (sent.sent_bytes, sent.received_bytes) == (served.received_bytes, served.sent_bytes)


async def by_caller(both: Pair) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(both.client.send_message, Message(headers={"do": "linger"}))
        await both.service.started.wait()
        tasks.cancel_scope.cancel()


async def by_leaving_a_stream(both: Pair) -> None:
    async with both.client.stream_events(EventRequest(node_id="linger")) as events:
        await events.receive()
        await both.service.started.wait()


async def by_deadline(both: Pair) -> None:
    with pytest.raises(DeadlineExceeded):
        await both.client.send_message(Message(headers={"do": "linger"}), timeout_s=0.3)


async def by_deadline_of_a_stream(both: Pair) -> None:
    async with both.client.stream_events(EventRequest(node_id="linger"), timeout_s=0.3) as events:
        await events.receive()
        with pytest.raises(DeadlineExceeded):
            await events.receive()


async def by_closing_the_channel(both: Pair) -> None:
    async def call() -> None:
        with pytest.raises(Unavailable):
            await both.client.send_message(Message(headers={"do": "linger"}))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call)
        await both.service.started.wait()
        await both.channel.aclose()


async def by_stopping_the_server(both: Pair) -> None:
    async def call() -> None:
        with pytest.raises((Unavailable, Cancelled)):
            await both.client.send_message(Message(headers={"do": "linger"}))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call)
        await both.service.started.wait()
        await both.server.stop()


async def by_the_end_of_a_drain(both: Pair) -> None:
    async def call() -> None:
        with pytest.raises((Unavailable, Cancelled)):
            async with both.client.stream_events(EventRequest(node_id="linger")) as events:
                await events.receive()
                await events.receive()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call)
        await both.service.started.wait()
        await both.server.aclose()


CALLER, DEADLINE = CancelCause.CALLER, CancelCause.DEADLINE
DISCONNECTED, STOPPED = CancelCause.DISCONNECTED, CancelCause.STOPPED
CUT_SHORT: list[
    tuple[Callable[[Pair], Awaitable[None]], StatusCode, set[CancelCause | None], set[CancelCause | None]]
] = [
    (by_caller, StatusCode.CANCELLED, {CALLER}, {CALLER}),
    (by_leaving_a_stream, StatusCode.CANCELLED, {CALLER}, {CALLER}),
    (by_deadline, StatusCode.DEADLINE_EXCEEDED, {DEADLINE}, {DEADLINE}),
    (by_deadline_of_a_stream, StatusCode.DEADLINE_EXCEEDED, {DEADLINE}, {DEADLINE}),
    (by_closing_the_channel, StatusCode.UNAVAILABLE, {STOPPED}, {DISCONNECTED}),
    (by_stopping_the_server, StatusCode.UNAVAILABLE, {None}, {STOPPED}),
    (by_the_end_of_a_drain, StatusCode.UNAVAILABLE, {None}, {STOPPED}),
]
"""What cuts a call short, how it ends for its client, and the causes that client and server may be told."""


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    ("cut", "code", "of_client", "of_server"), CUT_SHORT, ids=[row[0].__name__ for row in CUT_SHORT]
)
async def test_why_a_call_was_cut_short(
    cut: Callable[[Pair], Awaitable[None]],
    code: StatusCode,
    of_client: set[CancelCause | None],
    of_server: set[CancelCause | None],
    wire: str,
    tmp_path: Path,
) -> None:
    if wire == "grpcio":  # which does not tell a client that left from one that cancelled, nor the end of a connection
        of_client, of_server = of_client | {DISCONNECTED, None}, of_server | {CALLER}
    async with pair(wire, tmp_path, grace_s=0.05) as both:
        await cut(both)
        client, server = await both.ends()
    assert client.end.cancel_cause in of_client
    assert server.end.cancel_cause in of_server
    if wire != "grpcio":
        assert client.end.status.code is code
    assert client.end.status.code is not StatusCode.OK
    assert server.end.status.code in {StatusCode.CANCELLED, StatusCode.DEADLINE_EXCEEDED, StatusCode.UNAVAILABLE}
    assert (client.told[-1], server.told[-1]) == ("end", "end")
    assert client.attempt_ends == [(1, client.end.status.code)]


@pytest.mark.parametrize("wire", ["tcp", "grpc"])
async def test_a_peer_that_falls_silent_is_the_cause_on_both_sides(wire: str) -> None:
    service, sent, served = Probe(), WatchingClient(), WatchingServer()
    server_config = ServerConfig(drain_grace_s=0, keepalive=QUICK)
    with anyio.fail_after(20):
        async with (
            serve([service], f"{wire}://127.0.0.1:0", config=server_config, interceptors=[served]) as server,
            proxied(server.endpoints[0]) as (proxy, url),
            connect(url, config=ClientConfig(keepalive=QUICK), interceptors=[sent]) as channel,
            TransportClient(channel).stream_events(EventRequest(node_id="linger")) as events,
        ):
            await events.receive()
            await service.started.wait()
            proxy.is_silent = True
            await served.seen.ended.wait()
            await sent.seen.ended.wait()
    for seen, code in ((sent.seen, StatusCode.UNAVAILABLE), (served.seen, StatusCode.CANCELLED)):
        assert (seen.end.status.code, seen.end.cancel_cause) == (code, CancelCause.DISCONNECTED)
    assert (sent.seen.end.received_messages, served.seen.end.sent_messages) == (1, 1)
