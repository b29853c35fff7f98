"""What a port answers in HTTP/1: health, pages, an honest line for the rest; in time, and whatever the peer does."""

from __future__ import annotations

import http.client
import logging
from typing import Any

import anyio
import pytest
from anyio.to_thread import run_sync

from eventflux_runtime import Page, PageSource, Server, ServerConfig, ServingStatus, WebConfig, connect, serve
from eventflux_runtime.net.limited_log import BURST
from eventflux_transport import HeartbeatRequest, TransportClient
from tests.support.probe import Probe
from tests.support.websocket_peer import connected, request

LONG_S = 20
SERVICE = "eventflux.transport.Transport"


async def ask(server: Server, path: str, method: str = "GET", **options: Any) -> tuple[int, bytes, dict[str, str]]:
    """By the standard library's client: status, body and fields of the answer."""

    def blocking() -> tuple[int, bytes, dict[str, str]]:
        address = server.endpoints[0].partition("://")[2].partition("/")[0]
        connection = http.client.HTTPConnection(address, timeout=LONG_S)
        try:
            connection.request(method, path, **options)
            response = connection.getresponse()
            return response.status, response.read(), dict(response.getheaders())
        finally:
            connection.close()

    return await run_sync(blocking)


@pytest.mark.parametrize("scheme", ["tcp", "grpc", "tcp+grpc+ws"])
async def test_healthz_tells_the_health_of_the_server_and_of_each_service(scheme: str) -> None:
    with anyio.fail_after(LONG_S):
        async with serve([Probe()], f"{scheme}://127.0.0.1:0") as server:
            status, body, fields = await ask(server, "/healthz")
            assert (status, body) == (200, b"SERVING\n")
            assert fields["Content-Type"].startswith("text/plain")
            assert fields["Cache-Control"] == "no-store"
            assert fields["Connection"] == "close"
            server.health.set(SERVICE, ServingStatus.NOT_SERVING)
            assert (await ask(server, "/healthz"))[0] == 200
            assert (await ask(server, f"/healthz?service={SERVICE}"))[:2] == (503, b"NOT_SERVING\n")
            server.health.set("", ServingStatus.NOT_SERVING)
            assert (await ask(server, "/healthz?service="))[:2] == (503, b"NOT_SERVING\n")
            assert (await ask(server, "/healthz?service=no.Such"))[:2] == (404, b"SERVICE_UNKNOWN\n")
            status, body, fields = await ask(server, "/healthz", "HEAD")
            assert (status, body, fields["Content-Length"]) == (503, b"", "12")


async def test_who_asks_in_a_drain_is_sent_away() -> None:
    """A client that watches the server's health keeps the drain from going on, so that there is time to ask."""
    with anyio.fail_after(LONG_S):
        async with serve([Probe()], "tcp://127.0.0.1:0", config=ServerConfig(drain_grace_s=0.5)) as server:
            client = await connected(server.endpoints[0])
            async with client:
                server.health.close()
                await client.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
                assert "503" in await client.head()


async def test_without_health_there_is_none_here_either() -> None:
    async with serve([Probe()], "tcp://127.0.0.1:0", config=ServerConfig(health=False)) as server:
        assert (await ask(server, "/healthz"))[0] == 404


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_other_requests_get_an_honest_line() -> None:
    async with serve([Probe()], "tcp+grpc+ws://127.0.0.1:0/rpc") as server:
        about = b"this port serves RPC (tcp, grpc, ws) and is no web server's; a websocket is at /rpc\n"
        assert (await ask(server, "/index.html"))[:2] == (404, b"nothing is at /index.html: " + about)
        status, body, fields = await ask(server, "/healthz", "POST", body=b"x" * 1_000_000)
        assert (status, body, fields["Allow"]) == (405, b"use GET: " + about, "GET, HEAD")
    async with serve([Probe()], "tcp://127.0.0.1:0") as server, await connected(server.endpoints[0]) as client:
        await client.send(request("/"))
        assert (await client.rest()).endswith(b"nothing is at /: this port serves RPC (tcp) and is no web server's\n")


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_pages_are_shown_and_made(caplog: pytest.LogCaptureFixture) -> None:
    made: list[int] = []

    def count() -> Page:
        made.append(len(made))
        return Page(body=b"%d" % len(made), content_type="text/plain")

    def fail() -> Page:
        raise ZeroDivisionError("secret")

    pages: dict[str, PageSource] = {
        "/": Page(body=b"<p>", headers=(("Content-Security-Policy", "default-src 'self'"),)),
        "/count": count,
        "/fail": fail,
    }
    async with serve([Probe()], "ws://127.0.0.1:0", config=ServerConfig(web=WebConfig(pages=pages))) as server:
        status, body, fields = await ask(server, "/?q=1")
        assert (status, body, fields["Content-Type"]) == (200, b"<p>", "text/html; charset=utf-8")
        assert fields["Content-Security-Policy"] == "default-src 'self'"
        assert [(await ask(server, "/count"))[1] for _ in range(2)] == [b"1", b"2"]
        status, body, _ = await ask(server, "/fail")
        assert (status, b"secret" in body) == (500, False)
        assert "the page at /fail cannot be made" in caplog.text
        assert "ZeroDivisionError: secret" in caplog.text
        for _ in range(20):
            await ask(server, "/fail")
        assert caplog.text.count("the page at /fail cannot be made") == BURST
        async with connect(server.endpoints[0]) as channel:  # the WebSocket is at the path of a page
            await TransportClient(channel).heartbeat(HeartbeatRequest())


