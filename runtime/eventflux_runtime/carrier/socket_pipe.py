"""From a connected socket to the pipe that suits the event loop."""

from __future__ import annotations

import asyncio
import socket

from eventflux_runtime.carrier.api import Pipe
from eventflux_runtime.carrier.asyncio_pipe import asyncio_pipe
from eventflux_runtime.net.reactor import Reactor
from eventflux_runtime.rpc.peer import Peer

__all__ = ["socket_pipe"]


async def socket_pipe(sock: socket.socket, peer: Peer, reactor: Reactor) -> Pipe:
    """A pipe over a connected socket that does not block, of any family; it owns the socket.

    Raises:
        OSError: the other side has gone already. The socket is closed then.
    """
    if not reactor.is_asyncio:
        from eventflux_runtime.carrier.trio_pipe import TrioPipe  # noqa: PLC0415 - only trio's users have trio

        return TrioPipe(sock, peer, reactor)
    try:
        _, pipe = await asyncio.get_running_loop().connect_accepted_socket(lambda: asyncio_pipe(peer), sock)
    except BaseException:
        sock.close()
        raise
    return pipe
