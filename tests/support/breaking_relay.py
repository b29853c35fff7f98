"""A TCP relay in front of a server, whose connections a test can break as a failing network does."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import SocketAttribute, SocketStream

from eventflux_runtime.rpc.endpoint import parse_endpoint
from tests.support.tcp_server import serving

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Relay:
    """Passes bytes on both ways; `reset` breaks every connection there is with RST, `to_refuse` counts those to come
    that are closed before a byte has passed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._clients: set[SocketStream] = set()
        self.accepted = 0
        self.to_refuse = 0

    async def serve(self, client: SocketStream) -> None:
        """One connection, until either side ends it."""
        self.accepted += 1
        if self.to_refuse:
            self.to_refuse -= 1
            await client.aclose()
            return
        self._clients.add(client)
        try:
            async with (
                client,
                await anyio.connect_tcp("127.0.0.1", self._port) as server,
                anyio.create_task_group() as tasks,
            ):
                tasks.start_soon(self._copy, client, server, tasks.cancel_scope)
                tasks.start_soon(self._copy, server, client, tasks.cancel_scope)
        finally:
            self._clients.discard(client)

    @staticmethod
    async def _copy(source: SocketStream, sink: SocketStream, scope: anyio.CancelScope) -> None:
        try:
            async for data in source:
                await sink.send(data)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass  # the relay's other half notices too
        scope.cancel()

    async def reset(self) -> None:
        """Breaks every connection."""
        for client in list(self._clients):
            raw = client.extra(SocketAttribute.raw_socket)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            await anyio.aclose_forcefully(client)


@asynccontextmanager
async def relaying(url: str) -> AsyncIterator[tuple[Relay, str]]:
    """A relay to a server, and the URL at which it listens."""
    endpoint = parse_endpoint(url)
    relay = Relay(endpoint.port)
    async with serving(relay.serve) as listening:
        yield relay, str(endpoint.with_port(listening))
