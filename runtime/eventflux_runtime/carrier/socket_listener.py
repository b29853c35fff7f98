"""Listening sockets, of any family: what is accepted becomes a pipe."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from eventflux_runtime.carrier.api import Pipe
from eventflux_runtime.carrier.socket_pipe import socket_pipe
from eventflux_runtime.net.accept import AcceptLoop
from eventflux_runtime.net.limited_log import LimitedLog
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.peer import Peer

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor

__all__ = ["SocketListener"]

_log: Final = logging.getLogger("eventflux_runtime.server")


class SocketListener:
    """A `CarrierListener` over bound sockets. Owns the sockets.

    Invariant: an accepted connection stands in `_opening` until the task that opens its pipe begins; so `aclose` finds
    those whose task never begins.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        sockets: list[socket.socket],
        reactor: Reactor,
        peer_of: Callable[[socket.socket], Peer],
        prepare: Callable[[socket.socket], None] | None = None,
    ) -> None:
        """A listener that does not accept yet.

        Args:
            endpoint: as it is bound.
            sockets: bound and listening, and not blocking.
            reactor: whose tasks accept.
            peer_of: names the other side. May raise OSError where that has gone.
            prepare: sets the options of an accepted socket. May raise OSError.
        """
        self.endpoint = endpoint
        self._sockets = sockets
        self._reactor = reactor
        self._peer_of = peer_of
        self._prepare = prepare
        self._log = LimitedLog(_log, reactor.now)
        self._loops: list[AcceptLoop] = []
        self._opening: set[socket.socket] = set()
        self._on_pipe: Callable[[Pipe], None]

    def start(self, on_pipe: Callable[[Pipe], None]) -> None:
        """See `CarrierListener.start`."""
        self._on_pipe = on_pipe
        for sock in self._sockets:
            self._loops.append(AcceptLoop(sock, self._reactor, self._on_accepted, self._on_failed))

    def _on_accepted(self, sock: socket.socket) -> None:
        try:
            if self._prepare is not None:
                self._prepare(sock)
        except OSError:  # the client has gone already
            sock.close()
        else:
            self._opening.add(sock)
            self._reactor.spawn(self._open, sock)

    def _on_failed(self, error: OSError) -> None:
        self._log.warning("cannot accept on %s, trying again: %s", self.endpoint, error)

    async def _open(self, sock: socket.socket) -> None:
        if sock not in self._opening:  # closed meanwhile
            return
        self._opening.discard(sock)
        try:
            pipe = await socket_pipe(sock, self._peer_of(sock), self._reactor)
        except OSError:  # the client has gone already
            sock.close()
        else:
            self._on_pipe(pipe)

    def stop_accepting(self) -> None:
        """See `CarrierListener.stop_accepting`."""
        # Left open, the sockets would let clients connect and wait for an answer that never comes.
        for loop in self._loops:
            loop.close()
        for sock in self._sockets[len(self._loops) :]:  # those that never began to accept
            sock.close()

    async def aclose(self) -> None:
        """See `CarrierListener.aclose`."""
        self.stop_accepting()
        for sock in self._opening:
            sock.close()
        self._opening.clear()
