"""``tcp://`` and ``tcps://``: the native protocol over TCP sockets."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import Final

import anyio

from eventflux_runtime.carrier.api import Pipe
from eventflux_runtime.carrier.socket_listener import SocketListener
from eventflux_runtime.carrier.socket_pipe import socket_pipe
from eventflux_runtime.carrier.tls_pipe import TlsPipe
from eventflux_runtime.net.reactor import Reactor
from eventflux_runtime.net.resolve import shown_host
from eventflux_runtime.net.socket import apply_options, bind_tcp, connect_tcp
from eventflux_runtime.net.tls import client_source, expected_name, server_source, warn_unverified
from eventflux_runtime.protocol.api import ClientConnection, Dispatcher, Listener
from eventflux_runtime.protocol.native.driver.bootstrap import Acceptor, connecting, shake_hands
from eventflux_runtime.rpc.config import ClientConfig, ServerConfig, TlsConfig
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.peer import Peer

__all__ = ["TRANSPORT", "TcpTransport"]


class TcpTransport:
    """A `Transport` over TCP, with TLS where the scheme asks for it."""

    schemes = frozenset({"tcp", "tcps"})

    async def open(self, endpoint: Endpoint, config: ClientConfig, reactor: Reactor) -> ClientConnection:
        """See `Transport.open`."""
        tls = config.tls if config.tls is not None else TlsConfig()
        source = client_source(tls) if endpoint.is_tls else None
        with connecting(endpoint, config):
            pipe = await _connect(endpoint, config, reactor)
            if source is not None:
                warn_unverified(tls)
                pipe = await _secured(pipe, source.current(), expected_name(tls, endpoint), reactor)
            return await shake_hands(pipe, endpoint, config, reactor)

    async def listen(
        self, endpoint: Endpoint, config: ServerConfig, dispatcher: Dispatcher, reactor: Reactor
    ) -> Listener:
        """See `Transport.listen`."""
        source = server_source(config.tls) if endpoint.is_tls else None
        acceptor = Acceptor(endpoint, config, dispatcher, reactor)
        sockets = await bind_tcp(endpoint, config.socket)
        acceptor.endpoint = endpoint.with_port(sockets[0].getsockname()[1])
        listener = SocketListener(
            acceptor,
            reactor,
            sockets,
            _peer_of(endpoint.scheme),
            source,
            lambda sock: apply_options(sock, config.socket, config.keepalive),
            config.handshake_timeout_s,
        )
        try:
            await listener.start()
        except BaseException:
            with anyio.CancelScope(shield=True):
                await listener.aclose()
            raise
        return listener


def _peer_of(scheme: str) -> Callable[[socket.socket], Peer]:
    """Names the other side of a socket."""

    def peer_of(sock: socket.socket) -> Peer:
        address = sock.getpeername()
        host, port = shown_host(address), address[1]
        return Peer(f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}")

    return peer_of


async def _connect(endpoint: Endpoint, config: ClientConfig, reactor: Reactor) -> Pipe:
    sock = await connect_tcp(endpoint, config.socket, config.keepalive)
    try:
        peer = _peer_of(endpoint.scheme)(sock)
    except BaseException:
        sock.close()
        raise
    return await socket_pipe(sock, peer, reactor)


async def _secured(lower: Pipe, context: ssl.SSLContext, server_name: str, reactor: Reactor) -> Pipe:
    try:
        pipe = TlsPipe(lower, context, reactor, is_server=False, server_name=server_name)
    except BaseException:
        lower.abort()
        raise
    await pipe.handshake()
    return pipe


TRANSPORT: Final = TcpTransport()
