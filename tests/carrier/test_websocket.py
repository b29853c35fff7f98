"""WebSockets between real sockets: the handshake of either side, pings, closing, and peers that keep no rule."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import anyio
import pytest
from anyio.abc import ByteStream
from anyio.streams.buffered import BufferedByteReceiveStream

from eventflux_runtime import ClientConfig, ConfigError, Peer, ServerConfig, Unavailable, WebConfig, connect, serve
from eventflux_runtime.carrier.websocket.access import Access
from eventflux_transport import HeartbeatRequest, Message, TransportClient
from tests.support.probe import Probe
from tests.support.websocket_peer import answering, connected, consent, forwarding, frame, listening, opened, request

LONG_S = 20
QUICK_S = 3.0
PREFACE = b"EFT1"
# -- who may open one


@pytest.mark.parametrize(
    ("origins", "origin", "host", "is_taken"),
    [
        ((), "https://a.example", "a.example", False),
        (("https://a.example",), "https://a.example", "x", True),
        (("https://a.example",), "http://a.example", "x", False),
        (("https://a.example",), "https://a.example:8443", "x", False),
        (("https://a.example",), "https://a.example.evil.test", "x", False),
        (("same-origin",), "https://a.example", "a.example", True),
        (("same-origin",), "https://a.example", "a.example:443", True),
        (("same-origin",), "https://A.example", "a.EXAMPLE", True),
        (("same-origin",), "https://a.example", "a.example:80", False),
        (("same-origin",), "http://127.0.0.1:7070", "127.0.0.1:7070", True),
        (("same-origin",), "http://127.0.0.1:7071", "127.0.0.1:7070", False),
        (("same-origin",), "http://[::1]:7070", "[::1]:7070", True),
        (("same-origin",), "null", "null", False),
        (("same-origin",), "http://", "", False),
        (("same-origin",), "same-origin", "x", False),
        (("same-origin", "https://b.example"), "https://b.example", "x", True),
    ],
)
def test_origins(origins: tuple[str, ...], origin: str, host: str, is_taken: bool) -> None:
    assert Access(WebConfig(origins=origins)).takes_origin(origin, host) is is_taken


@pytest.mark.parametrize(
    ("proxies", "peer", "hops", "client"),
    [
        ((), "10.0.0.1:5", ["203.0.113.7"], "10.0.0.1:5"),
        (("10.0.0.0/8",), "10.0.0.1:5", ["203.0.113.7"], "203.0.113.7"),
        (("10.0.0.0/8",), "192.0.2.1:5", ["203.0.113.7"], "192.0.2.1:5"),
        (("10.0.0.0/8",), "10.0.0.1:5", ["198.51.100.1", "203.0.113.7"], "203.0.113.7"),
        (("10.0.0.0/8",), "10.0.0.1:5", ["203.0.113.7", " 10.1.1.1"], "203.0.113.7"),
        (("10.0.0.0/8",), "10.0.0.1:5", ["203.0.113.7", "unknown"], "10.0.0.1:5"),
        (("10.0.0.0/8",), "10.0.0.1:5", ["unknown", "10.1.1.1"], "10.0.0.1:5"),
        (("10.0.0.0/8",), "10.0.0.1:5", ["203.0.113.7:4711"], "203.0.113.7"),
        (("::1",), "[::1]:5", ["[2001:db8::1]:80"], "[2001:db8::1]"),
        (("10.0.0.0/8",), "[::ffff:10.0.0.1]:5", ["2001:db8::1"], "[2001:db8::1]"),
        (("10.0.0.0/8",), "10.0.0.1:5", [], "10.0.0.1:5"),
    ],
)
def test_clients_behind_proxies(proxies: tuple[str, ...], peer: str, hops: list[str], client: str) -> None:
    access = Access(WebConfig(trusted_proxies=tuple(proxies)))
    assert access.forwarded(Peer(f"tcp+ws://{peer}"), hops).address == f"tcp+ws://{client}"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"origins": ["https://a.example/"]}, "'https://a.example/' is none: write scheme, host and port"),
        ({"origins": ["*"]}, r"origins: '\*' is none"),
        ({"trusted_proxies": ["10.0.0.1/8"]}, "trusted_proxies: 10.0.0.1/8 has host bits set"),
        ({"trusted_proxies": ["proxy"]}, "trusted_proxies: 'proxy' does not appear"),
        ({"pages": {"index": b""}}, "pages must be a dict"),
    ],
)
def test_a_wrong_configuration_is_refused_when_it_is_made(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        WebConfig(**settings)  # type: ignore[arg-type]  # that is the test


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize(
    ("asked", "status", "words"),
    [
        (request(Origin="https://evil.test"), 403, "this one is of https://evil.test: ServerConfig.web has no origins"),
        (request(Sec_WebSocket_Protocol=None), 400, "offer the subprotocol eft1.eventflux: the request has none"),
        (request(Sec_WebSocket_Protocol="chat, soap"), 400, "the request has chat, soap"),
        (request(Sec_WebSocket_Version="8"), 426, "the version of WebSocket here is 13, not 8"),
        (request(Sec_WebSocket_Key="short"), 400, "the WebSocket's handshake is wrong"),
        (request(Connection="keep-alive"), 426, "the WebSocket's handshake is wrong"),
        (request("/other"), 404, "nothing is at /other: this port serves RPC (ws)"),
        (request("/", "POST"), 405, "use GET: this port serves RPC (ws)"),
        (request(Host=None), 400, "a request has one Host, this one has 0"),
    ],
)
async def test_a_request_that_is_refused_learns_why(
    asked: bytes, status: int, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    with anyio.fail_after(LONG_S), caplog.at_level(logging.WARNING):
        async with serve([Probe()], "ws://127.0.0.1:0") as server, await connected(server.endpoints[0]) as client:
            await client.send(asked)
            head = await client.head()
            body = (await client.rest()).decode()
    assert head.startswith(f"HTTP/1.1 {status} ")
    assert words in body
    assert "Connection: close" in head
    assert ("Upgrade: websocket" in head) is (status == 426)
    assert ("Sec-WebSocket-Version: 13" in head) is ("not 8" in words)
    assert (status in {404, 405}) is (words not in caplog.text)


async def test_pages_of_listed_origins_connect() -> None:
    config = ServerConfig(web=WebConfig(origins=("https://a.example", "same-origin")), drain_grace_s=0)
    with anyio.fail_after(LONG_S):
        async with serve([Probe()], "ws://127.0.0.1:0/rpc", config=config) as server:
            url = server.endpoints[0]
            for origin in ("https://a.example", "http://node.test"):
                async with await opened(url, "/rpc", Origin=origin):
                    pass
            async with await connected(url) as client:
                await client.send(request("/rpc", Origin="https://b.example"))
                assert "403" in await client.head()
                assert b"is not among WebConfig.origins" in await client.rest()


async def test_a_handler_knows_the_client_behind_a_proxy() -> None:
    """The proxy is one of ours that adds the header; a client that is none is not believed."""
    service = Probe()
    for proxies, address in ((["127.0.0.0/8"], "ws://203.0.113.7"), (["192.0.2.1"], "ws://127.0.0.1:")):
        config = ServerConfig(web=WebConfig(trusted_proxies=tuple(proxies)), drain_grace_s=0)
        with anyio.fail_after(LONG_S):
            async with serve([service], "ws://127.0.0.1:0", config=config) as server:
                field = "X-Forwarded-For: 198.51.100.1, 203.0.113.7"
                async with forwarding(server.endpoints[0], field) as url, connect(url) as channel:
                    await TransportClient(channel).send_message(Message.event(b"x"))
        assert service.contexts[-1].peer.address.startswith(address)


# -- what a client makes of other answers


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "closed the connection in the WebSocket handshake: check scheme and port"),
        (b"EFT1\x00\x00\x00\x00\x00\x00\x00\x00", "it answers b'EFT1.*, which is not WebSocket's handshake"),
        (
            b"HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\n\r\nno\x07 you",
            "refuses the WebSocket with 403 Forbidden: no +you",
        ),
        (
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
            "404 Not Found; is /rpc the path of the WebSocket there",
        ),
        (
            b"HTTP/1.1 301 Moved\r\nLocation: ws://x.test/\r\nContent-Length: 0\r\n\r\n",
            "on to ws://x.test/ .301., which",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", "200 OK; it is a web server: check path and port"),
        (
            b"HTTP/1.1 500 Oops\r\nContent-Length: 600000\r\n\r\n" + b"x" * 600000,
            "it answers 'HTTP/1.1 500 Oops' and no more",
        ),
        (b"HTTP/1.1 500 Oops\r\n" + b"a: b\r\n" * 5000, "head of its answer is longer than 16384 bytes"),
        (b"HTTP/1.1 502 Bad", "it answers 'HTTP/1.1 502 Bad' and no more"),
        (consent(b"Sec-WebSocket-Key: another"), "its WebSocket handshake is wrong"),
        (consent, "its WebSocket does not speak eft1.eventflux: check path and port"),
        (lambda head: consent(head, "Sec-WebSocket-Protocol: chat"), "its WebSocket handshake is wrong: .*chat"),
        (lambda head: consent(head, "Sec-WebSocket-Extensions: permessage-deflate"), "handshake is wrong: .*extension"),
    ],
)
async def test_a_client_says_what_kept_it_out(answer: bytes | Callable[[bytes], bytes], words: str) -> None:
    with anyio.fail_after(LONG_S):
        async with answering(answer) as address, connect(f"ws://{address}/rpc") as channel:
            with pytest.raises(Unavailable, match=words) as caught:
                await TransportClient(channel).heartbeat(HeartbeatRequest())
    assert caught.value.message.startswith(f"cannot connect to ws://{address}/rpc: ")


async def test_an_answer_that_does_not_come_is_bounded_by_the_time_to_connect() -> None:
    config = ClientConfig(connect_timeout_s=0.2)
    with anyio.fail_after(LONG_S):
        async with (
            answering(b"HTTP/1.1 101", stays=True) as address,
            connect(f"ws://{address}", config=config) as channel,
        ):
            with pytest.raises(Unavailable, match=r"nothing answered within connect_timeout_s=0.2"):
                await TransportClient(channel).heartbeat(HeartbeatRequest())


# -- an open one


async def test_pings_are_answered_with_their_payload_and_of_many_the_last_ones() -> None:
    with anyio.fail_after(LONG_S):
        async with serve([Probe()], "ws://127.0.0.1:0") as server, await opened(server.endpoints[0]) as client:
            await client.send(frame(9, b"hello"))
            assert await client.frame() == (10, b"hello")
            await client.send(b"".join(frame(9, b"%d" % number) for number in range(100)))
            pongs = [await client.frame()]
            while pongs[-1] != (10, b"99"):
                pongs.append(await client.frame())
    assert pongs[-16:] == [(10, b"%d" % number) for number in range(84, 100)]
    assert len(pongs) < 80


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(9, b"ping") * 3000, 1008),
        (frame(2) * 3000, 1008),
        (frame(1, b"text"), 1003),
        (frame(2, PREFACE, key=None), 1002),
        (b"\x82\xff" + (2**63).to_bytes(8, "big"), 1002),
        (frame(8, b"\x03\xe8\xff"), 1007),
    ],
)
async def test_a_client_that_breaks_the_rules_is_told_and_others_go_on(
    data: bytes, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    with anyio.fail_after(LONG_S), caplog.at_level(logging.WARNING):
        async with serve([Probe()], "ws://127.0.0.1:0") as server, connect(server.endpoints[0]) as channel:
            await TransportClient(channel).heartbeat(HeartbeatRequest())
            async with await opened(server.endpoints[0]) as client:
                await client.send(data)
                assert await client.close_code() == code
                await client.rest()
            await TransportClient(channel).heartbeat(HeartbeatRequest())
    assert "closing the WebSocket of ws://127.0.0.1:" in caplog.text


@pytest.mark.parametrize("said", [(1000, 1000), (1001, 1001), (4000, 4000), (None, None)])
async def test_a_close_frame_is_answered_by_its_like(said: tuple[int | None, int | None]) -> None:
    payload = b"" if said[0] is None else said[0].to_bytes(2, "big") + b"bye"
    with anyio.fail_after(LONG_S):
        async with serve([Probe()], "ws://127.0.0.1:0") as server, await opened(server.endpoints[0]) as client:
            await client.send(frame(8, payload) + frame(2, b"nobody reads this"))
            assert await client.frame() == (8, b"" if said[1] is None else said[1].to_bytes(2, "big"))
            assert await client.rest() == b""


async def test_a_server_that_drains_goes_away() -> None:
    config = ServerConfig(drain_grace_s=0.5)
    with anyio.fail_after(LONG_S):
        async with (
            serve([Probe()], "ws://127.0.0.1:0", config=config) as server,
            await opened(server.endpoints[0]) as client,
            anyio.create_task_group() as tasks,
        ):
            await client.send(frame(2, PREFACE))
            await client.frame()
            tasks.start_soon(server.aclose)
            assert await client.close_code() == 1001
            await client.send(frame(8, b"\x03\xe9"))
            assert await client.rest() == b""


async def test_who_never_answers_a_close_frame_holds_nobody_up() -> None:
    config = ServerConfig(drain_grace_s=0)
    with anyio.fail_after(LONG_S):
        async with (
            serve([Probe()], "ws://127.0.0.1:0", config=config) as server,
            await opened(server.endpoints[0]) as client,
        ):
            started = time.monotonic()
            await server.aclose()
            assert time.monotonic() - started < QUICK_S
            await client.rest()


async def test_a_client_says_farewell_and_waits_for_a_server_no_longer_than_it_must() -> None:
    """The server speaks the first frames of the native protocol and then reads on, but never closes."""
    seen: list[bytes] = []
    closed = anyio.Event()

    async def handle(reader: BufferedByteReceiveStream, stream: ByteStream) -> None:
        head = await reader.receive_until(b"\r\n\r\n", 65536)
        await stream.send(consent(head, "Sec-WebSocket-Protocol: eft1.eventflux"))
        hello = bytes.fromhex("45465431 0900000001 0000000000 01000000 0000 00 0000")
        await stream.send(frame(2, hello, key=None))
        try:
            while True:
                seen.append(await reader.receive())
        finally:
            closed.set()

    with anyio.fail_after(LONG_S):
        async with listening(handle) as address:
            async with connect(f"ws://{address}") as channel:
                with pytest.raises(Exception, match="does not serve"):
                    await TransportClient(channel).heartbeat(HeartbeatRequest())
                started = time.monotonic()
            assert time.monotonic() - started < QUICK_S
            await closed.wait()
    opcode, length, *key = b"".join(seen)[-8:-2]
    assert (opcode, length) == (0x88, 0x82)
    assert bytes(a ^ b for a, b in zip(b"".join(seen)[-2:], key, strict=False)) == (1000).to_bytes(2, "big")
