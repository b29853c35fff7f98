"""Ports of UDP that several sockets share, and from which connections get sockets of their own."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from eventflux_runtime.net.socket import bind_udp
from eventflux_runtime.net.udp import Origin, branch_off, prepare_udp
from eventflux_runtime.rpc.config import SocketConfig
from eventflux_runtime.rpc.endpoint import parse_endpoint

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems spread what comes to a port otherwise")

STRANGERS = 200
"""Fewer than what a socket holds of them."""
OPTIONS = SocketConfig()


async def listening(stack: ExitStack, port: int = 0) -> socket.socket:
    (sock,) = await bind_udp(parse_endpoint(f"quic://127.0.0.1:{port}"), OPTIONS, is_shared=True)
    prepare_udp(sock, OPTIONS)
    return stack.enter_context(sock)


@contextmanager
def client() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(10)
        yield sock


def heard_by(listeners: list[socket.socket]) -> list[int]:
    """How many of some strangers' datagrams each socket gets, of sockets on one port."""
    for _ in range(STRANGERS):
        with client() as stranger:
            stranger.sendto(b"hello", listeners[0].getsockname())
    return [count(sock) for sock in listeners]


def count(sock: socket.socket) -> int:
    got = 0
    while True:
        try:
            sock.recv(100)
        except BlockingIOError:
            return got
        got += 1


async def test_strangers_reach_whoever_listens_whatever_connections_there_are() -> None:
    with ExitStack() as stack:
        first = await listening(stack)
        port = first.getsockname()[1]
        listeners = [first]
        for _ in range(2):
            listeners.append(await listening(stack, port))
            branches = []
            for sock in listeners:
                friend = stack.enter_context(client())
                branch = stack.enter_context(branch_off(sock, Origin(friend.getsockname()), OPTIONS))
                branches.append((friend, branch))
            listeners.append(await listening(stack, port))
            heard = heard_by(listeners)
            assert sum(heard) == STRANGERS
            assert min(heard) > STRANGERS / 20, heard
            for friend, branch in branches:
                friend.sendto(b"again", ("127.0.0.1", port))
                friend.connect(branch.getsockname())
                branch.settimeout(10)
                assert branch.recv(100) == b"again"
                branch.send(b"answer")
                assert friend.recv(100) == b"answer"


async def test_a_successor_gets_a_port_that_connections_are_left_on() -> None:
    for is_shared in (True, False):
        with ExitStack() as stack, client() as friend:
            endpoint = parse_endpoint("quic://127.0.0.1:0")
            (sock,) = await bind_udp(endpoint, OPTIONS, is_shared=is_shared)
            port = sock.getsockname()[1]
            with sock:
                stack.enter_context(branch_off(sock, Origin(friend.getsockname()), OPTIONS))
            (successor,) = await bind_udp(endpoint.with_port(port), OPTIONS, is_shared=is_shared)
            stack.enter_context(successor)
            assert heard_by([successor]) == [STRANGERS]


async def test_nobody_else_may_take_a_shared_port_over() -> None:
    with ExitStack() as stack:
        sock = await listening(stack)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as thief:
            thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with pytest.raises(OSError, match="in use"):
                thief.bind(sock.getsockname())
