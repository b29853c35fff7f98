"""A wire that is stacked: a carrier, layers over it, and the protocols that are spoken inside."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import anyio

from eventflux_runtime.carrier.api import Carrier, CarrierListener, Pipe, PipeLayer, UpgradeLayer
from eventflux_runtime.net.connecting import connecting
from eventflux_runtime.protocol.acceptor import Acceptor
from eventflux_runtime.protocol.api import (
    ClientConnection,
    Dispatcher,
    FrontProtocol,
    Offer,
    ServingProtocol,
    StreamProtocol,
)
from eventflux_runtime.rpc.config import ClientConfig, ServerConfig
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.rpc_error import Unavailable
from eventflux_runtime.rpc.stats import EndpointStats
from eventflux_runtime.wire.upgrade import Upgrader

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor

__all__ = ["Inner", "StackedListener", "StackedWire"]


_LOST: Final = (ConnectionError, ssl.SSLEOFError, Unavailable)
"""What a handshake fails with whose connection is lost."""


class Inner(NamedTuple):
    """What is spoken above the layers."""

    protocol: StreamProtocol
    upgrade: UpgradeLayer | None
    """What a request of HTTP/1 leads to, with the protocol inside; None: the protocol is spoken as it is."""

    @property
    def alpn(self) -> str:
        """What a layer below sees of it."""
        return self.protocol.alpn if self.upgrade is None else self.upgrade.alpn


class StackedWire:
    """A `Wire`. Clients speak the first of what is inside; a listener answers peers of each."""

    def __init__(
        self,
        carrier: Carrier,
        layers: Sequence[PipeLayer],
        inner: Sequence[Inner],
        guests: Sequence[ServingProtocol],
        front: FrontProtocol | None,
    ) -> None:
        self._carrier = carrier
        self._layers = layers
        self._inner = inner
        self._guests = guests
        self._front = front

    async def open(self, endpoint: Endpoint, config: ClientConfig, reactor: Reactor) -> ClientConnection:
        """See `Wire.open`."""
        inner = self._inner[0]
        alpn = (inner.alpn,)
        upgrades = [layer.of_client(endpoint, config, alpn) for layer in self._layers]
        if inner.upgrade is not None:
            upgrades.append(inner.upgrade.of_client(endpoint, config))

        async def greet(pipe: Pipe) -> ClientConnection:
            for upgrade in upgrades:
                pipe = await upgrade(pipe, reactor)
            return await inner.protocol.connect(pipe, endpoint, config, reactor)

        timeout_s = config.connect_timeout_s
        with connecting(endpoint, timeout_s, f"connect_timeout_s={timeout_s:g}"):
            try:
                return await greet(await self._carrier.connect(endpoint, config, alpn, reactor))
            except ConnectionRefusedError:
                raise
            except _LOST:
                # A server that drains hangs up on whom it has not greeted. Another one may listen there already.
                return await greet(await self._carrier.connect(endpoint, config, alpn, reactor))

    def _alpn(self, config: ServerConfig) -> tuple[str, ...]:
        """What may be spoken inside TLS, what is preferred first.

        HTTP/1 comes last, because clients of gRPC may offer it as well. Where there are pages it comes first: browsers
        offer HTTP/2 too, in which no pages are shown here.
        """
        names = dict.fromkeys(inner.alpn for inner in self._inner)
        if self._front is None:
            return tuple(names)
        names.pop(self._front.alpn, None)
        has_pages = config.web is not None and len(config.web.pages) > 0
        return (self._front.alpn, *names) if has_pages else (*names, self._front.alpn)

    async def listen(
        self, endpoint: Endpoint, config: ServerConfig, dispatcher: Dispatcher, reactor: Reactor
    ) -> StackedListener:
        """See `Wire.listen`."""
        alpn = self._alpn(config)
        upgrades = [layer.of_server(config, alpn) for layer in self._layers]
        direct = [inner.protocol for inner in self._inner if inner.upgrade is None]
        offers = [
            Offer(endpoint.path or "/", inner.upgrade.token, inner.upgrade.of_server(config), inner.protocol)
            for inner in self._inner
            if inner.upgrade is not None
        ]
        acceptor = Acceptor(endpoint, config, dispatcher, reactor, (*direct, *self._guests), self._front, offers)
        carried = await self._carrier.bind(endpoint, config, alpn, reactor)
        acceptor.endpoint = carried.endpoint
        upgrader: Upgrader | None = None
        if upgrades:
            upgrader = Upgrader(self._layers[-1].name, upgrades, acceptor, config, reactor)
        listener = StackedListener(carried, upgrader, acceptor)
        try:
            carried.start(acceptor.accept if upgrader is None else upgrader.accept)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await listener.aclose()
            raise
        return listener


class StackedListener:
    """A `Listener`."""

    def __init__(self, carried: CarrierListener, upgrader: Upgrader | None, acceptor: Acceptor) -> None:
        self._carried = carried
        self._upgrader = upgrader
        self._acceptor = acceptor

    @property
    def endpoint(self) -> Endpoint:
        """See `Listener.endpoint`."""
        return self._carried.endpoint

    @property
    def active_calls(self) -> int:
        """See `Listener.active_calls`."""
        return self._acceptor.active_calls

    def stats(self) -> EndpointStats:
        """See `Listener.stats`."""
        acceptor = self._acceptor
        return EndpointStats(
            endpoint=str(self.endpoint),
            connections=acceptor.connections,
            accepted=acceptor.accepted,
            refused=acceptor.refused,
            active_calls=acceptor.active_calls,
        )

    def drain(self) -> None:
        """See `Listener.drain`."""
        self._carried.stop_accepting()
        self._acceptor.drain()

    async def aclose(self) -> None:
        """See `Listener.aclose`."""
        await self._carried.aclose()
        if self._upgrader is not None:
            self._upgrader.close()
        await self._acceptor.aclose()
