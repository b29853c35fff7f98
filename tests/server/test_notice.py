"""The short time in which a draining gRPC server tells our clients, call by call, that they are to go elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import grpc
import pytest
from grpc import aio

from eventflux_runtime import ClientConfig, HealthClient, ServerConfig, ServingStatus, Unavailable, connect, serve
from eventflux_runtime.grpcio import listener as listener_module
from eventflux_runtime.grpcio.drain import DRAIN_NOTICES, NOTICE_KEY, DrainNotices, notice_s_of
from eventflux_runtime.grpcio.status import error_of, metadata_of
from eventflux_runtime.protocol.api import ClientConnection, ConnectionState, Listener
from eventflux_runtime.rpc.endpoint import parse_endpoint
from eventflux_runtime.rpc.rpc_error import RpcError
from eventflux_transport import HeartbeatRequest, TransportClient
from tests.support.grpc_harness import CHAT, COUNT, ECHO, HEAD, Note, Notes, connected, listening
from tests.support.probe import Probe

LONG_S = 20
NOTICE_S = 3.0


@pytest.fixture
def long_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A notice that outlasts what a test does in it."""
    monkeypatch.setattr(listener_module, "_NOTICE_S", NOTICE_S)


def end_notice(listener: Any) -> None:
    """Has a listener close at once, so that a test does not sit out the rest of the notice."""
    inner = getattr(listener, "_inner", listener)
    inner._notice_ends_at = inner._grace_s = 0.0


@asynccontextmanager
async def draining() -> AsyncIterator[tuple[Listener, ClientConnection, Notes]]:
    """A server in the time of its notice, and a connection made before."""
    notes = Notes()
    with anyio.fail_after(LONG_S):
        config = ServerConfig(drain_grace_s=LONG_S)
        async with listening(notes, config=config) as listener, connected(str(listener.endpoint)) as connection:
            await connection.unary(ECHO, Note("before"), HEAD)
            listener.drain()
            if hasattr(listener, "_thread"):
                await anyio.sleep(0.1)  # until grpcio's thread has been told
            yield listener, connection, notes
            end_notice(listener)


@pytest.mark.usefixtures("anyio_backend", "long_notice")
async def test_a_call_comes_back_unread_and_its_connection_is_given_up() -> None:
    async with draining() as (listener, connection, notes):
        with pytest.raises(Unavailable, match="never ran: the server is draining") as caught:
            await connection.unary(ECHO, Note("during"), HEAD)
        assert caught.value.unprocessed
        assert not caught.value.metadata
        assert connection.state is not ConnectionState.READY
        assert notes.received == ["before"]
        assert 0 < DRAIN_NOTICES.left_s(listener.endpoint) <= NOTICE_S


@pytest.mark.usefixtures("anyio_backend", "long_notice")
async def test_so_does_a_call_with_many_responses() -> None:
    async with draining() as (_, connection, _):
        call = connection.start(COUNT, HEAD)
        await call.send(Note("3"))
        await call.end()
        with pytest.raises(Unavailable) as caught:
            await call.receive()
        assert caught.value.unprocessed
        assert connection.state is not ConnectionState.READY


@pytest.mark.usefixtures("anyio_backend", "long_notice")
async def test_a_call_that_nobody_could_repeat_is_served() -> None:
    async with draining() as (_, connection, _):
        call = connection.start(CHAT, HEAD)
        await call.send(Note("a"))
        assert (await call.receive()).text
        assert connection.state is ConnectionState.READY
        call.cancel()


@pytest.mark.usefixtures("long_notice")
@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # grpcio's side is asyncio's
async def test_clients_that_are_not_ours_are_served() -> None:
    async with draining() as (listener, _, notes):
        async with aio.insecure_channel(listener.endpoint.address) as channel:
            call: Any = channel.unary_unary(ECHO.path)
            assert await call(ECHO.request.to_protobuf(Note("foreign")))
        assert notes.received == ["before", "foreign"]


@pytest.mark.usefixtures("anyio_backend", "long_notice")
async def test_health_is_answered() -> None:
    config = ServerConfig(drain_grace_s=LONG_S)
    with anyio.fail_after(LONG_S):
        async with (
            serve([Probe()], "grpc://127.0.0.1:0", config=config) as server,
            connect(server.endpoints[0]) as channel,
        ):
            client = HealthClient(channel)
            await client.check()
            assert await server.drain()
            assert await client.check() is ServingStatus.NOT_SERVING
            end_notice(server._listeners[0])


@pytest.mark.usefixtures("anyio_backend", "long_notice")
async def test_a_client_goes_elsewhere_while_its_first_choice_drains() -> None:
    config = ServerConfig(drain_grace_s=LONG_S)
    client_config = ClientConfig(balancer="pick_first", retry=None)
    with anyio.fail_after(LONG_S):
        async with (
            serve([Probe()], "grpc://127.0.0.1:0", config=config) as other,
            serve([Probe()], "grpc://127.0.0.1:0", config=config) as first,
            connect((first.endpoints[0], other.endpoints[0]), config=client_config) as channel,
        ):
            client = TransportClient(channel)
            for _ in range(10):
                await client.heartbeat(HeartbeatRequest())
            await first.drain()
            for _ in range(200):
                await client.heartbeat(HeartbeatRequest())
            end_notice(first._listeners[0])


def test_a_notice_holds_for_its_time() -> None:
    now = 0.0
    notices = DrainNotices(lambda: now)
    here, there = parse_endpoint("grpc://a:1"), parse_endpoint("grpc://b:1")
    assert notices.left_s(here) == 0.0
    notices.note(here, 2.0)
    now = 1.5
    assert notices.left_s(here) == 0.5
    assert notices.left_s(there) == 0.0
    now = 2.5
    assert notices.left_s(here) == 0.0
    notices.note(there, 1.0)
    assert list(notices._until) == [there], "what is over is forgotten"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("250", 0.25), ("0", 0.0), ("99999", 5.0), ("-1", 0.0), ("x", 0.0), ("9" * 5000, 0.0), ("²", 0.0)],
)
def test_a_server_is_not_believed_blindly(value: str, seconds: float) -> None:
    assert notice_s_of([("a", "b"), (NOTICE_KEY, value)]) == seconds


def test_other_failures_carry_no_notice() -> None:
    assert notice_s_of(None) is None
    assert notice_s_of([("a", "b")]) is None


def test_the_trailer_is_ours_and_not_the_applications() -> None:
    trailers = aio.Metadata((NOTICE_KEY, "250"), ("a", "b"))
    error: RpcError = error_of(aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, aio.Metadata(), trailers, "draining"))
    assert error.unprocessed
    assert error.metadata.pairs == metadata_of([("a", "b")]).pairs
