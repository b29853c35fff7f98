"""A wire that is stacked: a carrier, layers over it, and the protocols that are spoken inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import anyio

from eventflux_runtime.carrier.api import Carrier, CarrierListener, PipeLayer
from eventflux_runtime.net.connecting import connecting
from eventflux_runtime.protocol.acceptor import Acceptor
from eventflux_runtime.protocol.api import ClientConnection, Dispatcher, ServingProtocol, StreamProtocol
from eventflux_runtime.rpc.config import ClientConfig, ServerConfig
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.wire.upgrade import Upgrader

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor

__all__ = ["StackedListener", "StackedWire"]


class StackedWire:
    """A `Wire`. Clients speak the first of its protocols; a listener answers peers of each."""

    def __init__(
        self,
        carrier: Carrier,
        layers: Sequence[PipeLayer],
        protocols: Sequence[StreamProtocol],
        guests: Sequence[ServingProtocol],
    ) -> None:
        self._carrier = carrier
        self._layers = layers
        self._protocols = protocols
        self._guests = guests
        self._alpn = tuple(protocol.alpn for protocol in protocols)

    async def open(self, endpoint: Endpoint, config: ClientConfig, reactor: Reactor) -> ClientConnection:
        """See `Wire.open`."""
        upgrades = [layer.of_client(endpoint, config, self._alpn) for layer in self._layers]
        timeout_s = config.connect_timeout_s
        with connecting(endpoint, timeout_s, f"connect_timeout_s={timeout_s:g}"):
            pipe = await self._carrier.connect(endpoint, config, reactor)
            for upgrade in upgrades:
                pipe = await upgrade(pipe, reactor)
            return await self._protocols[0].connect(pipe, endpoint, config, reactor)

    async def listen(
        self, endpoint: Endpoint, config: ServerConfig, dispatcher: Dispatcher, reactor: Reactor
    ) -> StackedListener:
        """See `Wire.listen`."""
        upgrades = [layer.of_server(config, self._alpn) for layer in self._layers]
        acceptor = Acceptor(endpoint, config, dispatcher, reactor, (*self._protocols, *self._guests))
        carried = await self._carrier.bind(endpoint, config, reactor)
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
