"""A name of which one address is somebody else's, or of another version: calls go where they are served."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from eventflux_runtime import (
    ClientConfig,
    Context,
    PoolConfig,
    RetryPolicy,
    ServerConfig,
    StatusCode,
    Unimplemented,
    connect,
    serve,
)
from eventflux_runtime.rpc.config import BalancerName
from eventflux_transport import EventRequest, HeartbeatRequest, HeartbeatResponse, Message, TransportClient
from tests.support.grpc_harness import Notes
from tests.support.name_server import Directory
from tests.support.server_process import Node

AT_ONCE = ServerConfig(drain_grace_s=0)
BALANCERS: tuple[BalancerName, ...] = ("pick_first", "round_robin", "least_loaded")


@asynccontextmanager
async def two(wire: str, monkeypatch: pytest.MonkeyPatch, node: Node | None) -> AsyncIterator[str]:
    """The URL of a name whose first address serves something else, and its second the node, or nothing."""
    directory = Directory(both=("127.0.0.1", "127.0.0.2"))
    monkeypatch.setattr("eventflux_runtime.client.pool.pool.resolve", directory.lookup)
    with anyio.fail_after(60):
        async with serve([Notes()], f"{wire}://127.0.0.1:0", config=AT_ONCE) as foreign:
            port = foreign.endpoints[0].rpartition(":")[2]
            if node is None:
                yield f"{wire}://both:{port}"
            else:
                async with serve([node], f"{wire}://127.0.0.2:{port}", config=AT_ONCE):
                    yield f"{wire}://both:{port}"


@pytest.mark.parametrize("balancer", BALANCERS)
@pytest.mark.parametrize("wire", ["tcp", "grpc", "grpcio"])
async def test_calls_go_where_they_are_served(
    wire: str, balancer: BalancerName, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = ClientConfig(balancer=balancer)
    async with two(wire, monkeypatch, Node("ours")) as url, connect(url, config=config) as channel:
        client = TransportClient(channel)
        for _ in range(8):
            assert (await client.send_message(Message(), timeout_s=20)).id == "ours"
            async with client.stream_events(EventRequest(), timeout_s=20) as events:
                assert [event.id async for event in events] == ["ours"]


async def test_streams_of_requests_too_where_the_server_says_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    async with two("tcp", monkeypatch, Node("ours")) as url, connect(url) as channel:
        for _ in range(4):
            async with TransportClient(channel).stream_messages(timeout_s=20) as stream:
                await stream.send(Message(id="a"))
                await stream.end()
                assert [message.id async for message in stream] == ["ours"]


@pytest.mark.parametrize("wire", ["tcp", "grpc", "grpcio"])
async def test_what_nobody_serves_is_not_implemented(wire: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = ClientConfig(pool=PoolConfig(reconnect_backoff_s=30), retry=RetryPolicy())
    async with two(wire, monkeypatch, None) as url, connect(url, config=config) as channel:
        for _ in range(3):
            with pytest.raises(Unimplemented):
                await TransportClient(channel).heartbeat(HeartbeatRequest(), timeout_s=20)


@pytest.mark.parametrize("wire", ["tcp", "grpc", "grpcio"])
async def test_what_a_handler_says_of_itself_is_its_answer(wire: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Part(Node):
        async def heartbeat(self, request: HeartbeatRequest, context: Context) -> HeartbeatResponse:
            asked.append(request.node_id)
            raise Unimplemented("not on this machine")

    directory = Directory(both=("127.0.0.1", "127.0.0.2"))
    monkeypatch.setattr("eventflux_runtime.client.pool.pool.resolve", directory.lookup)
    async with serve([Part("part")], f"{wire}://127.0.0.1:0", config=AT_ONCE) as first:
        port = first.endpoints[0].rpartition(":")[2]
        second = serve([Part("part")], f"{wire}://127.0.0.2:{port}", config=AT_ONCE)
        async with second, connect(f"{wire}://both:{port}") as channel:
            with pytest.raises(Unimplemented, match="not on this machine") as caught:
                await TransportClient(channel).heartbeat(HeartbeatRequest(node_id="a"), timeout_s=20)
    assert caught.value.code is StatusCode.UNIMPLEMENTED
    assert asked == ["a"]
