"""What every message-passing transport shares: its pool of links, and the handles that users hold.

Invariants: the pool holds at most one link for an address, with the number of connections that share it; a link that
is not open is never handed out; every link and listener stands in a set until it is closed.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Generic, TypeVar

import anyio

from eventflux_runtime.peer.transport import Link, LinkListener, PeerConnection, PeerListener, PeerTransport
from eventflux_runtime.rpc.endpoint import Endpoint, parse_endpoint
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.rpc_error import Unavailable

__all__ = ["PooledTransport"]

M = TypeVar("M")


class _Shared(Generic[M]):
    """A link and how many connections use it."""

    def __init__(self, link: Link[M]) -> None:
        self.link = link
        self.users = 0


class PooledTransport(PeerTransport[M]):
    """A `PeerTransport` whose subclass opens links and binds addresses."""

    def __init__(self) -> None:
        self._pool: dict[str, _Shared[M]] = {}
        self._opening: dict[str, anyio.Lock] = {}
        self._used: dict[PeerConnection[M], _Shared[M]] = {}
        self._listeners: set[PeerListener[M]] = set()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self._used)} connections, {len(self._listeners)} listeners>"

    @abstractmethod
    async def _open(self, endpoint: Endpoint) -> Link[M]:
        """A new link to an address."""

    @abstractmethod
    async def _bind(self, endpoint: Endpoint) -> LinkListener[M]:
        """A new listener on an address."""

    @property
    @abstractmethod
    def _scheme(self) -> str:
        """The URL scheme of the addresses."""

    async def connect(self, endpoint: str) -> PeerConnection[M]:
        """See `PeerTransport.connect`."""
        address = self._endpoint(endpoint)
        key = address.address
        # One task connects, and the others that want the same address get what it got.
        lock = self._opening.setdefault(key, anyio.Lock())
        try:
            async with lock:
                shared = self._pool.get(key)
                if shared is None or not shared.link.is_open:
                    shared = self._pool[key] = _Shared(await self._open(address))
                return self._handle(endpoint, shared)
        finally:
            if not lock.statistics().tasks_waiting and self._opening.get(key) is lock and not lock.locked():
                del self._opening[key]

    async def listen(self, endpoint: str) -> PeerListener[M]:
        """See `PeerTransport.listen`."""
        listener = PeerListener(endpoint, await self._bind(self._endpoint(endpoint)))
        self._listeners.add(listener)
        return listener

    async def accept(self, listener: PeerListener[M]) -> PeerConnection[M]:
        """See `PeerTransport.accept`."""
        link, address = await listener._listener.accept()
        return self._handle(address, _Shared(link))

    async def send(self, connection: PeerConnection[M], message: M) -> None:
        """See `PeerTransport.send`."""
        await self._link(connection).send(message)

    async def receive(self, connection: PeerConnection[M]) -> M:
        """See `PeerTransport.receive`."""
        return await self._link(connection).receive()

    async def close(self, connection: PeerConnection[M]) -> None:
        """See `PeerTransport.close`."""
        connection.is_closed = True
        shared = self._used.pop(connection, None)
        if shared is None:
            return
        shared.users -= 1
        if not shared.users:
            for key in [key for key, pooled in self._pool.items() if pooled is shared]:
                del self._pool[key]
            await shared.link.aclose()

    async def aclose(self) -> None:
        """See `PeerTransport.aclose`."""
        async with anyio.create_task_group() as tasks:
            for connection in list(self._used):
                tasks.start_soon(self.close, connection)
        # Over gRPC a listener's end would cut off connections that are still closing in order.
        for listener in list(self._listeners):
            self._listeners.discard(listener)
            await listener.aclose()

    def _handle(self, endpoint: str, shared: _Shared[M]) -> PeerConnection[M]:
        connection = PeerConnection(endpoint, shared.link)
        shared.users += 1
        self._used[connection] = shared
        return connection

    def _link(self, connection: PeerConnection[M]) -> Link[M]:
        if connection.is_closed:
            raise Unavailable(f"the connection to {connection.endpoint} was closed on this side: connect again")
        return connection._link

    def _endpoint(self, text: str) -> Endpoint:
        """An address as the runtime has it; a URL of this transport's own scheme is taken too."""
        scheme, separator, _ = text.partition("://")
        url = text if separator else f"{self._scheme}://{text}"
        if separator and scheme.lower() != self._scheme:
            raise ConfigError(
                f"{text!r}: {type(self).__name__} takes host:port, or a URL that starts with {self._scheme}://"
            )
        return parse_endpoint(url)
