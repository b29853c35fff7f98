"""A TCP proxy between a client and a server: counts what passes, and can fall silent as a broken network does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import SocketStream

from eventflux_runtime.rpc.endpoint import parse_endpoint
from tests.support.tcp_server import serving

_LOST = (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError)


class Proxy:
    """Passes every connection on to one port."""

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self.upstream_bytes = 0
        self.downstream_bytes = 0
        self.connections = 0
        self.is_silent = False
        self.is_stuck = False
        """Whether it reads nothing more from clients, while their connections stay."""
        self._target_port = target_port
        self._passed = anyio.Event()

    async def wait_upstream(self, size: int) -> None:
        """Returns when so many bytes have passed to the server in all."""
        while self.upstream_bytes < size:
            await self._passed.wait()

    async def handle(self, downstream: SocketStream) -> None:
        """One connection."""
        self.connections += 1
        async with (
            downstream,
            await anyio.connect_tcp("127.0.0.1", self._target_port) as upstream,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(self._pump, downstream, upstream, True)
            await self._pump(upstream, downstream, False)
            tasks.cancel_scope.cancel()

    async def _pump(self, source: SocketStream, sink: SocketStream, is_upstream: bool) -> None:
        try:
            while True:
                if is_upstream and self.is_stuck:
                    await anyio.sleep_forever()
                data = await source.receive()
                if self.is_silent:
                    continue
                if is_upstream:
                    self.upstream_bytes += len(data)
                    self._passed.set()
                    self._passed = anyio.Event()
                else:
                    self.downstream_bytes += len(data)
                await sink.send(data)
        except _LOST:
            if not self.is_silent:
                await sink.aclose()


@asynccontextmanager
async def proxied(url: str) -> AsyncIterator[tuple[Proxy, str]]:
    """A proxy before a server, and the URL to reach the server through it."""
    endpoint = parse_endpoint(url)
    proxy = Proxy(endpoint.port)
    async with serving(proxy.handle) as proxy.port:
        yield proxy, str(endpoint.with_port(proxy.port))
