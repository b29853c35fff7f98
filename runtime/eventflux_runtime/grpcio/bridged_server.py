"""A gRPC server for a trio event loop: the asyncio one, whose calls are handled on trio's side."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from anyio import CancelScope

from eventflux_runtime.grpcio.listener import open_listener
from eventflux_runtime.grpcio.thread import AsyncioThread, borrow
from eventflux_runtime.protocol.api import Dispatcher, Listener, ServerCall
from eventflux_runtime.rpc.binding import AnyBinding
from eventflux_runtime.rpc.metadata import Metadata
from eventflux_runtime.rpc.method import AnyMethod
from eventflux_runtime.rpc.peer import Peer
from eventflux_runtime.rpc.rpc_error import Unavailable
from eventflux_runtime.rpc.status import Status

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor
    from eventflux_runtime.rpc.config import ServerConfig
    from eventflux_runtime.rpc.endpoint import Endpoint

__all__ = ["BridgedListener", "open_bridged_listener"]


class BridgedListener:
    """A `Listener` over one that lives in the asyncio thread."""

    def __init__(self, inner: Listener, thread: AsyncioThread) -> None:
        self.endpoint = inner.endpoint
        self._inner = inner
        self._thread = thread
        self._is_closed = False

    @property
    def active_calls(self) -> int:
        """See `Listener.active_calls`."""
        return self._inner.active_calls

    def drain(self) -> None:
        """See `Listener.drain`."""
        self._thread.post(self._inner.drain)

    async def aclose(self) -> None:
        """See `Listener.aclose`."""
        if self._is_closed:
            return
        self._is_closed = True
        with CancelScope(shield=True):
            with suppress(Unavailable):  # the reactor's scope was left first, and closed it
                await self._thread.run(self._inner.aclose)
            await self._thread.give_back()


class _BridgedDispatcher:
    """A `Dispatcher` for the asyncio side that has trio's handle each call."""

    def __init__(self, outer: Dispatcher, thread: AsyncioThread) -> None:
        self._outer = outer
        self._thread = thread

    @property
    def bindings(self) -> Sequence[AnyBinding]:
        """See `Dispatcher.bindings`."""
        return self._outer.bindings

    def find(self, path: str) -> AnyBinding | None:
        """See `Dispatcher.find`."""
        return self._outer.find(path)

    async def handle(self, binding: AnyBinding, call: ServerCall) -> None:
        """See `Dispatcher.handle`."""
        # Made on trio's side, where trio's clock is.
        await self._thread.call_back(lambda: self._outer.handle(binding, _BridgedServerCall(call, self._thread)))


class _BridgedServerCall:
    """A `ServerCall` over one that lives in the asyncio thread."""

    def __init__(self, inner: ServerCall, thread: AsyncioThread) -> None:
        self.method: AnyMethod = inner.method
        self.metadata: Metadata = inner.metadata
        self.deadline = None if inner.deadline is None else thread.outer_time(inner.deadline)
        self._inner = inner
        self._thread = thread

    @property
    def peer(self) -> Peer:
        """See `ServerCall.peer`."""
        return self._inner.peer

    def take_request(self) -> Any:
        """See `ServerCall.take_request`."""
        return None

    async def receive(self) -> Any:
        """See `ServerCall.receive`."""
        return await self._thread.run(self._inner.receive)

    async def send_initial_metadata(self, metadata: Metadata) -> None:
        """See `ServerCall.send_initial_metadata`."""
        await self._thread.run(self._inner.send_initial_metadata, metadata)

    async def send(self, message: Any) -> None:
        """See `ServerCall.send`."""
        await self._thread.run(self._inner.send, message)

    def finish_now(self, status: Status, message: Any = None) -> bool:
        """See `ServerCall.finish_now`."""
        return False

    async def finish(self, status: Status, message: Any = None) -> None:
        """See `ServerCall.finish`."""
        await self._thread.run(self._inner.finish, status, message)

    def abandon(self) -> None:
        """See `ServerCall.abandon`; the other side sees the cancellation itself."""


async def open_bridged_listener(
    endpoint: Endpoint, config: ServerConfig, dispatcher: Dispatcher, reactor: Reactor
) -> BridgedListener:
    """See `Wire.listen`; on trio only."""
    thread = await borrow(reactor)
    try:
        inner = await thread.run(open_listener, endpoint, config, _BridgedDispatcher(dispatcher, thread), thread.inner)
    except BaseException:
        with CancelScope(shield=True):
            await thread.give_back()
        raise
    return BridgedListener(inner, thread)
