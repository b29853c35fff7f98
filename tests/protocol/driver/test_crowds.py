"""Clients whose calls all wait: what comes with them holds up nobody else."""

from __future__ import annotations

from typing import Any

import anyio
import anyio.lowlevel

from eventflux_runtime import connect, serve
from eventflux_runtime.protocol.driver.session import TURN_EVENTS
from eventflux_transport import HeartbeatRequest, TransportClient
from tests.support.hostile_calls import LINGER, call, streams
from tests.support.http2_frame import PREFACE, settings
from tests.support.target import Target

CALLS = 1000


async def test_a_crowd_of_calls_is_taken_as_its_handlers_start() -> None:
    async with serve([Target()], "grpc://127.0.0.1:0") as server:
        (listener,) = server._listeners
        acceptor: Any = listener._acceptor  # type: ignore[attr-defined]  # this wire's own
        async with connect(server.endpoints[0]) as channel:
            client = TransportClient(channel)
            await client.heartbeat(HeartbeatRequest())
            (others,) = acceptor._connections
            port = int(server.endpoints[0].rpartition(":")[2])
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                await stream.send(PREFACE + settings() + b"".join(call(number, LINGER) for number in streams(CALLS)))
                while len(acceptor._connections) < 2 or not max(one.active_calls for one in acceptor._connections):
                    await anyio.lowlevel.checkpoint()  # no event tells it, here and below
                await client.heartbeat(HeartbeatRequest())
                (crowd,) = (one for one in acceptor._connections if one is not others)
                # What was taken ahead of the other's call, up to twice a turn's, and as much while that waited.
                assert 0 < crowd.active_calls <= 5 * TURN_EVENTS
                with anyio.fail_after(20):
                    while crowd.active_calls < CALLS:
                        await anyio.lowlevel.checkpoint()
