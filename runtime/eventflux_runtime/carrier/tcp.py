"""TCP sockets as a carrier."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

from eventflux_runtime.carrier.api import Pipe
from eventflux_runtime.carrier.socket_listener import SocketListener
from eventflux_runtime.carrier.socket_pipe import socket_pipe
from eventflux_runtime.net.resolve import shown_url
from eventflux_runtime.net.socket import apply_options, bind_tcp, connect_tcp
from eventflux_runtime.rpc.config import ClientConfig, ServerConfig
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.peer import Peer

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor

__all__ = ["CARRIER", "TcpCarrier"]


class TcpCarrier:
    """A `Carrier`."""

    async def connect(
        self, endpoint: Endpoint, config: ClientConfig, protocols: tuple[str, ...], reactor: Reactor
    ) -> Pipe:
        """See `Carrier.connect`."""
        sock = await connect_tcp(endpoint, config.socket, config.keepalive)
        try:
            peer = _peer_of(sock, endpoint.scheme)
        except BaseException:
            sock.close()
            raise
        return await socket_pipe(sock, peer, reactor)

    async def bind(
        self, endpoint: Endpoint, config: ServerConfig, protocols: tuple[str, ...], reactor: Reactor
    ) -> SocketListener:
        """See `Carrier.bind`."""
        sockets = await bind_tcp(endpoint, config.socket, is_shared=config.reuse_port)
        return SocketListener(
            endpoint.with_port(sockets[0].getsockname()[1]),
            sockets,
            reactor,
            lambda sock: _peer_of(sock, endpoint.scheme),
            lambda sock: apply_options(sock, config.socket, config.keepalive),
        )


def _peer_of(sock: socket.socket, scheme: str) -> Peer:
    """The other side of a socket."""
    return Peer(shown_url(scheme, sock.getpeername()))


CARRIER: Final = TcpCarrier()
