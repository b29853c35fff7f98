"""Unix stream sockets as a carrier. Who may connect is the file system's to say."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

from eventflux_runtime.carrier.api import Pipe
from eventflux_runtime.carrier.socket_listener import SocketListener
from eventflux_runtime.carrier.socket_pipe import socket_pipe
from eventflux_runtime.net.socket import connect_unix
from eventflux_runtime.net.unix_socket import SocketFile, bind_unix
from eventflux_runtime.rpc.config import ClientConfig, ServerConfig
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.peer import Peer

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor

__all__ = ["CARRIER", "UnixCarrier"]


class UnixCarrier:
    """A `Carrier`."""

    async def connect(
        self, endpoint: Endpoint, config: ClientConfig, protocols: tuple[str, ...], reactor: Reactor
    ) -> Pipe:
        """See `Carrier.connect`."""
        return await socket_pipe(await connect_unix(endpoint.path), Peer(str(endpoint)), reactor)

    async def bind(
        self, endpoint: Endpoint, config: ServerConfig, protocols: tuple[str, ...], reactor: Reactor
    ) -> SocketListener:
        """See `Carrier.bind`."""
        sock, file = await bind_unix(endpoint)
        return _UnixListener(endpoint, sock, file, reactor)


class _UnixListener(SocketListener):
    def __init__(self, endpoint: Endpoint, sock: socket.socket, file: SocketFile, reactor: Reactor) -> None:
        peer = Peer(str(endpoint))
        super().__init__(endpoint, [sock], reactor, lambda sock: peer)
        self._file = file

    def stop_accepting(self) -> None:
        # While the socket is open its file can be told from any other; and a successor finds the path free.
        self._file.remove()
        super().stop_accepting()


CARRIER: Final = UnixCarrier()
