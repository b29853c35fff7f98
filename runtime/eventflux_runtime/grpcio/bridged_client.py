"""A gRPC connection for a trio event loop: the asyncio one, each of whose calls is made in the asyncio thread."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar

from anyio import CancelScope

from eventflux_runtime.grpcio.connect import open_connection
from eventflux_runtime.grpcio.thread import AsyncioThread, borrow
from eventflux_runtime.protocol.api import CallHead, ClientCall, ConnectionState
from eventflux_runtime.rpc.metadata import Metadata
from eventflux_runtime.rpc.method import Method
from eventflux_runtime.rpc.rpc_error import Internal, RpcError, Unavailable
from eventflux_runtime.rpc.status import Status, StatusCode

if TYPE_CHECKING:
    from eventflux_runtime.grpcio.connection import GrpcConnection
    from eventflux_runtime.net.reactor import Reactor
    from eventflux_runtime.rpc.config import ClientConfig
    from eventflux_runtime.rpc.endpoint import Endpoint

__all__ = ["BridgedCall", "BridgedConnection", "open_bridged_connection"]

Req = TypeVar("Req")
Res = TypeVar("Res")


class BridgedConnection:
    """A `ClientConnection` over one that lives in the asyncio thread."""

    def __init__(self, inner: GrpcConnection, thread: AsyncioThread) -> None:
        self._inner = inner
        self._thread = thread
        self._is_closed = False

    def __repr__(self) -> str:
        return repr(self._inner)

    @property
    def state(self) -> ConnectionState:
        """See `ClientConnection.state`."""
        return self._inner.state

    @property
    def active_calls(self) -> int:
        """See `ClientConnection.active_calls`."""
        return self._inner.active_calls

    @property
    def max_calls(self) -> int:
        """See `ClientConnection.max_calls`."""
        return self._inner.max_calls

    async def unary(self, method: Method[Req, Res], request: Req, head: CallHead) -> Res:
        """See `ClientConnection.unary`."""
        self._inner.check_open()
        return await self._thread.run(self._inner.unary, method, request, self._inner_head(head))

    def start(self, method: Method[Req, Res], head: CallHead) -> ClientCall[Req, Res]:
        """See `ClientConnection.start`."""
        self._inner.check_open()
        return BridgedCall(self._inner, self._thread, method, self._inner_head(head))

    def _inner_head(self, head: CallHead) -> CallHead:
        if head.deadline is None:
            return head
        return head.with_deadline(self._thread.inner_time(head.deadline))

    def drain(self) -> None:
        """See `ClientConnection.drain`."""
        self._thread.post(self._inner.drain)

    async def aclose(self) -> None:
        """See `ClientConnection.aclose`."""
        if self._is_closed:
            return
        self._is_closed = True
        with CancelScope(shield=True):
            with suppress(Unavailable):  # the reactor's scope was left first, and closed it
                await self._thread.run(self._inner.aclose)
            await self._thread.give_back()


class BridgedCall(Generic[Req, Res]):
    """A `ClientCall` over one that lives in the asyncio thread."""

    def __init__(
        self, connection: GrpcConnection, thread: AsyncioThread, method: Method[Req, Res], head: CallHead
    ) -> None:
        self._connection = connection
        self._thread = thread
        self._method = method
        self._head = head
        self._inner: ClientCall[Req, Res] | None = None
        self._failure: RpcError | None = None
        self._is_cancelled = False
        thread.post(self._start)

    # -- on asyncio's side, in the order they were posted, `_start` first

    def _start(self) -> None:
        try:
            self._inner = self._connection.start(self._method, self._head)
        except RpcError as error:
            self._failure = error
        except Exception as fault:  # noqa: BLE001 - handed on: what the caller asked for cannot be
            self._failure = Internal(f"{self._method.path} cannot be called: {type(fault).__name__}: {fault}")

    def _started(self) -> ClientCall[Req, Res]:
        if self._inner is None:
            assert self._failure is not None
            raise self._failure
        return self._inner

    async def _send(self, message: Req) -> None:
        await self._started().send(message)

    async def _end(self) -> None:
        if self._inner is not None:
            await self._inner.end()

    async def _receive(self) -> Res:
        return await self._started().receive()

    async def _initial_metadata(self) -> Metadata:
        return Metadata() if self._inner is None else await self._inner.initial_metadata()

    def _cancel(self) -> None:
        if self._inner is not None:
            self._inner.cancel()

    # -- on trio's side

    @property
    def status(self) -> Status | None:
        """See `ClientCall.status`."""
        if self._failure is not None:
            return self._failure.status
        status = self._inner.status if self._inner is not None else None
        if status is None and self._is_cancelled:
            return Status(StatusCode.CANCELLED, "the call was cancelled by its caller")
        return status

    async def send(self, message: Req) -> None:
        """See `ClientCall.send`."""
        await self._thread.run(self._send, message)

    async def end(self) -> None:
        """See `ClientCall.end`."""
        await self._thread.run(self._end)

    async def receive(self) -> Res:
        """See `ClientCall.receive`."""
        return await self._thread.run(self._receive)

    async def initial_metadata(self) -> Metadata:
        """See `ClientCall.initial_metadata`."""
        return await self._thread.run(self._initial_metadata)

    def cancel(self) -> None:
        """See `ClientCall.cancel`."""
        self._is_cancelled = True
        self._thread.post(self._cancel)


async def open_bridged_connection(endpoint: Endpoint, config: ClientConfig, reactor: Reactor) -> BridgedConnection:
    """See `Wire.open`; on trio only."""
    thread = await borrow(reactor)
    try:
        inner = await thread.run(open_connection, endpoint, config, thread.inner)
    except BaseException:
        with CancelScope(shield=True):
            await thread.give_back()
        raise
    return BridgedConnection(inner, thread)
