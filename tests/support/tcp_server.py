"""A TCP server for peers that tests play: no connection that it has accepted is ever lost without being closed.

anyio's listener awaits asyncio's ``sock_accept``, which drops what it has accepted if it is cancelled in the same turn;
whichever test runs when that is collected then fails.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
from anyio.abc import SocketStream, TaskGroup

__all__ = ["serving"]


@asynccontextmanager
async def serving(handle: Callable[[SocketStream], Awaitable[object]]) -> AsyncIterator[int]:
    """Has each connection handled, by a handler that closes it; the port of 127.0.0.1. All end with the context."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_accept, listening, handle, tasks)
            yield listening.getsockname()[1]
            tasks.cancel_scope.cancel()


async def _accept(
    listening: socket.socket, handle: Callable[[SocketStream], Awaitable[object]], tasks: TaskGroup
) -> None:
    while True:
        await anyio.wait_readable(listening)
        try:
            sock, _ = listening.accept()
        except OSError:  # the client has gone already
            continue
        tasks.start_soon(_handle, sock, handle)


async def _handle(sock: socket.socket, handle: Callable[[SocketStream], Awaitable[object]]) -> None:
    try:
        with anyio.CancelScope(shield=True):
            stream = await SocketStream.from_socket(sock)
    except (OSError, ValueError):  # as above
        sock.close()
        return
    try:
        await handle(stream)
    finally:
        await anyio.aclose_forcefully(stream)
