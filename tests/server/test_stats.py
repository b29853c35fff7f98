"""What a server tells of its calls and of the connections of each endpoint."""

from __future__ import annotations

from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from eventflux_runtime import (
    Internal,
    NotFound,
    ServerConfig,
    StatusCode,
    Unavailable,
    Unimplemented,
)
from eventflux_runtime.testing import memory_endpoint
from eventflux_transport import HeartbeatRequest, Message, TransportClient
from tests.support.nodes import body_of, frame, raw_connect, read_frame
from tests.support.observing import WatchingServer
from tests.support.probe import Probe
from tests.support.wires import WIRES, connect, linked, serve

PATH = "/eventflux.transport.Transport/"


@pytest.mark.parametrize("wire", WIRES)
async def test_calls_are_counted_by_method_and_code(wire: str, tmp_path: Path) -> None:
    async with linked(wire, tmp_path) as link:
        with anyio.fail_after(10):
            await link.client.heartbeat(HeartbeatRequest())
            for code in ("NOT_FOUND", "NOT_FOUND", "INTERNAL"):
                with pytest.raises((NotFound, Internal)):
                    await link.client.send_message(Message(headers={"do": "fail", "code": code}))
            while link.server.stats().calls.in_flight:
                await anyio.lowlevel.checkpoint()
        stats = link.server.stats()
        assert stats.methods[PATH + "Heartbeat"].ended == {StatusCode.OK: 1}
        assert stats.methods[PATH + "SendMessage"].ended == {StatusCode.NOT_FOUND: 2, StatusCode.INTERNAL: 1}
        (endpoint,) = stats.endpoints
        assert endpoint.endpoint == link.url
        if wire != "grpcio":
            assert (endpoint.connections, endpoint.accepted, endpoint.refused) == (1, 1, 0)


async def test_connections_that_are_refused_and_those_that_have_gone_are_counted() -> None:
    url = memory_endpoint()
    config = ServerConfig(max_connections=1, drain_grace_s=0)
    with anyio.fail_after(10):
        async with serve([Probe()], url, config=config) as server:
            async with connect(url) as first, connect(url) as second:
                await TransportClient(first).heartbeat(HeartbeatRequest())
                with pytest.raises(Unavailable):
                    await TransportClient(second).heartbeat(HeartbeatRequest())
            while server.stats().endpoints[0].connections:
                await anyio.lowlevel.checkpoint()
            (endpoint,) = server.stats().endpoints
    # A client whose connection is hung up on before the server has greeted it connects once more.
    assert (endpoint.accepted, endpoint.refused) == (1, 2)
    assert server.stats().calls.started == 1


async def test_calls_of_what_is_not_served_are_counted_by_themselves() -> None:
    with anyio.fail_after(10):
        async with (
            serve([], "grpc://127.0.0.1:0", config=ServerConfig(drain_grace_s=0)) as server,
            connect(server.endpoints[0]) as channel,
        ):
            with pytest.raises(Unimplemented):
                await TransportClient(channel).heartbeat(HeartbeatRequest())
            stats = server.stats()
    assert (stats.refused_calls, stats.calls.started) == (1, 0)


async def test_messages_in_eventflux_s_own_frames_are_calls_too() -> None:
    watching = WatchingServer()
    message = Message.event(b"x" * 100)
    with anyio.fail_after(10):
        async with serve([Probe()], "tcp://127.0.0.1:0", interceptors=[watching]) as server:
            stream = await raw_connect(server.endpoints[0].removeprefix("tcp://"))
            async with stream:
                await stream.send(frame(body_of(message)))
                assert await read_frame(stream) == body_of(message)
            stats = server.stats().methods[PATH + "SendMessage"]
    size = len(body_of(message))
    assert watching.seen.told == ["request", "response", "end"]
    assert (watching.seen.end.received_bytes, watching.seen.end.sent_bytes) == (size, size)
    assert (stats.ended, stats.received_bytes, stats.sent_bytes) == ({StatusCode.OK: 1}, size, size)
