"""Listening sockets for the native protocol, on the event loop's own server or on anyio's."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final

import anyio
from anyio.abc import ByteStream, SocketAttribute
from anyio.abc import SocketListener as AnyioListener
from anyio.streams.tls import TLSStream

from eventflux_runtime.endpoint import Endpoint
from eventflux_runtime.native.bootstrap import Acceptor
from eventflux_runtime.net.asyncio_pipe import AsyncioPipe
from eventflux_runtime.net.reactor import Reactor, TaskHandle
from eventflux_runtime.net.stream_pipe import StreamPipe
from eventflux_runtime.transport_api import Peer

__all__ = ["PeerNaming", "SocketListener"]

_ACCEPT_PAUSE_S: Final = 0.2
_log: Final = logging.getLogger("eventflux_runtime.server")


class PeerNaming:
    """How a wire names the other side of a connection, on each of the two drivers."""

    def of_transport(self, transport: asyncio.BaseTransport) -> Peer:
        """The peer of an asyncio transport."""
        raise NotImplementedError

    def of_stream(self, stream: ByteStream) -> Peer:
        """The peer of an anyio stream."""
        raise NotImplementedError


class SocketListener:
    """A `Listener` over bound sockets. Owns the sockets."""

    def __init__(
        self,
        acceptor: Acceptor,
        reactor: Reactor,
        sockets: list[socket.socket],
        naming: PeerNaming,
        context: ssl.SSLContext | None,
        prepare: Callable[[Any], None],
        handshake_timeout_s: float,
    ) -> None:
        self._acceptor = acceptor
        self._reactor = reactor
        self._sockets = sockets
        self._naming = naming
        self._context = context
        self._prepare = prepare
        self._handshake_timeout_s = handshake_timeout_s
        self._servers: list[asyncio.Server] = []
        self._listeners: list[AnyioListener] = []
        self._tasks: list[TaskHandle] = []

    @property
    def endpoint(self) -> Endpoint:
        """See `Listener.endpoint`."""
        return self._acceptor.endpoint

    @property
    def active_calls(self) -> int:
        """See `Listener.active_calls`."""
        return self._acceptor.active_calls

    async def start(self) -> None:
        """Begins to accept."""
        for sock in self._sockets:
            if self._reactor.is_asyncio:
                self._servers.append(await self._serve_asyncio(sock))
            else:
                listener = await AnyioListener.from_socket(sock)
                self._listeners.append(listener)
                self._tasks.append(self._reactor.spawn(self._serve_anyio, listener))

    async def _serve_asyncio(self, sock: socket.socket) -> asyncio.Server:
        options: dict[str, Any] = {}
        if self._context is not None:
            options = {"ssl": self._context, "ssl_handshake_timeout": self._handshake_timeout_s}
        loop = asyncio.get_running_loop()
        return await loop.create_server(
            lambda: AsyncioPipe(self._naming.of_transport, self._accept_asyncio), sock=sock, **options
        )

    def _accept_asyncio(self, pipe: AsyncioPipe) -> None:
        self._prepare(pipe.transport.get_extra_info("socket"))
        self._acceptor.accept(pipe)

    async def _serve_anyio(self, listener: AnyioListener) -> None:
        while True:
            try:
                stream = await listener.accept()
            except anyio.ClosedResourceError:
                return
            except OSError as error:
                # Out of file descriptors, most likely: those that close meanwhile make room.
                _log.error("cannot accept on %s, trying again: %s", self.endpoint, error)
                await anyio.sleep(_ACCEPT_PAUSE_S)
            else:
                self._reactor.spawn(self._accept_anyio, stream)

    async def _accept_anyio(self, stream: ByteStream) -> None:
        self._prepare(stream.extra(SocketAttribute.raw_socket))
        if self._context is not None:
            try:
                with anyio.fail_after(self._handshake_timeout_s):
                    stream = await TLSStream.wrap(
                        stream, server_side=True, ssl_context=self._context, standard_compatible=False
                    )
            except (TimeoutError, OSError, anyio.BrokenResourceError, anyio.EndOfStream) as error:
                _log.warning("a TLS handshake on %s failed: %s", self.endpoint, error)
                await anyio.aclose_forcefully(stream)
                return
        self._acceptor.accept(StreamPipe(stream, self._naming.of_stream(stream), self._reactor))

    def drain(self) -> None:
        """See `Listener.drain`."""
        self._stop_accepting()
        self._acceptor.drain()

    def _stop_accepting(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()

    async def aclose(self) -> None:
        """See `Listener.aclose`."""
        self._stop_accepting()
        await self._acceptor.aclose()
        for listener in self._listeners:
            await listener.aclose()
        self._listeners.clear()
        for sock in self._sockets:
            sock.close()
