"""Accepting connections on a bound socket, the same on every event loop.

The loops' own servers are not used: asyncio's logs a traceback for each connection that it cannot accept, anyio's ends
with the first one on trio, and both replace the backlog that the socket was bound with.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import anyio

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor, TaskHandle

__all__ = ["PAUSE_S", "AcceptLoop"]

PAUSE_S: Final = 0.2
"""Seconds without a try after one that failed: the process is out of files most likely, and some may close."""
_IN_A_ROW: Final = 64
"""Connections accepted in a row, before everything else gets a turn."""


class AcceptLoop:
    """A task that accepts on one socket. Owns the socket, and closes it.

    Invariant: once `close` has returned, nobody can connect and nothing more is accepted.
    """

    def __init__(
        self,
        sock: socket.socket,
        reactor: Reactor,
        on_accepted: Callable[[socket.socket], None],
        on_failed: Callable[[OSError], None],
    ) -> None:
        """Begins to accept.

        Args:
            sock: bound and listening, and not blocking.
            reactor: whose task accepts.
            on_accepted: takes over each connection, whose socket does not block. Must not raise.
            on_failed: is told why none can be accepted now, once for each pause. Must not raise.
        """
        self._sock = sock
        self._on_accepted = on_accepted
        self._on_failed = on_failed
        self._is_closed = False
        self._task: TaskHandle = reactor.spawn(self._run)

    def close(self) -> None:
        """Stops, and closes the socket: whoever waits in its backlog is refused."""
        if self._is_closed:
            return
        self._is_closed = True
        anyio.notify_closing(self._sock)
        self._sock.close()
        self._task.cancel()

    async def _run(self) -> None:
        while not self._is_closed:
            try:
                await anyio.wait_readable(self._sock)
            except anyio.ClosedResourceError:
                return
            error = self._accept_some()
            if error is not None:
                self._on_failed(error)
                await anyio.sleep(PAUSE_S)

    def _accept_some(self) -> OSError | None:
        """Accepts who is there; what kept it from that, if anything did."""
        for _ in range(_IN_A_ROW):
            if self._is_closed:
                break
            try:
                connection, _ = self._sock.accept()
            except (BlockingIOError, InterruptedError):
                break
            except ConnectionError:  # this client has gone already; the next may be there
                continue
            except OSError as error:
                return error
            connection.setblocking(False)
            self._on_accepted(connection)
        return None
