"""Connecting to one of several addresses: a dead one neither fails the connection nor holds it up for long."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import anyio
import pytest

from eventflux_runtime import SocketConfig
from eventflux_runtime.net import dial
from eventflux_runtime.net import socket as net_socket
from eventflux_runtime.net.dial import dial_first, dial_tcp
from eventflux_runtime.rpc.endpoint import Endpoint
from tests.support.name_server import Directory
from tests.support.nodes import PATIENCE_S, raw_node

OPTIONS = SocketConfig()
NO_FAMILY = 255
"""Of addresses that no system has."""


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


async def test_the_next_address_is_tried_as_soon_as_one_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dial, "NEXT_ADDRESS_S", 60)
    async with raw_node() as node:
        with anyio.fail_after(PATIENCE_S):
            (await dial_first([refusing_endpoint(), endpoint_of(node.address)], OPTIONS, None)).close()


async def test_of_different_failures_the_first_is_told() -> None:
    elsewhere = Endpoint("tcp", "::1%nowhere", 1)
    with pytest.raises(ConnectionRefusedError):
        await dial_first([refusing_endpoint(), elsewhere], OPTIONS, None)
    with pytest.raises(socket.gaierror):
        await dial_first([elsewhere, refusing_endpoint()], OPTIONS, None)


async def test_a_silent_address_of_a_name_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dial, "resolve", Directory(both=("127.0.0.1", "127.0.0.2")).lookup)
    with silent_endpoint() as silent, socket.create_server(("127.0.0.2", silent.port)):
        with anyio.fail_after(PATIENCE_S):
            sock = await dial_tcp(replace(silent, host="both"), OPTIONS, None)
        with sock:
            assert sock.getpeername() == ("127.0.0.2", silent.port)


async def test_of_two_that_answer_at_once_one_is_kept_and_the_other_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    both = anyio.Event()
    connected: list[socket.socket] = []

    async def connect(*_: Any) -> socket.socket:
        sock = socket.socket()
        connected.append(sock)
        if len(connected) == 2:
            both.set()
        with anyio.CancelScope(shield=True):  # what has succeeded cannot be stopped any more
            await both.wait()
        return sock

    monkeypatch.setattr(dial, "NEXT_ADDRESS_S", 0)
    monkeypatch.setattr(dial, "connect_tcp", connect)
    kept = await dial_first([Endpoint("tcp", "127.0.0.1", 1)] * 2, OPTIONS, None)
    with kept:
        assert [sock.fileno() >= 0 for sock in connected] == [sock is kept for sock in connected]


async def test_a_socket_that_nobody_waits_for_any_more_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as late, anyio.CancelScope() as scope:

        async def connect(*_: Any) -> socket.socket:
            scope.cancel()
            return late

        monkeypatch.setattr(dial, "connect_tcp", connect)
        try:
            await dial_first([Endpoint("tcp", "127.0.0.1", 1)], OPTIONS, None)
        finally:
            assert late.fileno() < 0
    assert scope.cancelled_caught


async def test_an_address_whose_family_is_dead_leads_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        dead = (NO_FAMILY, ("127.0.0.1", 1))

        async def look_up(*_: Any) -> list[Any]:
            return [dead, (socket.AF_INET, server.getsockname())]

        monkeypatch.setattr(net_socket, "look_up", look_up)
        with await net_socket.connect_tcp(Endpoint("tcp", "both", 1), OPTIONS, None) as sock:
            assert sock.getpeername() == server.getsockname()
