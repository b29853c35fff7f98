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

from eventflux_runtime.endpoint import Endpoint
from eventflux_runtime.native.bootstrap import Acceptor
from eventflux_runtime.net.asyncio_pipe import AsyncioPipe, asyncio_pipe
from eventflux_runtime.net.pipe import Pipe
from eventflux_runtime.net.reactor import Reactor, TaskHandle
from eventflux_runtime.net.stream_pipe import StreamPipe
from eventflux_runtime.net.tls import ContextSource, explain_tls
from eventflux_runtime.net.tls_pipe import TlsPipe
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
        tls: ContextSource | None,
        prepare: Callable[[Any], None],
        handshake_timeout_s: float,
    ) -> None:
        self._acceptor = acceptor
        self._reactor = reactor
        self._sockets = sockets
        self._naming = naming
        self._tls = tls
        self._prepare = prepare
        self._handshake_timeout_s = handshake_timeout_s
        self._servers: list[asyncio.Server] = []
        self._listeners: list[AnyioListener] = []
        self._tasks: list[TaskHandle] = []
        self._securing: dict[Pipe, TaskHandle] = {}

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
        return await asyncio.get_running_loop().create_server(
            lambda: asyncio_pipe(self._naming.of_transport, self._accept_asyncio), sock=sock
        )

    def _accept_asyncio(self, pipe: AsyncioPipe) -> None:
        try:
            self._prepare(pipe.transport.get_extra_info("socket"))
        except OSError:  # the client has gone already
            pipe.abort()
        else:
            self._accept(pipe)

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
                try:
                    self._prepare(stream.extra(SocketAttribute.raw_socket))
                    peer = self._naming.of_stream(stream)
                except OSError:  # the client has gone already
                    await anyio.aclose_forcefully(stream)
                else:
                    self._accept(StreamPipe(stream, peer, self._reactor))

    def _accept(self, pipe: Pipe) -> None:
        if self._tls is None:
            self._acceptor.accept(pipe)
        elif len(self._securing) >= self._acceptor.max_connections:
            _log.warning("refused a connection on %s: too many are in their TLS handshake", self.endpoint)
            pipe.abort()
        else:
            self._securing[pipe] = self._reactor.spawn(self._secure, pipe, self._tls.current())

    async def _secure(self, lower: Pipe, context: ssl.SSLContext) -> None:
        pipe = TlsPipe(lower, context, self._reactor, is_server=True)
        try:
            with anyio.fail_after(self._handshake_timeout_s):
                await pipe.handshake()
        except OSError as error:  # TimeoutError and ssl.SSLError are OSErrors
            reason = explain_tls(error, "the client") if isinstance(error, ssl.SSLError) else error
            _log.warning("the TLS handshake with %s failed: %s", lower.peer.address, reason)
        else:
            self._acceptor.accept(pipe)
        finally:
            self._securing.pop(lower, None)

    def drain(self) -> None:
        """See `Listener.drain`."""
        self._stop_accepting()
        # Left open, they would let clients connect and wait for an answer that never comes.
        for listener in self._listeners:
            self._reactor.spawn(listener.aclose)
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
        for task in list(self._securing.values()):
            task.cancel()
        await self._acceptor.aclose()
        for listener in self._listeners:
            await listener.aclose()
        self._listeners.clear()
        for sock in self._sockets:
            sock.close()