# -- peers that take their time, or send too much


async def refused(data: bytes, config: ServerConfig | None = None, scheme: str = "tcp+ws") -> bytes:
    """What a peer gets, while another client goes on."""
    config = config or ServerConfig(drain_grace_s=0)
    async with serve([Probe()], f"{scheme}://127.0.0.1:0", config=config) as server:
        url = server.endpoints[0].replace("tcp+ws", "ws")
        async with connect(url) as channel, await connected(server.endpoints[0]) as client:
            await TransportClient(channel).heartbeat(HeartbeatRequest())
            await client.send(data)
            answer = await client.rest()
            await TransportClient(channel).heartbeat(HeartbeatRequest())
            return answer


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 2**20, 431),
        (b"GET / HTTP/9.9\r\n\r\n", 505),
        (b"GET nothing\r\n\r\n", 400),
    ],
)
async def test_a_broken_head_is_refused(data: bytes, status: int, caplog: pytest.LogCaptureFixture) -> None:
    with anyio.fail_after(LONG_S), caplog.at_level(logging.WARNING):
        assert (await refused(data)).startswith(b"HTTP/1.1 %d " % status)
    assert f"with {status}: " in caplog.text


@pytest.mark.parametrize("data", [b"GET / HT", b"GET"])
@pytest.mark.parametrize("scheme", ["tcp+ws", "ws"])
async def test_a_head_that_does_not_come_on_is_given_up(data: bytes, scheme: str) -> None:
    config = ServerConfig(drain_grace_s=0, handshake_timeout_s=0.2)
    with anyio.fail_after(LONG_S):
        answer = await refused(data, config, scheme)
    # Of three bytes nobody knows yet whom they are for, where more than HTTP/1 is spoken.
    assert answer.startswith(b"HTTP/1.1 408 ") or (data == b"GET" and scheme != "ws")


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"EFT1", b"use a ws:// URL, or have the server listen on tcp:// too"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"use a ws:// URL, or have the server listen on grpc:// too"),
        (b"\x16\x03\x01\x00", b"use a wss:// URL on both sides"),
        (b"\x00\x00\x00\x10", b"it may be an EventFlux peer"),
        (b"\xff\xfe\xfd\xfc", b"check that the address"),
    ],
)
async def test_where_only_websockets_are_spoken_others_learn_it(data: bytes, words: bytes) -> None:
    with anyio.fail_after(LONG_S):
        answer = await refused(data, scheme="ws")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert words in answer


async def test_half_a_request_does_not_hold_up_a_drain() -> None:
    with anyio.fail_after(LONG_S):
        async with (
            serve([Probe()], "tcp+ws://127.0.0.1:0", config=ServerConfig(drain_grace_s=5)) as server,
            await connected(server.endpoints[0]) as client,
        ):
            await client.send(request()[:20])
            await anyio.wait_all_tasks_blocked()
            assert await server.drain()
            assert await client.rest() == b""


async def test_requests_count_as_connections() -> None:
    config = ServerConfig(drain_grace_s=0, max_connections=1)
    with anyio.fail_after(LONG_S):
        async with serve([Probe()], "ws://127.0.0.1:0", config=config) as server:
            async with await connected(server.endpoints[0]) as client:
                await client.send(request())
                assert "101" in await client.head()
                async with await connected(server.endpoints[0]) as other:
                    assert await other.rest() == b""
            with anyio.fail_after(LONG_S):
                while True:  # the first is lost as soon as the server hears of it
                    async with await connected(server.endpoints[0]) as third:
                        await third.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
                        if b"200 OK" in await third.rest():
                            break


async def test_a_websocket_that_is_old_is_told_to_connect_anew() -> None:
    config = ServerConfig(drain_grace_s=0, max_connection_age_s=0.1)
    with anyio.fail_after(LONG_S):
        async with (
            serve([Probe()], "ws://127.0.0.1:0", config=config) as server,
            await connected(server.endpoints[0]) as client,
        ):
            await client.send(request())
            await client.head()
            assert await client.close_code() == 1001


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_who_still_sends_gets_its_answer_before_the_connection_ends() -> None:
    """A socket that is closed with bytes on their way is reset, and systems may drop what was read from it then."""
    async with serve([Probe()], "tcp://127.0.0.1:0") as server, await connected(server.endpoints[0]) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n")
        assert (await client.head()).startswith("HTTP/1.1 405 ")
        answered_at = anyio.current_time()
        for _ in range(2):
            await client.send(bytes(100_000))
        await client.rest()
        assert anyio.current_time() - answered_at > 0.4
