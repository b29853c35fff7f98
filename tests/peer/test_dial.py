"""Connecting to one of several addresses: a dead one neither fails the connection nor holds it up for long."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import pytest

from eventflux_runtime import SocketConfig
from eventflux_runtime.endpoint import Endpoint
from eventflux_runtime.net.dial import dial_first, dial_tcp
from tests.peer.nodes import PATIENCE_S, raw_node

OPTIONS = SocketConfig()


@contextmanager
def silent_endpoint() -> Iterator[Endpoint]:
    """An address that answers nothing: with a full backlog the kernel ignores connections, as a firewall does."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        address = server.getsockname()
        fillers = [socket.socket() for _ in range(8)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        yield Endpoint("tcp", *address)
        for filler in fillers:
            filler.close()


def refusing_endpoint() -> Endpoint:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return Endpoint("tcp", *server.getsockname())


def endpoint_of(address: str) -> Endpoint:
    host, _, port = address.rpartition(":")
    return Endpoint("tcp", host, int(port))


async def test_a_silent_address_holds_nothing_up() -> None:
    async with raw_node() as node:
        with silent_endpoint() as silent, anyio.fail_after(PATIENCE_S):
            sock = await dial_first([silent, refusing_endpoint(), endpoint_of(node.address)], OPTIONS, None)
        with sock:
            assert "{}:{}".format(*sock.getpeername()) == node.address


async def test_where_none_answers_the_first_failure_says_why() -> None:
    with pytest.raises(ConnectionRefusedError):
        await dial_first([refusing_endpoint(), refusing_endpoint()], OPTIONS, None)


async def test_a_name_is_looked_up() -> None:
    async with raw_node() as node:
        port = endpoint_of(node.address).port
        with await dial_tcp(Endpoint("tcp", "localhost", port), OPTIONS, None) as sock:
            assert sock.getpeername()[1] == port
