"""One port for every protocol at once: each peer gets its own, and each limit holds."""

from __future__ import annotations

import http.client
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import grpc
import pytest
import websockets.asyncio.client
from anyio.streams.tls import TLSAttribute
from anyio.to_thread import run_sync

from eventflux_runtime import ClientConfig, Page, ServerConfig, Unavailable, WebConfig, connect, serve
from eventflux_transport import EventRequest, HeartbeatRequest, Message, TransportClient
from eventflux_transport.transport_pb2 import HeartbeatRequest as HeartbeatRequestPb
from eventflux_transport.transport_pb2_grpc import TransportStub
from tests.support.authority import Authority
from tests.support.nodes import body_of, read_frame
from tests.support.nodes import frame as eventflux_frame
from tests.support.probe import Probe
from tests.support.websocket_peer import connected, frame, opened

LONG_S = 30
ROUNDS = 5
PAGES = {"/": Page(body=b"<p>node</p>")}
ORIGIN = "https://a.example"


@dataclass
class Port:
    """A server, and how to speak with it."""

    address: str
    authority: Authority | None
    service: Probe

    @property
    def tls(self) -> ssl.SSLContext | None:
        if self.authority is None:
            return None
        return ssl.create_default_context(cafile=self.authority.ca_file)

    @property
    def client_config(self) -> ClientConfig:
        return ClientConfig(tls=None if self.authority is None else self.authority.trusting())

    def url(self, scheme: str) -> str:
        return f"{scheme if self.authority is None else scheme + 's'}://{self.address}"


@asynccontextmanager
async def serving(authority: Authority | None, schemes: str = "tcp+grpc+ws", **options: Any) -> AsyncIterator[Port]:
    service = Probe()
    if authority is not None:
        schemes = "+".join(f"{scheme}s" for scheme in schemes.split("+"))
        options["tls"] = authority.trusting(**authority.server().files)
    options.setdefault("web", WebConfig(pages=PAGES, origins=(ORIGIN,)))
    config = ServerConfig(drain_grace_s=0, **options)
    async with serve([service], f"{schemes}://127.0.0.1:0", config=config) as server:
        yield Port(server.endpoints[0].partition("://")[2], authority, service)


@pytest.fixture(params=["plain", "tls"])
def authority(request: pytest.FixtureRequest, tmp_path: Path) -> Authority | None:
    return Authority(tmp_path) if request.param == "tls" else None


async def rpc(port: Port, scheme: str) -> None:
    async with connect(port.url(scheme), config=port.client_config) as channel:
        client = TransportClient(channel)
        for number in range(ROUNDS):
            message = Message.event(bytes(number * 50_000))
            assert await client.send_message(message) == message
        async with client.stream_events(EventRequest(node_id="forever", batch_size=1000)) as events:
            for _ in range(ROUNDS):
                await events.receive()


async def frames_of_eventflux(port: Port) -> None:
    client = await connected(port.url("tcp"), port.tls)
    async with client:
        for number in range(ROUNDS):
            await client.send(eventflux_frame(body_of(Message.event(b"%d" % number))))
            assert b"%d" % number in await read_frame(client.stream)


async def grpcio(port: Port) -> None:
    def blocking() -> None:
        if port.authority is None:
            channel = grpc.insecure_channel(port.address)
        else:
            root = Path(port.authority.ca_file).read_bytes()
            channel = grpc.secure_channel(port.address, grpc.ssl_channel_credentials(root))
        with channel:
            for _ in range(ROUNDS):
                TransportStub(channel).Heartbeat(HeartbeatRequestPb(), timeout=LONG_S)

    await run_sync(blocking)


async def http_requests(port: Port) -> None:
    def blocking() -> None:
        for path, status, body in (
            ("/healthz", 200, b"SERVING\n"),
            ("/", 200, b"<p>node</p>"),
            ("/x", 404, b"nothing"),
        ):
            connection: http.client.HTTPConnection
            if port.tls is None:
                connection = http.client.HTTPConnection(port.address, timeout=LONG_S)
            else:
                connection = http.client.HTTPSConnection(port.address, timeout=LONG_S, context=port.tls)
            connection.request("GET", path)
            response = connection.getresponse()
            assert (response.status, response.read().startswith(body)) == (status, True)
            connection.close()

    await run_sync(blocking)


async def a_browser(port: Port) -> None:
    """As far as its handshake: a page of an origin that is listed, and one of another."""
    context = port.tls
    if context is not None:
        context.set_alpn_protocols(["http/1.1"])
    async with await opened(port.url("ws"), "/", context, Origin=ORIGIN) as client:
        await client.send(frame(2, b"EFT1"))
        opcode, hello = await client.frame()
        assert (opcode, hello[:4]) == (2, b"EFT1")


PEERS: list[Callable[[Port], Any]] = [
    lambda port: rpc(port, "tcp"),
    lambda port: rpc(port, "grpc"),
    lambda port: rpc(port, "ws"),
    frames_of_eventflux,
    grpcio,
    http_requests,
    a_browser,
]


