"""What clients send before the QUIC handshake is over: it counts when that is over, and never twice.

Our client sends nothing so early, so a bare trunk is the client here.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from eventflux_runtime.rpc.config import SocketConfig
from eventflux_runtime.rpc.peer import Peer
from tests.support.udp_relay import UdpRelay, relayed

pytest.importorskip("qh3", reason="the extra quic is not installed")

from qh3.quic.connection import QuicConnection
from qh3.tls import SessionTicket

from eventflux_runtime.carrier.quic import streams
from eventflux_runtime.carrier.quic.pipe import QuicPipe
from eventflux_runtime.carrier.quic.tls import client_configuration, client_credentials
from eventflux_runtime.carrier.quic.trunk import Trunk
from eventflux_runtime.net.client_log import CLIENT_LOG
from eventflux_runtime.net.udp import Origin, UdpSocket, connected_socket
from tests.carrier.quic.test_lanes import ALPN, SERVER, Hearer, Port, port, until


class Coming:
    """A client with a ticket, and a relay on its way. The owner of its trunks, and the handler of their sockets."""

    def __init__(self, there: Port, relay: UdpRelay) -> None:
        self.there = there
        self.relay = relay
        self.tickets: list[SessionTicket] = []
        self.trunk: Trunk

    def begin(self, data: bytes, ticket: SessionTicket | None) -> None:
        """Begins a connection, and writes at once."""
        assert self.there.config is not None
        assert self.there.config.tls is not None
        credentials = client_credentials(self.there.config.tls, ALPN).current()
        configuration = client_configuration(credentials, ALPN, "127.0.0.1", None, ticket)
        quic = QuicConnection(configuration=configuration, session_ticket_handler=self.tickets.append)
        sock = connected_socket(socket.AF_INET, self.relay.address, SocketConfig())
        udp = UdpSocket(sock, self.there.reactor, self)
        self.trunk = Trunk(quic, udp, self.there.reactor, self, Peer("relay"), CLIENT_LOG, 1000)
        self.trunk.begin(Origin(self.relay.address))
        lane = self.trunk.open_lane()
        lane.start(Hearer())
        lane.write(data)

    async def come_back(self, data: bytes) -> None:
        """Begins a connection with early data."""
        self.begin(b"", None)
        await until(lambda: self.tickets)
        self.trunk.close()
        await until(lambda: not self.there.trunks)
        self.there.pipes.clear()
        self.there.hearers.clear()
        self.relay.firsts.clear()
        self.begin(data, self.tickets.pop())

    def on_established(self, trunk: Trunk) -> None:
        pass

    def on_lane(self, trunk: Trunk, lane: QuicPipe) -> None:
        pass

    def on_lane_gone(self, trunk: Trunk, lane: QuicPipe) -> None:
        pass

    def on_id(self, trunk: Trunk, connection_id: bytes, *, is_issued: bool) -> None:
        pass

    def on_over(self, trunk: Trunk, error: Exception | None) -> None:
        trunk.sock.close()

    def on_datagrams(self, sock: UdpSocket, data: bytes, size: int, origin: Origin) -> None:
        self.trunk.receive(data, size, origin)

    def on_batch_end(self) -> None:
        self.trunk.end_batch()

    def on_writable(self, sock: UdpSocket) -> None:
        self.trunk.flush()

    def on_refused(self, sock: UdpSocket, error: OSError) -> None:
        self.trunk.lose(error)


@asynccontextmanager
async def coming(**options: Any) -> AsyncIterator[Coming]:
    async with port(replace(SERVER, **options)) as there:
        with relayed(there.url) as (relay, _):
            client = Coming(there, relay)
            yield client
            client.trunk.close()


def was_early(trunk: Trunk) -> bool:
    tls = trunk._quic.tls
    return tls is not None and tls.early_data_accepted


async def test_it_counts_when_the_handshake_is_over() -> None:
    async with coming() as client:
        await client.come_back(b"early")
        await until(lambda: client.there.hearers)
        await client.there.hearers[0].bytes(5)
        assert bytes(client.there.hearers[0].data) == b"early"
        (trunk,) = client.there.listener._trunks
        assert was_early(trunk)


async def test_it_does_not_before() -> None:
    async with coming(handshake_timeout_s=1) as client:
        await client.come_back(b"early")
        client.relay.is_deaf = True
        await until(lambda: client.there.listener._trunks)
        (trunk,) = client.there.listener._trunks
        await until(lambda: trunk._early._events)
        assert was_early(trunk)
        await until(lambda: trunk.is_over)
        assert not client.there.pipes


async def test_who_repeats_what_he_has_recorded_achieves_nothing() -> None:
    async with coming(handshake_timeout_s=1) as client:
        await client.come_back(b"early")
        await until(lambda: client.there.hearers)
        client.trunk.close()
        await until(lambda: not client.there.trunks)
        client.relay.repeat()
        await until(lambda: client.there.trunks)  # his address is proved, by the client's own token
        (trunk,) = client.there.listener._trunks
        await until(lambda: trunk.is_over)
        assert not was_early(trunk)  # the ticket was good once
        assert not trunk._early._events
        assert len(client.there.pipes) == 1


async def test_there_is_not_much_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_EARLY_BYTES", 1000)
    async with coming() as client:
        await client.come_back(bytes(5000))
        await until(lambda: client.trunk.is_over)
        assert not client.there.pipes
