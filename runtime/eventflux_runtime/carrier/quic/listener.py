"""A listening QUIC port: whose datagram it is, who may begin a connection, and what is left when the port is given up.

A stranger has to show first that he receives what is sent to his address, by a token (RFC 9000, 8.1.2). That costs one
round trip for a QUIC connection, which all connections of a pool share, and this side nothing that stays, whoever's
addresses somebody forges. Only long datagrams are answered, each by one that is shorter, so nobody gets more than was
sent in his name.

Invariants: every trunk stands in `_trunks` until it is over, and each of its ids leads to it until then; a trunk
without a lane has an alarm.
"""

from __future__ import annotations

import logging
import os
import socket
import ssl
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from qh3.quic.connection import QuicConnection
from qh3.quic.packet import encode_quic_retry, encode_quic_version_negotiation

from eventflux_runtime.carrier.api import Pipe
from eventflux_runtime.carrier.quic.first import (
    FIRST_BYTES,
    ID_BYTES,
    VERSION,
    FirstPacket,
    RetryTokens,
    read_first,
    short_id,
)
from eventflux_runtime.carrier.quic.pipe import QuicPipe
from eventflux_runtime.carrier.quic.tls import Credentials, server_configuration
from eventflux_runtime.carrier.quic.trunk import DONE, REFUSED, Trunk
from eventflux_runtime.net.limited_log import LimitedLog
from eventflux_runtime.net.resolve import shown_url
from eventflux_runtime.net.tls import TlsSource, explain_tls
from eventflux_runtime.net.udp import Origin, UdpSocket, branch_off
from eventflux_runtime.net.wheel import Alarm
from eventflux_runtime.rpc.config import ServerConfig
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.peer import Peer

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor

__all__ = ["QuicListener"]

_MIN_FIRST_ID_BYTES: Final = 8
"""Of the destination that a client chooses (RFC 9000, 7.2)."""

_log: Final = logging.getLogger("eventflux_runtime.server")


