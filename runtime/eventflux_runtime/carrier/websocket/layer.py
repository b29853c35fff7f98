"""WebSocket as a layer over any pipe, for clients that have nothing else, such as browsers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventflux_runtime.carrier.api import HttpRefusal, HttpUpgrade, HttpUpgraded, Pipe, Upgrade
from eventflux_runtime.carrier.websocket.access import Access
from eventflux_runtime.carrier.websocket.handshake import ClientHandshake, answer_request
from eventflux_runtime.carrier.websocket.opening import ClientOpening
from eventflux_runtime.carrier.websocket.pipe import WebSocketPipe
from eventflux_runtime.rpc.config import ClientConfig, ServerConfig
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.web import WebConfig

if TYPE_CHECKING:
    from eventflux_runtime.net.limited_log import LimitedLog
    from eventflux_runtime.net.reactor import Reactor

__all__ = ["LAYER", "WebSocketLayer"]


class WebSocketLayer:
    """An `UpgradeLayer`."""

    name = "WebSocket"
    token = "websocket"
    alpn = "http/1.1"

    def of_client(self, endpoint: Endpoint, config: ClientConfig) -> Upgrade:
        """See `UpgradeLayer.of_client`."""
        ClientHandshake(endpoint)  # what is wrong with the endpoint is said before anything is connected

        async def upgrade(lower: Pipe, reactor: Reactor) -> Pipe:
            return await ClientOpening(lower, ClientHandshake(endpoint), reactor).opened()

        return upgrade

    def of_server(self, config: ServerConfig) -> HttpUpgrade:
        """See `UpgradeLayer.of_server`."""
        access = Access(config.web if config.web is not None else WebConfig())

        def upgrade(head: bytes, lower: Pipe, reactor: Reactor, log: LimitedLog) -> HttpUpgraded | HttpRefusal:
            accepted = answer_request(head, access, lower.peer)
            if isinstance(accepted, HttpRefusal):
                return accepted
            pipe = WebSocketPipe(lower, reactor, accepted.peer, is_client=False, log=log)
            return HttpUpgraded(accepted.answer, pipe)

        return upgrade


LAYER: Final = WebSocketLayer()
