"""Calls that are made again, on every wire: which, how often, and what their caller sees."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import anyio
import pytest

from eventflux_runtime import (
    Cancelled,
    Channel,
    ClientConfig,
    Method,
    NotFound,
    ResponseInfo,
    RetryPolicy,
    ServerConfig,
    StatusCode,
    Unavailable,
)
from eventflux_runtime.protocol.api import CallHead
from eventflux_runtime.rpc.method import AnyMethod
from eventflux_transport import EventRequest, HeartbeatRequest, Message, TransportClient
from eventflux_transport.methods import TRANSPORT_HEARTBEAT
from tests.support.server_process import Node
from tests.support.wires import WIRES, address, connect, serve

T = TypeVar("T")

POLICY = RetryPolicy(max_attempts=3, initial_backoff_s=0.001)
DOWN = StatusCode.UNAVAILABLE


@dataclass
class Link:
    """A node and a client of it."""

    node: Node
    channel: Channel
    client: TransportClient


@asynccontextmanager
async def linked(wire: str, tmp_path: Path, retry: RetryPolicy | None = POLICY) -> AsyncIterator[Link]:
    node = Node("node")
    with anyio.fail_after(20):
        async with serve([node], address(wire, tmp_path), config=ServerConfig(drain_grace_s=0)) as server:
            config = ClientConfig(retry=retry, ejection=None)
            async with connect(server.endpoints[0], config=config) as channel:
                yield Link(node, channel, TransportClient(channel))


@pytest.mark.parametrize("wire", WIRES)
async def test_an_idempotent_call_is_tried_again(wire: str, tmp_path: Path) -> None:
    async with linked(wire, tmp_path) as link:
        link.node.failures = [DOWN, DOWN]
        response = ResponseInfo()
        answer = await link.client.heartbeat(HeartbeatRequest(), metadata={"x-own": "stays"}, response=response)
        assert answer.server_node_id == "node"
        assert link.node.asked == 3
        assert link.node.previous_attempts == ["", "1", "2"]


@pytest.mark.parametrize("wire", WIRES)
async def test_the_last_error_is_the_callers(wire: str, tmp_path: Path) -> None:
    async with linked(wire, tmp_path) as link:
        link.node.failures = [DOWN] * 3
        with pytest.raises(Unavailable, match="as asked"):
            await link.client.heartbeat(HeartbeatRequest())
        assert link.node.asked == 3
        link.node.failures = [DOWN, StatusCode.NOT_FOUND]
        with pytest.raises(NotFound):
            await link.client.heartbeat(HeartbeatRequest())
        assert link.node.asked == 5


@pytest.mark.parametrize("wire", WIRES)
async def test_a_call_that_is_not_idempotent_is_made_once(wire: str, tmp_path: Path) -> None:
    async with linked(wire, tmp_path) as link:
        link.node.failures = [DOWN]
        with pytest.raises(Unavailable):
            await link.client.send_message(Message())
        assert link.node.asked == 1


@pytest.mark.parametrize("wire", WIRES)
async def test_without_a_policy_no_call_is_tried_again(wire: str, tmp_path: Path) -> None:
    async with linked(wire, tmp_path, None) as link:
        link.node.failures = [DOWN]
        with pytest.raises(Unavailable):
            await link.client.heartbeat(HeartbeatRequest())
        assert link.node.asked == 1


@pytest.mark.parametrize("wire", WIRES)
async def test_a_methods_own_policy_comes_first(wire: str, tmp_path: Path) -> None:
    own = Method(
        service=TRANSPORT_HEARTBEAT.service,
        name=TRANSPORT_HEARTBEAT.name,
        kind=TRANSPORT_HEARTBEAT.kind,
        request=TRANSPORT_HEARTBEAT.request,
        response=TRANSPORT_HEARTBEAT.response,
        fingerprint=TRANSPORT_HEARTBEAT.fingerprint,
        idempotent=True,
        retry=RetryPolicy(max_attempts=2, initial_backoff_s=0.001, codes=frozenset({StatusCode.ABORTED})),
    )
    async with linked(wire, tmp_path) as link:
        link.node.failures = [StatusCode.ABORTED]
        await link.channel.unary(own, HeartbeatRequest())
        link.node.failures = [DOWN]
        with pytest.raises(Unavailable):
            await link.channel.unary(own, HeartbeatRequest())
        assert link.node.asked == 3


@pytest.mark.parametrize("wire", WIRES)
async def test_a_server_says_when_to_try_again(wire: str, tmp_path: Path) -> None:
    slow = RetryPolicy(max_attempts=2, initial_backoff_s=1000, max_backoff_s=1000)
    async with linked(wire, tmp_path, slow) as link:
        link.node.failures = [DOWN]
        link.node.trailers = {"grpc-retry-pushback-ms": "1"}
        await link.client.heartbeat(HeartbeatRequest())
        assert link.node.asked == 2
        link.node.failures = [DOWN]
        link.node.trailers = {"grpc-retry-pushback-ms": "-1"}
        with pytest.raises(Unavailable):
            await link.client.heartbeat(HeartbeatRequest())
        assert link.node.asked == 3


@pytest.mark.parametrize("wire", WIRES)
async def test_a_stream_is_tried_again_until_its_first_message(wire: str, tmp_path: Path) -> None:
    async with linked(wire, tmp_path) as link:
        link.node.failures = [DOWN, DOWN]
        async with link.client.stream_events(EventRequest()) as events:
            assert [event.id async for event in events] == ["node"]
            assert events.status is not None
            assert events.status.code is StatusCode.OK
        assert link.node.asked == 3

        async with link.client.stream_events(EventRequest(node_id="fail-later")) as events:
            assert (await events.receive()).id == "node"
            for _ in range(2):
                with pytest.raises(Unavailable, match="too late"):
                    await events.receive()
        assert link.node.asked == 4


@pytest.mark.parametrize("wire", WIRES)
async def test_a_stream_whose_attempts_all_fail(wire: str, tmp_path: Path) -> None:
    async with linked(wire, tmp_path) as link:
        link.node.failures = [DOWN] * 3
        async with link.client.stream_events(EventRequest()) as events:
            for _ in range(2):
                with pytest.raises(Unavailable, match="as asked"):
                    await events.receive()
            assert events.status is not None
            assert events.status.code is DOWN
        assert link.node.asked == 3


@pytest.mark.parametrize("wire", WIRES)
async def test_a_stream_cancelled_between_its_attempts(wire: str, tmp_path: Path) -> None:
    slow = RetryPolicy(max_attempts=2, initial_backoff_s=0.2)
    async with linked(wire, tmp_path, slow) as link:
        link.node.failures = [DOWN]
        async with link.client.stream_events(EventRequest()) as events, anyio.create_task_group() as tasks:

            async def cancel_once_it_failed() -> None:
                await link.node.reached.wait()
                events.cancel()

            tasks.start_soon(cancel_once_it_failed)
            with pytest.raises(Cancelled):
                while True:
                    await events.receive()


@pytest.mark.parametrize("wire", WIRES)
async def test_metadata_handed_on_settles_the_attempt(wire: str, tmp_path: Path) -> None:
    async with linked(wire, tmp_path) as link:
        async with link.client.stream_events(EventRequest(node_id="linger")) as events:
            await events.initial_metadata()
            assert (await events.receive()).id == "node"
            link.node.release.set()
        assert link.node.asked == 1


@pytest.mark.parametrize("wire", WIRES)
async def test_two_way_streams_are_made_once(wire: str, tmp_path: Path) -> None:
    async with linked(wire, tmp_path) as link:
        link.node.failures = [DOWN]
        async with link.client.stream_messages() as stream:
            with pytest.raises(Unavailable):
                await stream.receive()
        assert link.node.asked == 1


class Counting:
    """An interceptor that notes each call."""

    def __init__(self, seen: list[str]) -> None:
        self._seen = seen

    async def __call__(self, method: AnyMethod, head: CallHead, proceed: Callable[[CallHead], Awaitable[T]]) -> T:
        self._seen.append(method.name)
        return await proceed(head)


@pytest.mark.parametrize("wire", WIRES)
async def test_an_interceptor_sees_one_call(wire: str, tmp_path: Path) -> None:
    node = Node("node")
    seen: list[str] = []

    with anyio.fail_after(20):
        async with serve([node], address(wire, tmp_path), config=ServerConfig(drain_grace_s=0)) as server:
            config = ClientConfig(retry=POLICY)
            async with connect(server.endpoints[0], config=config, interceptors=[Counting(seen)]) as channel:
                node.failures = [DOWN, DOWN]
                await TransportClient(channel).heartbeat(HeartbeatRequest())
    assert seen == ["Heartbeat"]
    assert node.asked == 3