class QuicListener:
    """A `CarrierListener`, the `TrunkOwner` of what it lets in, and the `DatagramHandler` of its sockets.

    Owns the sockets.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        sockets: list[socket.socket],
        config: ServerConfig,
        source: TlsSource[Credentials],
        protocols: tuple[str, ...],
        reactor: Reactor,
    ) -> None:
        """A listener that reads nothing yet.

        Args:
            endpoint: as it is bound.
            sockets: bound, prepared, and not blocking.
            config: the server's.
            source: what it shakes hands with.
            protocols: what may be spoken inside.
            reactor: the event loop's.
        """
        self.endpoint = endpoint
        self._sockets = sockets
        self._config = config
        self._source = source
        self._protocols = protocols
        self._reactor = reactor
        self._log = LimitedLog(_log, reactor.now)
        self._tokens = RetryTokens(source.current().secret)
        self._ports: list[UdpSocket] = []
        self._trunks: dict[Trunk, set[bytes]] = {}
        self._by_id: dict[bytes, Trunk] = {}
        self._alarms: dict[Trunk, Alarm] = {}
        self._touched: set[Trunk] = set()
        self._is_stopped = False
        self._on_pipe: Callable[[Pipe], None]

    def start(self, on_pipe: Callable[[Pipe], None]) -> None:
        """See `CarrierListener.start`."""
        self._on_pipe = on_pipe
        for sock in self._sockets:
            self._ports.append(UdpSocket(sock, self._reactor, self))

    # -- datagrams

    def on_datagrams(self, sock: UdpSocket, data: bytes, size: int, origin: Origin) -> None:
        """See `DatagramHandler.on_datagrams`."""
        if len(data) <= size:
            self._on_datagram(sock, data, origin)
            return
        first = short_id(data)
        if first is not None and all(short_id(data, at) == first for at in range(size, len(data), size)):
            self._give(self._by_id.get(first), sock, data, size, origin)
            return
        for at in range(0, len(data), size):
            self._on_datagram(sock, data[at : at + size], origin)

    def _on_datagram(self, sock: UdpSocket, data: bytes, origin: Origin) -> None:
        connection_id = short_id(data)
        if connection_id is not None:
            self._give(self._by_id.get(connection_id), sock, data, len(data), origin)
            return
        first = read_first(data)
        if first is None:
            return
        trunk = self._by_id.get(first.destination)
        if trunk is None and len(data) >= FIRST_BYTES:
            trunk = self._admitted(first, sock, origin)
        self._give(trunk, sock, data, len(data), origin)

    def _give(self, trunk: Trunk | None, sock: UdpSocket, data: bytes, size: int, origin: Origin) -> None:
        if trunk is None:
            return
        if trunk.sock is sock:
            if trunk.origin is not None:
                trunk.origin = origin
        elif trunk.origin is not None or trunk.address != origin.address:
            self._move(trunk, sock, origin)
        self._touched.add(trunk)
        trunk.receive(data, size, origin)

    def _move(self, trunk: Trunk, sock: UdpSocket, origin: Origin) -> None:
        """A client writes from elsewhere, to a port of all. qh3 sends but questions there until they are answered."""
        if trunk.origin is None:
            trunk.sock.close()
        trunk.sock, trunk.origin = sock, origin

    def on_batch_end(self) -> None:
        """See `DatagramHandler.on_batch_end`."""
        touched, self._touched = self._touched, set()
        for trunk in touched:
            trunk.end_batch()

    def on_writable(self, sock: UdpSocket) -> None:
        """See `DatagramHandler.on_writable`."""
        for trunk in list(self._trunks):
            if trunk.sock is sock:
                trunk.flush()

    def on_refused(self, sock: UdpSocket, error: OSError) -> None:
        """See `DatagramHandler.on_refused`; what the system says of a port of all is of no use."""
        for trunk in [trunk for trunk in self._trunks if trunk.sock is sock and trunk.origin is None]:
            trunk.pulse.suspect(error)

    # -- strangers

    def _admitted(self, first: FirstPacket, sock: UdpSocket, origin: Origin) -> Trunk | None:
        """The trunk of somebody who begins a connection; None: he was answered otherwise, or not at all."""
        if first.version != VERSION:
            if first.version:
                sock.send([encode_quic_version_negotiation(first.destination, first.source, [VERSION])], origin)
            return None
        if not first.is_initial or len(first.destination) < _MIN_FIRST_ID_BYTES:
            return None
        credentials = self._source.current()
        self._tokens.use(credentials.secret)
        if not first.token:
            self._ask_to_retry(first, sock, origin)
            return None
        if self._is_stopped:
            return None
        original = self._tokens.original_of(first.token, origin.address, first.destination, time.time())
        if original is None:
            return None  # a client does not retry a second time
        if len(self._trunks) >= self._config.max_connections:
            limit = self._config.max_connections
            self._log.warning("refused a connection on %s: max_connections (%d) are open", self.endpoint, limit)
            return None
        return self._begin(original, credentials, first, sock, origin)

    def _ask_to_retry(self, first: FirstPacket, sock: UdpSocket, origin: Origin) -> None:
        chosen = os.urandom(ID_BYTES)
        token = self._tokens.make(origin.address, first.destination, chosen, time.time())
        sock.send([encode_quic_retry(VERSION, chosen, first.source, first.destination, token)], origin)

    def _begin(
        self, original: bytes, credentials: Credentials, first: FirstPacket, sock: UdpSocket, origin: Origin
    ) -> Trunk:
        quic = QuicConnection(
            configuration=server_configuration(credentials, self._protocols, self._config.keepalive),
            original_destination_connection_id=original,
            retry_source_connection_id=first.destination,
            session_ticket_fetcher=credentials.server_tickets.take,
            session_ticket_handler=credentials.server_tickets.keep,
        )
        peer = Peer(shown_url(self.endpoint.scheme, origin.address))
        trunk = Trunk(quic, sock, self._reactor, self, peer, self._log, self._config.max_message_bytes)
        trunk.origin = origin
        self._trunks[trunk] = set()
        for connection_id in (first.destination, quic.host_cid):
            self.on_id(trunk, connection_id, is_issued=True)
        self._expect_lane(trunk)
        if self._config.reuse_port:
            # When the number of sockets that share a port changes, the kernel spreads all peers anew, but those of
            # connected sockets.
            self._give_own_socket(trunk)
        return trunk

    # -- what trunks say

    def on_established(self, trunk: Trunk) -> None:
        """See `TrunkOwner.on_established`."""

    def on_lane(self, trunk: Trunk, lane: QuicPipe) -> None:
        """See `TrunkOwner.on_lane`."""
        self._discard_alarm(trunk)
        if self._is_stopped:
            lane.abort()
        else:
            self._on_pipe(lane)

    def on_lane_gone(self, trunk: Trunk, lane: QuicPipe) -> None:
        """See `TrunkOwner.on_lane_gone`."""
        if not trunk.lanes and not trunk.is_over:
            if self._is_stopped:
                trunk.close(DONE, "the server is leaving")
            else:
                self._expect_lane(trunk)

    def on_id(self, trunk: Trunk, connection_id: bytes, *, is_issued: bool) -> None:
        """See `TrunkOwner.on_id`."""
        ids = self._trunks.get(trunk)
        if ids is None:
            return
        if is_issued:
            ids.add(connection_id)
            self._by_id[connection_id] = trunk
        else:
            ids.discard(connection_id)
            self._by_id.pop(connection_id, None)

    def on_over(self, trunk: Trunk, error: Exception | None) -> None:
        """See `TrunkOwner.on_over`."""
        for connection_id in self._trunks.pop(trunk, ()):
            self._by_id.pop(connection_id, None)
        self._touched.discard(trunk)
        self._discard_alarm(trunk)
        if trunk.origin is None:
            trunk.sock.close()
        if error is not None and not trunk.is_established:
            reason = explain_tls(error, "the client") if isinstance(error, ssl.SSLError) else error
            self._log.warning("the QUIC handshake with %s failed: %s", trunk.peer.address, reason)
        if self._is_stopped and not self._trunks:
            self._close_ports()

    def _expect_lane(self, trunk: Trunk) -> None:
        now = self._reactor.now()
        alarm = Alarm(now + self._config.handshake_timeout_s, lambda: self._on_idle(trunk))
        self._alarms[trunk] = alarm
        self._reactor.wheel.add(alarm, now)

    def _discard_alarm(self, trunk: Trunk) -> None:
        alarm = self._alarms.pop(trunk, None)
        if alarm is not None:
            self._reactor.wheel.discard(alarm)

    def _on_idle(self, trunk: Trunk) -> None:
        self._alarms.pop(trunk, None)
        if not trunk.lanes:
            trunk.close(DONE, "nothing was asked for within handshake_timeout_s")

    # -- the end

    def _give_own_socket(self, trunk: Trunk) -> bool:
        """A socket that takes what comes from this peer; False: the system has none."""
        if trunk.origin is None:
            return True
        try:
            sock = branch_off(trunk.sock.sock, trunk.origin, self._config.socket)
        except OSError as error:
            self._log.warning("a connection on %s gets no socket of its own: %s", self.endpoint, error)
            return False
        trunk.address = trunk.origin.address
        trunk.sock = UdpSocket(sock, self._reactor, self)
        trunk.origin = None
        return True

    def stop_accepting(self) -> None:
        """See `CarrierListener.stop_accepting`.

        Connections that are there go on, each with a socket of its own. What cannot have one keeps the port.
        """
        if self._is_stopped:
            return
        self._is_stopped = True
        for trunk in list(self._trunks):
            if not trunk.is_established:
                trunk.close(REFUSED, "the server is leaving")
            elif not trunk.lanes:
                trunk.close(DONE, "the server is leaving")
        if all([self._give_own_socket(trunk) for trunk in self._trunks]):  # noqa: C419 - each is to get one
            self._close_ports()

    def _close_ports(self) -> None:
        for sock in self._sockets[len(self._ports) :]:  # those that were never read
            sock.close()
        self._sockets = self._sockets[: len(self._ports)]
        for port in self._ports:
            if not port.is_closed:
                port.read()  # what came before the sockets of their own
                port.close()

    async def aclose(self) -> None:
        """See `CarrierListener.aclose`. Trunks end with their last lane, and the sockets with them."""
        self.stop_accepting()
