"""Listening sockets for the native protocol: what is accepted becomes a pipe, with TLS where there is any."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import Any

import anyio

from eventflux_runtime.carrier.api import Pipe
from eventflux_runtime.carrier.socket_pipe import socket_pipe
from eventflux_runtime.carrier.tls_pipe import TlsPipe
from eventflux_runtime.net.accept import AcceptLoop
from eventflux_runtime.net.reactor import Reactor, TaskHandle
from eventflux_runtime.net.tls import ContextSource, explain_tls
from eventflux_runtime.protocol.native.driver.bootstrap import Acceptor
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.peer import Peer

__all__ = ["SocketListener"]


class SocketListener:
    """A `Listener` over bound sockets. Owns the sockets.

    Invariants: an accepted connection stands in `_opening` until the task that opens its pipe begins, and a pipe in
    `_securing` while TLS shakes hands; so `aclose` finds those whose task never begins.
    """

    def __init__(
        self,
        acceptor: Acceptor,
        reactor: Reactor,
        sockets: list[socket.socket],
        peer_of: Callable[[socket.socket], Peer],
        tls: ContextSource | None,
        prepare: Callable[[Any], None],
        handshake_timeout_s: float,
    ) -> None:
        self._acceptor = acceptor
        self._reactor = reactor
        self._sockets = sockets
        self._peer_of = peer_of
        self._tls = tls
        self._prepare = prepare
        self._handshake_timeout_s = handshake_timeout_s
        self._loops: list[AcceptLoop] = []
        self._opening: set[socket.socket] = set()
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
            self._loops.append(AcceptLoop(sock, self._reactor, self._on_accepted, self._on_failed))

    # -- from a socket to a pipe

    def _on_accepted(self, sock: socket.socket) -> None:
        try:
            self._prepare(sock)
        except OSError:  # the client has gone already
            sock.close()
        else:
            self._opening.add(sock)
            self._reactor.spawn(self._open, sock)

    def _on_failed(self, error: OSError) -> None:
        self._acceptor.log.warning("cannot accept on %s, trying again: %s", self.endpoint, error)

    async def _open(self, sock: socket.socket) -> None:
        if sock not in self._opening:  # closed meanwhile
            return
        self._opening.discard(sock)
        try:
            pipe = await socket_pipe(sock, self._peer_of(sock), self._reactor)
        except OSError:  # the client has gone already
            sock.close()
        else:
            self._accept(pipe)

    def _accept(self, pipe: Pipe) -> None:
        if self._tls is None:
            self._acceptor.accept(pipe)
        elif self._acceptor.is_draining:
            pipe.abort()
        elif len(self._securing) >= self._acceptor.max_connections:
            self._acceptor.log.warning("refused a connection on %s: too many are in their TLS handshake", self.endpoint)
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
            self._acceptor.log.warning("the TLS handshake with %s failed: %s", lower.peer.address, reason)
        else:
            self._acceptor.accept(pipe)
        finally:
            self._securing.pop(lower, None)

    # -- the end

    def drain(self) -> None:
        """See `Listener.drain`."""
        self._stop_accepting()
        self._acceptor.drain()

    def _stop_accepting(self) -> None:
        # Left open, the sockets would let clients connect and wait for an answer that never comes.
        for loop in self._loops:
            loop.close()

    async def aclose(self) -> None:
        """See `Listener.aclose`."""
        self._stop_accepting()
        for sock in self._opening:
            sock.close()
        self._opening.clear()
        for pipe, task in list(self._securing.items()):
            task.cancel()
            pipe.abort()
        self._securing.clear()
        await self._acceptor.aclose()
