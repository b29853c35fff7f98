"""A server that gives a call up when its deadline has passed, before this client's own timer has run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from eventflux_runtime import Cancelled, DeadlineExceeded, connect
from interop_package import Empty
from interop_package import TestServiceClient as Client
from tests.support.http2_peer import OnCall, Peer, answering

CANCEL = 8
TIMEOUT_S = 0.02


@asynccontextmanager
async def connected(on_call: OnCall) -> AsyncIterator[Client]:
    async with (
        answering(lambda stream: Peer(stream, on_call).serve()) as port,
        connect(f"grpc://127.0.0.1:{port}") as channel,
    ):
        yield Client(channel)


async def reset(peer: Peer, stream_id: int) -> None:
    await peer.reset(stream_id, CANCEL)


async def reset_late(peer: Peer, stream_id: int) -> None:
    # Nothing else runs on this loop until the deadline has passed: the reset is there as soon as the client's timer is.
    ends_at = anyio.current_time() + TIMEOUT_S
    while anyio.current_time() < ends_at:
        pass
    await peer.reset(stream_id, CANCEL)


async def test_a_reset_behind_the_deadline_is_the_deadline() -> None:
    async with connected(reset_late) as client:
        for _ in range(5):
            with pytest.raises(DeadlineExceeded):
                await client.empty_call(Empty(), timeout_s=TIMEOUT_S)
            with pytest.raises(DeadlineExceeded):
                async with client.full_duplex_call(timeout_s=TIMEOUT_S) as stream:
                    await stream.receive()


async def test_a_reset_ahead_of_the_deadline_is_a_cancellation() -> None:
    async with connected(reset) as client:
        for timeout_s in (None, 30.0):
            with pytest.raises(Cancelled):
                await client.empty_call(Empty(), timeout_s=timeout_s)
