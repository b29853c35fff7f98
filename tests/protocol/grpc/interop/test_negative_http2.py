"""gRPC's negative HTTP/2 cases: what our client makes of a server that goes away, breaks calls off, or allows but one.

https://github.com/grpc/grpc/blob/master/doc/negative-http2-interop-test-descriptions.md. A second client is grpcio's,
so that the server is known to do what it should.
"""

from __future__ import annotations

import asyncio

import anyio
import pytest
from anyio import to_thread
from grpc import ChannelConnectivity, aio

from eventflux_runtime import Channel, ClientConfig, Internal, PoolConfig, connect
from interop_package import TestServiceClient as Client
from tests.support.http2_script import RESPONSE, Connection, Script, Scripted, half, limit_streams, scripted
from tests.support.interop_cases import RESPONSE_BYTES, large_request
from tests.support.interop_grpcio import RAW_CASES

CALLS = 10


async def goaway(connection: Connection, stream_id: int) -> None:
    await connection.send_head(stream_id)
    await connection.send_data(stream_id, RESPONSE)
    await connection.go_away(stream_id)
    await connection.send_status(stream_id)


async def early_goaway(connection: Connection, stream_id: int) -> None:
    """Of the second call of a connection, it says that it will not look at it."""
    if stream_id == 1:
        await connection.respond(stream_id)
    else:
        await connection.go_away(1)


async def rst_after_header(connection: Connection, stream_id: int) -> None:
    await connection.send_head(stream_id)
    await connection.reset(stream_id)


async def rst_during_data(connection: Connection, stream_id: int) -> None:
    await connection.send_head(stream_id)
    await connection.send_data(stream_id, half(RESPONSE))
    await connection.reset(stream_id)


async def rst_after_data(connection: Connection, stream_id: int) -> None:
    await connection.send_head(stream_id)
    await connection.send_data(stream_id, RESPONSE)
    await connection.reset(stream_id)


async def ping(connection: Connection, stream_id: int) -> None:
    await connection.ping()
    await connection.send_head(stream_id)
    await connection.ping()
    await connection.send_data(stream_id, half(RESPONSE))
    await connection.ping()
    await connection.send_data(stream_id, RESPONSE[len(half(RESPONSE)) :])
    await connection.ping()
    await connection.send_status(stream_id)


async def max_streams(connection: Connection, stream_id: int) -> None:
    if stream_id == 1:
        limit_streams(connection, 1)
        await connection.flush()
    assert connection.h2.open_inbound_streams == 1
    await connection.respond(stream_id)


async def large_unary(client: Client) -> None:
    response = await client.unary_call(large_request(), timeout_s=30)
    assert response.payload is not None
    assert len(response.payload.body) == RESPONSE_BYTES


async def served_twice(server: Scripted) -> None:
    async with connect(server.url) as channel:
        client = Client(channel)
        await large_unary(client)
        await large_unary(client)


async def test_goaway() -> None:
    async with scripted(goaway) as server:
        await served_twice(server)
        assert [connection.requests for connection in server.connections] == [1, 1]
    assert not server.broken


async def test_goaway_that_leaves_a_call_unprocessed() -> None:
    async with scripted(early_goaway) as server:
        await served_twice(server)
        assert [connection.requests for connection in server.connections] == [2, 1]
    assert not server.broken


@pytest.mark.parametrize("script", [rst_after_header, rst_during_data, rst_after_data])
async def test_rst(script: Script) -> None:
    async with scripted(script) as server, connect(server.url) as channel:
        client = Client(channel)
        with pytest.raises(Internal, match="broke off the call"):
            await client.unary_call(large_request(), timeout_s=30)
        with pytest.raises(Internal, match="broke off the call"):
            await client.unary_call(large_request(), timeout_s=30)
        # The connection outlives the calls, and none was made twice.
        assert [connection.requests for connection in server.connections] == [2]
    assert not server.broken


async def test_rst_ends_a_stream_of_responses() -> None:
    async with (
        scripted(rst_after_data) as server,
        connect(server.url) as channel,
        Client(channel).full_duplex_call(timeout_s=30) as stream,
    ):
        await stream.end()
        with pytest.raises(Internal, match="broke off the call"):
            while True:
                await stream.receive()


async def test_ping() -> None:
    async with scripted(ping) as server:
        async with connect(server.url) as channel:
            await large_unary(Client(channel))
        with anyio.fail_after(10):
            await server.wait_left()
        assert [connection.unanswered_pings for connection in server.connections] == [0]
    assert not server.broken


async def test_max_streams_on_one_connection() -> None:
    config = ClientConfig(pool=PoolConfig(max_connections=1))
    async with scripted(max_streams) as server, connect(server.url, config=config) as channel:
        await crowd(channel)
        assert [connection.requests for connection in server.connections] == [1 + CALLS]
    assert not server.broken


async def test_max_streams_on_many_connections() -> None:
    async with scripted(max_streams, 1) as server, connect(server.url) as channel:
        await crowd(channel)
        assert sum(connection.requests for connection in server.connections) == 1 + CALLS
        assert 1 < len(server.connections) <= CALLS
    assert not server.broken


async def crowd(channel: Channel) -> None:
    """One call, from which the client learns what is allowed, and then many at a time."""
    client = Client(channel)
    await large_unary(client)
    async with anyio.create_task_group() as tasks:
        for _ in range(CALLS):
            tasks.start_soon(large_unary, client)


@pytest.mark.parametrize(("script", "at_once"), [(goaway, 1), (ping, 1), (max_streams, CALLS)])
async def test_grpcio_gets_along_with_the_script(script: Script, at_once: int) -> None:
    async with scripted(script) as server:
        address = server.url.removeprefix("grpc://")
        await to_thread.run_sync(lambda: asyncio.run(_plain(address, at_once, hears_goaway=script is goaway)))
    assert not server.broken


async def _plain(address: str, at_once: int, *, hears_goaway: bool) -> None:
    large_unary = RAW_CASES["large_unary"]
    async with aio.insecure_channel(address) as channel:
        await large_unary(channel)
        while hears_goaway and channel.get_state() is ChannelConnectivity.READY:
            # A call that crosses the GOAWAY fails, because grpcio does not make it again.
            await channel.wait_for_state_change(ChannelConnectivity.READY)
        await asyncio.gather(*[large_unary(channel) for _ in range(at_once)])
