"""A client's lanes: those that a pool opens to one address share a trunk, which goes with the last of them.

Invariants: one handshake at a time leads to a trunk, however many wait for it; nobody waits for a `Dial` that is over;
a trunk that takes no more lanes is nobody's first choice, and lives as long as those that it has.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio
from qh3.quic.connection import QuicConnection

from eventflux_runtime.carrier.quic.pipe import QuicPipe
from eventflux_runtime.carrier.quic.tls import client_configuration, client_credentials
from eventflux_runtime.carrier.quic.trunk import DONE, Trunk
from eventflux_runtime.net.client_log import CLIENT_LOG
from eventflux_runtime.net.resolve import look_up
from eventflux_runtime.net.tls import expected_name, warn_unverified
from eventflux_runtime.net.udp import Address, Origin, UdpSocket, connected_socket
from eventflux_runtime.rpc.config import ClientConfig, TlsConfig
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.peer import Peer

if TYPE_CHECKING:
    from qh3.tls import SessionTicket

    from eventflux_runtime.net.reactor import Reactor, Waiter

__all__ = ["Dial", "Lanes"]

_QUIET_S: Final = 1.0
"""Seconds of silence after which a trunk has to answer a ping before it gets another lane."""
_PING_S: Final = 1.0
"""Seconds for that answer."""
_SHARE_OF_AGE: Final = 0.5
"""Of `PoolConfig.max_age_s`: an older trunk takes no lane, so that the successors of connections that grew too old get
to whatever a balancer chooses now."""


_Key: TypeAlias = "tuple[Endpoint, ClientConfig, tuple[str, ...]]"


class Lanes:
    """The trunks of one reactor, by where they lead and with which configuration."""

    def __init__(self, reactor: Reactor) -> None:
        self._reactor: weakref.ref[Reactor] = weakref.ref(reactor)
        self._dials: dict[_Key, Dial] = {}

    async def open(self, endpoint: Endpoint, config: ClientConfig, protocols: tuple[str, ...]) -> QuicPipe:
        """A lane on the trunk that is there, or on a new one.

        Raises:
            OSError: the handshake failed; `ssl.SSLError` where it is about certificates.
            ConfigError: a file of the configuration cannot be used.
        """
        reactor = self._reactor()
        assert reactor is not None
        tls = config.tls if config.tls is not None else TlsConfig()
        warn_unverified(tls)
        key = (endpoint, config, protocols)
        while True:
            dial = self._dials.get(key)
            if dial is None or not dial.takes_lanes:
                dial = self._dials[key] = Dial(
                    endpoint, config, tls, protocols, reactor, lambda over: self._forget(key, over)
                )
            lane = await dial.lane()
            if lane is not None:
                return lane

    def _forget(self, key: _Key, dial: Dial) -> None:
        if self._dials.get(key) is dial:
            del self._dials[key]


class Dial:
    """One trunk of a client, from the look-up of its host to the last lane. A `TrunkOwner` and a `DatagramHandler`."""

    def __init__(
        self,
        endpoint: Endpoint,
        config: ClientConfig,
        tls: TlsConfig,
        protocols: tuple[str, ...],
        reactor: Reactor,
        on_over: Callable[[Dial], None],
    ) -> None:
        """A trunk that nobody has asked for yet.

        Args:
            endpoint: where it leads.
            config: the channel's.
            tls: of that.
            protocols: what may be spoken inside.
            reactor: the event loop's.
            on_over: is told when it takes no more lanes.

        Raises:
            ConfigError: a file of the configuration cannot be used.
        """
        self.takes_lanes = True
        self._endpoint = endpoint
        self._config = config
        self._tls = tls
        self._reactor = reactor
        self._on_over = on_over
        self._protocols = protocols
        self._credentials = client_credentials(tls, protocols)
        self._trunk: Trunk | None = None
        self._sock: UdpSocket | None = None
        self._began_at = reactor.now()
        self._is_dialling = False
        self._waiters: list[Waiter[None]] = []
        self._established: Waiter[None] | None = None

    async def lane(self) -> QuicPipe | None:
        """A lane, when the handshake is over; None: this trunk takes none.

        Raises:
            OSError: the handshake failed.
        """
        trunk = self._trunk
        if trunk is None or not trunk.is_established:
            await self._handshake()
            trunk = self._trunk
        elif self._reactor.now() - trunk.pulse.heard_at > _QUIET_S and not await self._answers(trunk):
            self.retire()
        if trunk is None or trunk.is_over or not self.takes_lanes:
            return None
        if not trunk.has_room or self._reactor.now() - self._began_at > _SHARE_OF_AGE * self._config.pool.max_age_s:
            self.retire()
            return None
        return trunk.open_lane()

    async def _answers(self, trunk: Trunk) -> bool:
        with anyio.move_on_after(_PING_S):
            try:
                await trunk.pulse.ping()
            except ConnectionError:
                return False
            return True
        return False

    def retire(self) -> None:
        """Takes no more lanes, and ends when there is none."""
        if self.takes_lanes:
            self.takes_lanes = False
            self._on_over(self)
        self._end_if_idle()

    def _end_if_idle(self) -> None:
        trunk = self._trunk
        if trunk is not None and not trunk.is_over and not trunk.lanes and not self._waiters:
            trunk.close(DONE)

    # -- the handshake

    async def _handshake(self) -> None:
        if not self._is_dialling:
            self._is_dialling = True
            self._reactor.spawn(self._dial)
        waiter: Waiter[None] = self._reactor.waiter()
        self._waiters.append(waiter)
        try:
            await waiter
        except BaseException:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
                if not self._waiters and (self._trunk is None or not self._trunk.lanes):
                    self._give_up()
            raise

    def _give_up(self) -> None:
        """Nobody waits for the handshake any more."""
        self.takes_lanes = False
        self._on_over(self)
        if self._trunk is not None:
            self._trunk.close(DONE)
        if self._established is not None and not self._established.done():
            self._established.set_exception(ConnectionAbortedError("nobody waits for this connection"))

    async def _dial(self) -> None:
        failure: Exception | None = None
        try:
            for family, address in await look_up(self._endpoint.host, self._endpoint.port):
                if not self.takes_lanes:
                    return
                try:
                    await self._try(family, address)
                except OSError as error:
                    failure = failure or error
                else:
                    failure = None
                    break
            else:
                failure = failure or OSError("the host has no address")
        except Exception as error:  # noqa: BLE001 - raised to whoever waits
            failure = error
        except BaseException:
            self._settle(ConnectionAbortedError("the event loop, or the channel, was closed"))
            raise
        self._settle(failure)

    def _settle(self, failure: Exception | None) -> None:
        if failure is not None:
            self.takes_lanes = False
            self._on_over(self)
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if waiter.done():
                continue
            if failure is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(failure)
        if failure is None and waiters:
            # Each takes its lane in a turn of its own; if none does, the trunk has no use.
            self._reactor.call_soon(lambda: self._reactor.call_soon(self._end_if_idle))

    async def _try(self, family: int, address: Address) -> None:
        credentials = self._credentials.current()
        tickets = credentials.client_tickets
        name = expected_name(self._tls, self._endpoint)
        place = (str(address[0]), int(address[1]), name)
        resumed = tickets.take(place)

        def keep(ticket: SessionTicket) -> None:
            tickets.keep(place, ticket, certified_until=trunk.certified_until, resumed=resumed)

        configuration = client_configuration(
            credentials,
            self._protocols,
            name,
            self._config.keepalive,
            None if resumed is None else resumed.ticket,
        )
        sock = connected_socket(family, address, self._config.socket)
        self._established = self._reactor.waiter()
        self._sock = udp = UdpSocket(sock, self._reactor, self)
        trunk = self._trunk = Trunk(
            QuicConnection(configuration=configuration, session_ticket_handler=keep),
            udp,
            self._reactor,
            self,
            Peer(str(self._endpoint)),
            CLIENT_LOG,
            self._config.max_message_bytes,
        )
        try:
            trunk.begin(Origin(address))
            await self._established
        except BaseException:
            tickets.forget(place)
            trunk.close(DONE)
            raise

    # -- what the trunk says

    def on_established(self, trunk: Trunk) -> None:
        """See `TrunkOwner.on_established`."""
        if self._established is not None and not self._established.done():
            self._established.set_result(None)

    def on_lane(self, trunk: Trunk, lane: QuicPipe) -> None:
        """See `TrunkOwner.on_lane`; a client's peer begins none."""
        lane.abort()

    def on_lane_gone(self, trunk: Trunk, lane: QuicPipe) -> None:
        """See `TrunkOwner.on_lane_gone`."""
        if not lane.has_received:
            self.retire()  # who takes no lane, as a server that is about to leave, is not asked again
        else:
            self._end_if_idle()

    def on_id(self, trunk: Trunk, connection_id: bytes, *, is_issued: bool) -> None:
        """See `TrunkOwner.on_id`: all that comes to a client's socket is of one connection."""

    def on_over(self, trunk: Trunk, error: Exception | None) -> None:
        """See `TrunkOwner.on_over`."""
        trunk.sock.close()
        if trunk is self._trunk and (trunk.is_established or self._established is None):
            self.takes_lanes = False
            self._on_over(self)
        if self._established is not None and not self._established.done():
            self._established.set_exception(
                error if error is not None else ConnectionResetError("the QUIC handshake was broken off")
            )

    # -- what the socket says

    def on_datagrams(self, sock: UdpSocket, data: bytes, size: int, origin: Origin) -> None:
        """See `DatagramHandler.on_datagrams`."""
        if self._trunk is not None and sock is self._sock:
            self._trunk.receive(data, size, origin)

    def on_batch_end(self) -> None:
        """See `DatagramHandler.on_batch_end`."""
        if self._trunk is not None:
            self._trunk.end_batch()

    def on_writable(self, sock: UdpSocket) -> None:
        """See `DatagramHandler.on_writable`."""
        if self._trunk is not None:
            self._trunk.flush()

    def on_refused(self, sock: UdpSocket, error: OSError) -> None:
        """See `DatagramHandler.on_refused`."""
        trunk = self._trunk
        if trunk is None or trunk.is_over or sock is not self._sock:
            return
        if not trunk.is_established:
            trunk.lose(error)
        else:
            trunk.pulse.suspect(error)
