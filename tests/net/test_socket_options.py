"""Socket options: what the configuration says is what the kernel says, on both sides and on every event loop."""

from __future__ import annotations

import socket
import sys
from typing import Any

import anyio
import pytest

from eventflux_runtime import ClientConfig, KeepaliveConfig, ServerConfig, SocketConfig, connect, serve
from eventflux_runtime.carrier.asyncio_pipe import AsyncioPipe
from eventflux_runtime.carrier.trio_pipe import TrioPipe
from eventflux_runtime.net.socket import apply_options, bind_tcp, connect_tcp
from eventflux_runtime.rpc.endpoint import parse_endpoint
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_transport import Message, TransportClient
from tests.support.authority import Authority
from tests.support.probe import Probe

KEEPALIVE = KeepaliveConfig(interval_s=7.0, timeout_s=6.0)
OPTIONS = SocketConfig(send_buffer_bytes=40_000, receive_buffer_bytes=50_000)
# Linux doubles what it is asked for, to have room for its own bookkeeping (socket(7)).
BUFFER_FACTOR = 2 if sys.platform == "linux" else 1


def read_back(sock: Any) -> dict[str, int]:
    def tcp(name: str) -> int:
        option: int = getattr(socket, name)
        value: int = sock.getsockopt(socket.IPPROTO_TCP, option)
        return value

    return {
        "SO_KEEPALIVE": sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
        "SO_SNDBUF": sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF),
        "SO_RCVBUF": sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF),
        "TCP_NODELAY": tcp("TCP_NODELAY"),
        "TCP_KEEPIDLE": tcp("TCP_KEEPIDLE"),
        "TCP_KEEPINTVL": tcp("TCP_KEEPINTVL"),
        "TCP_KEEPCNT": tcp("TCP_KEEPCNT"),
        "TCP_USER_TIMEOUT": tcp("TCP_USER_TIMEOUT"),
    }


EXPECTED = {
    "SO_KEEPALIVE": 1,
    "SO_SNDBUF": 40_000 * BUFFER_FACTOR,
    "SO_RCVBUF": 50_000 * BUFFER_FACTOR,
    "TCP_NODELAY": 1,
    "TCP_KEEPIDLE": 7,
    "TCP_KEEPINTVL": 2,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 13_000,
}


def raw_socket(pipe: Any) -> Any:
    if isinstance(pipe, AsyncioPipe):
        return pipe.transport.get_extra_info("socket")
    assert isinstance(pipe, TrioPipe)
    return pipe.sock


@pytest.mark.skipif(sys.platform != "linux", reason="TCP_USER_TIMEOUT and TCP_KEEPIDLE are Linux's names")
@pytest.mark.parametrize("scheme", ["tcp", "tcps"])
async def test_both_sides_of_a_connection(
    scheme: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipes: list[Any] = []

    def recording(kind: Any) -> None:
        original = kind.__init__

        def record(self: Any, *arguments: Any) -> None:
            pipes.append(self)
            original(self, *arguments)

        monkeypatch.setattr(kind, "__init__", record)

    recording(AsyncioPipe)
    recording(TrioPipe)
    authority = Authority(tmp_path_factory.mktemp("ca"))
    is_tls = scheme == "tcps"
    server_tls = authority.trusting(**authority.server().files) if is_tls else None
    server_config = ServerConfig(keepalive=KEEPALIVE, socket=OPTIONS, drain_grace_s=0, tls=server_tls)
    client_config = ClientConfig(keepalive=KEEPALIVE, socket=OPTIONS, tls=authority.trusting() if is_tls else None)
    with anyio.fail_after(10):
        async with (
            serve([Probe()], f"{scheme}://127.0.0.1:0", config=server_config) as server,
            connect(server.endpoints[0], config=client_config) as channel,
        ):
            await TransportClient(channel).send_message(Message())
            assert len(pipes) == 2
            for pipe in pipes:
                assert read_back(raw_socket(pipe)) == EXPECTED


def test_what_is_off_stays_off() -> None:
    with socket.socket() as sock, socket.socket() as untouched:
        apply_options(sock, SocketConfig(nodelay=False, keepalive=False), KEEPALIVE)
        assert read_back(sock) == read_back(untouched)
        apply_options(sock, SocketConfig(nodelay=False), None)
        assert read_back(sock) == read_back(untouched)


def test_fractions_of_a_second_become_whole_ones() -> None:
    with socket.socket() as sock:
        apply_options(sock, SocketConfig(), KeepaliveConfig(interval_s=0.1, timeout_s=0.1))
        options = read_back(sock)
    assert (options["TCP_KEEPIDLE"], options["TCP_KEEPINTVL"]) == (1, 1)
    assert options["TCP_USER_TIMEOUT"] == 200


async def test_buffers_are_set_before_the_connection_is_made() -> None:
    listening, *_ = await bind_tcp(parse_endpoint("tcp://127.0.0.1:0"), OPTIONS)
    with listening:
        port = listening.getsockname()[1]
        assert listening.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 50_000 * BUFFER_FACTOR
        endpoint = parse_endpoint(f"tcp://127.0.0.1:{port}")
        with await connect_tcp(endpoint, OPTIONS, KEEPALIVE) as client:
            await anyio.wait_readable(listening)
            accepted, _ = listening.accept()
            with accepted:
                # Nobody has touched the accepted socket: it inherited them.
                assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 50_000 * BUFFER_FACTOR
                assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 40_000 * BUFFER_FACTOR
            assert client.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 50_000 * BUFFER_FACTOR


async def test_the_next_address_is_tried_when_one_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        def found(*_: object, **__: object) -> list[Any]:
            kind = (socket.AF_INET, socket.SOCK_STREAM, 0, "")
            return [(*kind, ("127.0.0.2", 1)), (*kind, ("127.0.0.1", port))]

        monkeypatch.setattr(socket, "getaddrinfo", found)
        with await connect_tcp(parse_endpoint(f"tcp://several:{port}"), SocketConfig(), None) as sock:
            assert sock.getpeername() == ("127.0.0.1", port)


async def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        await connect_tcp(parse_endpoint(f"tcp://127.0.0.1:{port}"), SocketConfig(), None)


def test_a_buffer_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="send_buffer_bytes must be at least 1 and at most 2147483647, not 0"):
        SocketConfig(send_buffer_bytes=0)
    with pytest.raises(ConfigError, match="receive_buffer_bytes must be at least 1 and at most 2147483647, not -5"):
        SocketConfig(receive_buffer_bytes=-5)