async def test_every_protocol_is_spoken_on_one_port_at_once(authority: Authority | None) -> None:
    with anyio.fail_after(LONG_S):
        async with serving(authority) as port, anyio.create_task_group() as tasks:
            for _ in range(2):
                for peer in PEERS:
                    tasks.start_soon(peer, port)


@pytest.mark.parametrize("scheme", ["tcp", "grpc", "ws"])
async def test_each_limit_holds_on_a_shared_port(scheme: str) -> None:
    limits: dict[str, Any] = {"max_calls_per_connection": 1, "max_message_bytes": 100_000}
    with anyio.fail_after(LONG_S):
        async with serving(None, **limits) as port, connect(port.url(scheme)) as channel:
            client = TransportClient(channel)
            with pytest.raises(Exception, match=r"100000|limit"):
                await client.send_message(Message.event(bytes(200_000)))
            await client.heartbeat(HeartbeatRequest())


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize(
    ("listening", "connecting", "words"),
    [
        ("tcp", "ws", "404 Not Found: nothing is at /: this port serves RPC .tcp. and is no web server's"),
        ("grpc", "ws", "404 Not Found: nothing is at /: this port serves RPC .grpc. and is no web server's"),
        ("ws", "tcp", "it answers in HTTP/1: use a ws:// URL if it takes WebSockets"),
        ("ws", "grpc", "it answers in HTTP/1: use a ws:// URL if it takes WebSockets"),
    ],
)
async def test_a_client_of_what_a_port_does_not_speak_learns_it(listening: str, connecting: str, words: str) -> None:
    with anyio.fail_after(LONG_S):
        async with serving(None, listening) as port, connect(port.url(connecting)) as channel:
            with pytest.raises(Unavailable, match=words):
                await TransportClient(channel).heartbeat(HeartbeatRequest())


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize(
    ("schemes", "has_pages", "offered", "chosen"),
    [
        ("tcp+grpc+ws", True, ["h2", "http/1.1"], "http/1.1"),  # a browser
        ("tcp+grpc+ws", False, ["h2", "http/1.1"], "h2"),  # a client of gRPC that can do both
        ("tcp+grpc+ws", True, ["h2"], "h2"),
        ("tcp+grpc+ws", True, ["eft/1"], "eft/1"),
        ("ws", False, ["http/1.1"], "http/1.1"),
        ("tcp", False, ["http/1.1"], "http/1.1"),
        ("ws", False, ["h2"], None),
    ],
)
async def test_what_is_agreed_on_in_tls(
    schemes: str, has_pages: bool, offered: list[str], chosen: str | None, tmp_path: Path
) -> None:
    pages = PAGES if has_pages else {}
    async with serving(Authority(tmp_path), schemes, web=WebConfig(pages=pages)) as port:
        context = port.tls
        assert context is not None
        context.set_alpn_protocols(offered)
        async with await connected(port.url("tcp"), context) as client:
            assert client.stream.extra(TLSAttribute.alpn_protocol, None) == chosen


@pytest.mark.parametrize("url", ["ws://127.0.0.1:0", "tcp+ws://127.0.0.1:0"])
def test_without_the_library_an_error_names_the_extra(url: str) -> None:
    program = (
        "import sys; sys.modules['websockets'] = None\n"
        "from eventflux_runtime import serve\n"
        "import anyio, eventflux_runtime\n"
        "async def main():\n"
        f"    async with serve([], {url!r}): pass\n"
        "anyio.run(main)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "MissingExtraError: the ws:// wire needs an extra: run pip install 'eventflux-transport[websocket]'" in (
        done.stderr
    )


# -- the library websockets as a client


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_client_of_another_library_gets_no_compression_and_speaks_the_native_protocol() -> None:
    """It offers permessage-deflate; the bytes are those of docs/protocol.md."""
    page = (Path(__file__).parents[2] / "docs/protocol.md").read_text()
    block = page.partition("```hex client-hello\n")[2].partition("```")[0]
    hello = bytes.fromhex("".join(line[:46].strip() for line in block.splitlines()))
    with anyio.fail_after(LONG_S):
        async with serving(None) as port:
            async with websockets.asyncio.client.connect(
                port.url("ws"), subprotocols=[websockets.Subprotocol("eft1.eventflux")], compression="deflate"
            ) as socket:
                assert socket.response is not None
                assert "Sec-WebSocket-Extensions" not in socket.response.headers
                assert socket.subprotocol == "eft1.eventflux"
                for start in range(0, len(hello), 7):  # messages are pieces of a stream
                    await socket.send(hello[start : start + 7])
                greeting = await socket.recv()
                assert isinstance(greeting, bytes)
                assert greeting[:4] == b"EFT1"
                pong = await socket.ping()
                await pong
            assert socket.close_code == 1000
