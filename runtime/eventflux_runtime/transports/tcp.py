"""``tcp://`` and ``tcps://``: the native protocol over TCP sockets."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any, Final

import anyio
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSAttribute, TLSStream

from eventflux_runtime.config import ClientConfig, ServerConfig
from eventflux_runtime.endpoint import Endpoint
from eventflux_runtime.native.bootstrap import Acceptor, connecting, shake_hands
from eventflux_runtime.native.listener import PeerNaming, SocketListener
from eventflux_runtime.net.asyncio_pipe import AsyncioPipe
from eventflux_runtime.net.pipe import Pipe
from eventflux_runtime.net.reactor import Reactor
from eventflux_runtime.net.socket import apply_options, bind_tcp
from eventflux_runtime.net.stream_pipe import StreamPipe
from eventflux_runtime.net.tls import client_context, peer_identity, server_context
from eventflux_runtime.transport_api import ClientConnection, Dispatcher, Listener, Peer

__all__ = ["TRANSPORT", "TcpTransport"]


class TcpTransport:
    """A `Transport` over TCP, with TLS where the scheme asks for it."""

    schemes = frozenset({"tcp", "tcps"})

    async def open(self, endpoint: Endpoint, config: ClientConfig, reactor: Reactor) -> ClientConnection:
        """See `Transport.open`."""
        context = client_context(config.tls) if endpoint.is_tls else None
        server_name = config.tls.server_name if config.tls is not None and config.tls.server_name else endpoint.host
        with connecting(endpoint, config):
            pipe = await _connect(endpoint, context, server_name, reactor)
            apply_options(_raw_socket(pipe), config.socket, config.keepalive)
            return await shake_hands(pipe, endpoint, config, reactor)

    async def listen(
        self, endpoint: Endpoint, config: ServerConfig, dispatcher: Dispatcher, reactor: Reactor
    ) -> Listener:
        """See `Transport.listen`."""
        context = server_context(config.tls) if endpoint.is_tls else None
        sockets = await bind_tcp(endpoint)
        bound = endpoint.with_port(sockets[0].getsockname()[1])
        listener = SocketListener(
            Acceptor(bound, config, dispatcher, reactor),
            reactor,
            sockets,
            _Naming(endpoint.scheme),
            context,
            lambda sock: apply_options(sock, config.socket, config.keepalive),
            config.handshake_timeout_s,
        )
        await listener.start()
        return listener


class _Naming(PeerNaming):
    def __init__(self, scheme: str) -> None:
        self._scheme = scheme

    def of_transport(self, transport: asyncio.BaseTransport) -> Peer:
        identity = peer_identity(transport.get_extra_info("peercert"))
        return Peer(self._url(transport.get_extra_info("peername")), identity)

    def of_stream(self, stream: ByteStream) -> Peer:
        certificate: Any = stream.extra(TLSAttribute.peer_certificate, None)
        return Peer(self._url(stream.extra(SocketAttribute.remote_address, None)), peer_identity(certificate))

    def _url(self, address: Any) -> str:
        if not isinstance(address, tuple):
            return f"{self._scheme}://unknown"
        host, port = address[0], address[1]
        return f"{self._scheme}://[{host}]:{port}" if ":" in host else f"{self._scheme}://{host}:{port}"


async def _connect(endpoint: Endpoint, context: ssl.SSLContext | None, server_name: str, reactor: Reactor) -> Pipe:
    naming = _Naming(endpoint.scheme)
    name = server_name if context is not None else None
    if reactor.is_asyncio:
        _, pipe = await asyncio.get_running_loop().create_connection(
            lambda: AsyncioPipe(naming.of_transport),
            endpoint.host,
            endpoint.port,
            ssl=context,
            server_hostname=name,
        )
        return pipe
    stream: ByteStream = await anyio.connect_tcp(endpoint.host, endpoint.port)
    if context is not None:
        stream = await TLSStream.wrap(stream, hostname=name, ssl_context=context, standard_compatible=False)
    return StreamPipe(stream, naming.of_stream(stream), reactor)


def _raw_socket(pipe: Pipe) -> Any:
    if isinstance(pipe, AsyncioPipe):
        return pipe.transport.get_extra_info("socket")
    assert isinstance(pipe, StreamPipe)
    raw: socket.socket = pipe.stream.extra(SocketAttribute.raw_socket)
    return raw


TRANSPORT: Final = TcpTransport()
