"""``unix://``: the native protocol over Unix sockets."""

from __future__ import annotations

import socket
from typing import Any, Final

import anyio

from eventflux_runtime.carrier.socket_listener import SocketListener
from eventflux_runtime.carrier.socket_pipe import socket_pipe
from eventflux_runtime.net.reactor import Reactor
from eventflux_runtime.net.socket import connect_unix
from eventflux_runtime.net.unix_socket import SocketFile, bind_unix
from eventflux_runtime.protocol.api import ClientConnection, Dispatcher, Listener
from eventflux_runtime.protocol.native.driver.bootstrap import Acceptor, connecting, shake_hands
from eventflux_runtime.rpc.config import ClientConfig, ServerConfig
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.peer import Peer

__all__ = ["TRANSPORT", "UnixTransport"]


class UnixTransport:
    """A `Transport` over Unix stream sockets. Who may connect is the file system's to say."""

    schemes = frozenset({"unix"})

    async def open(self, endpoint: Endpoint, config: ClientConfig, reactor: Reactor) -> ClientConnection:
        """See `Transport.open`."""
        with connecting(endpoint, config):
            sock = await connect_unix(endpoint.path)
            pipe = await socket_pipe(sock, Peer(str(endpoint)), reactor)
            return await shake_hands(pipe, endpoint, config, reactor)

    async def listen(
        self, endpoint: Endpoint, config: ServerConfig, dispatcher: Dispatcher, reactor: Reactor
    ) -> Listener:
        """See `Transport.listen`."""
        acceptor = Acceptor(endpoint, config, dispatcher, reactor)
        sock, file = await bind_unix(endpoint)
        listener = _UnixListener(acceptor, reactor, sock, file, config.handshake_timeout_s)
        try:
            await listener.start()
        except BaseException:
            with anyio.CancelScope(shield=True):
                await listener.aclose()
            raise
        return listener


class _UnixListener(SocketListener):
    def __init__(
        self, acceptor: Acceptor, reactor: Reactor, sock: socket.socket, file: SocketFile, handshake_timeout_s: float
    ) -> None:
        peer = Peer(str(acceptor.endpoint))
        super().__init__(acceptor, reactor, [sock], lambda sock: peer, None, _prepare, handshake_timeout_s)
        self._file = file

    def drain(self) -> None:
        # While the socket is open its file can be told from any other; and a successor finds the path free.
        self._file.remove()
        super().drain()

    async def aclose(self) -> None:
        self._file.remove()
        await super().aclose()


def _prepare(sock: Any) -> None:
    """A Unix socket has none of TCP's options."""


TRANSPORT: Final = UnixTransport()
