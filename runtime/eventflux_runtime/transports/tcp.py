"""``tcp://`` and ``tcps://``: the native protocol over TCP sockets."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, Final

import anyio
from anyio.abc import ByteStream, SocketAttribute, SocketStream

from eventflux_runtime.config import ClientConfig, ServerConfig, TlsConfig
from eventflux_runtime.endpoint import Endpoint
from eventflux_runtime.native.bootstrap import Acceptor, connecting, shake_hands
from eventflux_runtime.native.listener import PeerNaming, SocketListener
from eventflux_runtime.net.asyncio_pipe import asyncio_pipe
from eventflux_runtime.net.pipe import Pipe
from eventflux_runtime.net.reactor import Reactor
from eventflux_runtime.net.resolve import shown_host
from eventflux_runtime.net.socket import apply_options, bind_tcp, connect_tcp
from eventflux_runtime.net.stream_pipe import StreamPipe
from eventflux_runtime.net.tls import client_source, expected_name, server_source, warn_unverified
from eventflux_runtime.net.tls_pipe import TlsPipe
from eventflux_runtime.transport_api import ClientConnection, Dispatcher, Listener, Peer

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
            _Naming(endpoint.scheme),
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


class _Naming(PeerNaming):
    def __init__(self, scheme: str) -> None:
        self._scheme = scheme

    def of_transport(self, transport: asyncio.BaseTransport) -> Peer:
        return Peer(self._url(transport.get_extra_info("peername")))

    def of_stream(self, stream: ByteStream) -> Peer:
        return Peer(self._url(stream.extra(SocketAttribute.remote_address, None)))

    def _url(self, address: Any) -> str:
        if not isinstance(address, tuple):
            return f"{self._scheme}://unknown"
        host, port = shown_host(address), address[1]
        return f"{self._scheme}://[{host}]:{port}" if ":" in host else f"{self._scheme}://{host}:{port}"


async def _connect(endpoint: Endpoint, config: ClientConfig, reactor: Reactor) -> Pipe:
    naming = _Naming(endpoint.scheme)
    sock = await connect_tcp(endpoint, config.socket, config.keepalive)
    try:
        if reactor.is_asyncio:
            _, pipe = await asyncio.get_running_loop().create_connection(
                lambda: asyncio_pipe(naming.of_transport), sock=sock
            )
            return pipe
        stream = await SocketStream.from_socket(sock)
    except BaseException:
        sock.close()
        raise
    return StreamPipe(stream, naming.of_stream(stream), reactor)


async def _secured(lower: Pipe, context: ssl.SSLContext, server_name: str, reactor: Reactor) -> Pipe:
    try:
        pipe = TlsPipe(lower, context, reactor, is_server=False, server_name=server_name)
    except BaseException:
        lower.abort()
        raise
    await pipe.handshake()
    return pipe


TRANSPORT: Final = TcpTransport()
