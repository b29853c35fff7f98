"""The life of a connection: that it does not come about, how it is lost, and what its calls say then."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace

import anyio
import pytest
from anyio.abc import SocketStream

from eventflux_runtime.grpcio.option import channel_options
from eventflux_runtime.protocol.api import ConnectionState
from eventflux_runtime.rpc.config import ClientConfig, KeepaliveConfig, TlsConfig
from eventflux_runtime.rpc.endpoint import parse_endpoint
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.rpc_error import RpcError, Unavailable
from tests.support.grpc_harness import (
    CHAT,
    ECHO,
    HEAD,
    Note,
    Notes,
    closed,
    connected,
    listening,
    remaining_head,
)
from tests.support.http2_peer import INTERNAL_ERROR, REFUSED_STREAM, Peer, answering, misbehaving

pytestmark = pytest.mark.usefixtures("anyio_backend")

LONG_S = 10


async def refusal(url: str, config: ClientConfig | None = None) -> str:
    """Why a connection does not come about."""
    with pytest.raises(Unavailable) as caught, anyio.fail_after(LONG_S):
        async with connected(url, config):
            pass
    assert str(caught.value).startswith(f"UNAVAILABLE: cannot connect to {url}: ")
    return caught.value.message


async def test_a_refused_connection_says_so() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        assert "Connection refused" in await refusal(f"grpcio://127.0.0.1:{port}")


async def test_a_server_that_never_answers_says_so() -> None:
    async with answering(lambda _: anyio.sleep_forever()) as port:
        text = await refusal(f"grpcio://127.0.0.1:{port}", ClientConfig(connect_timeout_s=0.5))
    assert "no answer within connect_timeout_s=0.5; is it right" in text


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"])
async def test_a_server_of_another_protocol_is_no_connection(answer: bytes) -> None:
    async def greet(stream: SocketStream) -> None:
        await stream.send(answer)
        await stream.aclose()

    async with answering(greet) as port:
        await refusal(f"grpcio://127.0.0.1:{port}")


async def test_tls_to_a_plaintext_server_is_no_connection() -> None:
    async with listening(Notes()) as listener:
        assert "TLS on both sides or neither" in await refusal(f"grpcios://127.0.0.1:{listener.endpoint.port}")


async def test_nothing_skips_verification() -> None:
    config = ClientConfig(tls=TlsConfig(insecure_skip_verify=True))
    with pytest.raises(ConfigError, match="grpcio cannot skip verification: give TlsConfig.ca_file"):
        async with connected("grpcios://127.0.0.1:1", config):
            pass


@pytest.mark.parametrize("balancer", ["pick_first", "round_robin", "least_loaded"])
async def test_grpcios_own_resolver_and_balancer(balancer: str) -> None:
    config = ClientConfig(balancer=balancer)  # type: ignore[arg-type] # parametrize loses the literal
    async with (
        listening(Notes()) as listener,
        connected(f"grpc+dns:///localhost:{listener.endpoint.port}", config) as connection,
    ):
        assert await connection.unary(ECHO, Note("a"), HEAD) == Note("a")
        await listener.aclose()
        with pytest.raises(RpcError), anyio.fail_after(LONG_S):
            while True:
                await connection.unary(ECHO, Note("a"), HEAD)
        assert connection.state is ConnectionState.READY


async def test_a_name_resolved_by_grpcio_that_leads_nowhere() -> None:
    with pytest.raises(Unavailable, match="cannot connect to grpc.dns:///nowhere"):
        async with connected("grpc+dns:///nowhere.invalid:1", ClientConfig(connect_timeout_s=2)):
            pass


async def test_a_host_name_is_one_address_of_the_pool() -> None:
    async with listening(Notes(), "grpcio://localhost:0") as listener, connected(str(listener.endpoint)) as connection:
        assert await connection.unary(ECHO, Note("a"), HEAD) == Note("a")


async def test_an_idle_connection_notices_that_its_server_is_gone() -> None:
    async with listening(Notes()) as listener, connected(str(listener.endpoint)) as connection:
        await connection.unary(ECHO, Note("a"), HEAD)
        await listener.aclose()
        await closed(connection)
        with pytest.raises(Unavailable) as caught:
            await connection.unary(ECHO, Note("a"), HEAD)
        assert caught.value.unprocessed


async def test_a_server_that_drains_lets_calls_end_and_takes_no_new_one() -> None:
    notes = Notes()
    async with listening(notes) as listener, connected(str(listener.endpoint)) as connection:
        call = connection.start(CHAT, HEAD)
        await call.send(Note("a"))
        await call.receive()
        listener.drain()
        listener.drain()
        with anyio.fail_after(LONG_S):
            while connection.state is ConnectionState.READY:
                await anyio.lowlevel.checkpoint()
        assert connection.state is ConnectionState.DRAINING
        await call.send(Note("b"))
        assert await call.receive() == Note("b")
        await call.end()
        with pytest.raises(anyio.EndOfStream):
            await call.receive()
        await closed(connection)
        await refusal(str(listener.endpoint))


async def lose(peer: Peer, _: int) -> None:
    """Hangs up."""
    await peer.stream.aclose()


async def refuse(peer: Peer, stream_id: int) -> None:
    """Says that the call was not looked at."""
    await peer.reset(stream_id, REFUSED_STREAM)


async def break_down(peer: Peer, stream_id: int) -> None:
    """Fails in mid-call."""
    await peer.reset(stream_id, INTERNAL_ERROR)


@pytest.mark.parametrize(
    ("misbehaviour", "code"),
    [(lose, "UNAVAILABLE"), (refuse, "UNAVAILABLE"), (break_down, "INTERNAL")],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_a_call_that_left_is_never_called_unprocessed(
    misbehaviour: Callable[[Peer, int], Awaitable[None]], code: str
) -> None:
    async with misbehaving(misbehaviour) as url:
        for kind in ("unary", "streaming"):
            async with connected(url) as connection:
                with pytest.raises(RpcError) as caught, anyio.fail_after(LONG_S):
                    if kind == "unary":
                        await connection.unary(ECHO, Note("a"), remaining_head(LONG_S))
                    else:
                        await connection.start(CHAT, remaining_head(LONG_S)).receive()
                assert caught.value.code.name == code
                assert not caught.value.unprocessed


async def test_a_lost_connection_is_never_mended_behind_the_pools_back() -> None:
    connections = 0

    async def count(stream: SocketStream) -> None:
        nonlocal connections
        connections += 1
        await Peer(stream, lose).serve()

    async with answering(count) as port, connected(f"grpcio://127.0.0.1:{port}") as connection:
        with pytest.raises(Unavailable):
            await connection.unary(ECHO, Note("a"), HEAD)
        await closed(connection)
        for _ in range(3):
            with pytest.raises(Unavailable):
                await connection.unary(ECHO, Note("a"), HEAD)
    assert connections == 1


async def test_keepalive_notices_a_server_that_fell_silent() -> None:
    async def fall_silent(_: Peer, __: int) -> None:
        await anyio.sleep_forever()

    config = ClientConfig(keepalive=KeepaliveConfig(interval_s=0.3, timeout_s=0.3))
    async with misbehaving(fall_silent) as url, connected(url, config) as connection:
        with pytest.raises(Unavailable), anyio.fail_after(LONG_S):
            await connection.unary(ECHO, Note("a"), HEAD)
        await closed(connection)


async def test_our_server_bears_the_pings_of_our_client() -> None:
    config = ClientConfig(keepalive=KeepaliveConfig(interval_s=1, timeout_s=5))
    async with listening(Notes()) as listener, connected(str(listener.endpoint), config) as connection:
        await anyio.sleep(4.5)  # four pings without a call; a third would be one too many for grpcio's defaults
        assert await connection.unary(ECHO, Note("a"), HEAD) == Note("a")


async def test_nothing_of_a_closed_connection_is_held_by_what_a_caller_keeps() -> None:
    gone = anyio.Event()

    async def wait_for_the_end(stream: SocketStream) -> None:
        try:
            await Peer(stream, break_down).serve()
        finally:
            gone.set()

    async with answering(wait_for_the_end) as port:
        async with connected(f"grpcio://127.0.0.1:{port}") as connection:
            call = connection.start(CHAT, HEAD)
            with pytest.raises(RpcError) as of_stream:
                await call.receive()
            with pytest.raises(RpcError) as of_unary:
                await connection.unary(ECHO, Note("a"), HEAD)
            abandoned = connection.start(CHAT, HEAD)
            abandoned.cancel()
        with anyio.fail_after(LONG_S):
            await gone.wait()
    assert of_stream.value.code is of_unary.value.code
    assert call.status is not None
    assert abandoned.status is not None


def test_a_server_hears_the_name_that_was_asked_for() -> None:
    # Proxies choose by it.
    endpoint = replace(parse_endpoint("grpcio://10.0.0.1:7"), name="node")
    assert ("grpc.default_authority", "node:7") in channel_options(endpoint, ClientConfig())
