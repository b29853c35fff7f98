"""A streaming call on a gRPC connection, seen from the client.

Invariants: only the call's own two tasks read from grpcio's call object and write to it, because grpcio takes a
cancelled wait for the end of the call; the status is set once, when grpcio has no message left or the caller cancels.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

import anyio
import grpc
from grpc import aio

from eventflux_runtime.grpcio.option import grpc_compression
from eventflux_runtime.grpcio.packed import PACKING, acceptance
from eventflux_runtime.grpcio.reader import ReadAhead
from eventflux_runtime.grpcio.status import metadata_of, status_of
from eventflux_runtime.grpcio.writer import WriteBehind
from eventflux_runtime.protocol.api import CallHead, ResponseInfo
from eventflux_runtime.rpc.deadline import ENDLESS_S
from eventflux_runtime.rpc.metadata import EMPTY_METADATA, Metadata
from eventflux_runtime.rpc.method import AnyMethod, Method
from eventflux_runtime.rpc.rpc_error import Internal, RpcError, Unavailable
from eventflux_runtime.rpc.status import OK_STATUS, Status, StatusCode

if TYPE_CHECKING:
    from eventflux_runtime.compression.expansion import ExpansionBudget, Loan
    from eventflux_runtime.net.reactor import Reactor, TaskHandle
    from eventflux_runtime.rpc.endpoint import Endpoint

__all__ = ["CallHost", "StreamingCall"]

_log: Final = logging.getLogger("eventflux_runtime.client")

Req = TypeVar("Req")
Res = TypeVar("Res")


class CallHost(Protocol):
    """What a call asks of the connection it is on."""

    @property
    def endpoint(self) -> Endpoint:
        """Where the server is."""

    @property
    def reactor(self) -> Reactor:
        """Where the call's tasks run."""

    @property
    def budget(self) -> ExpansionBudget:
        """What bounds the messages that calls hold decompressed."""

    def check_size(self, method: AnyMethod, data: bytes) -> None:
        """Refuses a request that the server would refuse. Raises ResourceExhausted."""

    def packed(self, data: bytes, head: CallHead) -> bytes:
        """A request as it is sent in a call that packs."""

    def decoded(self, method: Method[Any, Res], data: bytes, loan: Loan | None) -> Res:
        """A response; one of a call that packs is held on `loan`. Raises Internal or ResourceExhausted."""

    def learn(self, trailers: Iterable[tuple[str, Any]] | None) -> None:
        """Takes over what the server said at the end of a call that packs."""

    def streaming_callable(self, method: AnyMethod) -> Any:
        """What starts a call of a streaming method on the channel."""

    def failure(self, method: AnyMethod, error: aio.AioRpcError, response: ResponseInfo | None) -> RpcError:
        """Our exception for grpcio's."""

    def ended(self) -> None:
        """Counts a call out."""


class StreamingCall(Generic[Req, Res]):
    """A `ClientCall` over grpcio's call object.

    A call of one request starts at grpcio when that request is sent, so that both leave together; the others start
    at once.
    """

    def __init__(self, connection: CallHost, method: Method[Req, Res], head: CallHead) -> None:
        self._connection = connection
        self._method = method
        self._head = head
        self._reader = ReadAhead(connection.reactor)
        self._writer: WriteBehind | None = None
        self._is_packing = head.compression in PACKING
        self._writing: TaskHandle | None = None
        self._grpc_call: Any = None
        self._launched = asyncio.Event()
        self._finished = asyncio.Event()
        self._initial: Metadata | None = None
        self._status: Status | None = None
        self._error: RpcError | None = None
        self._has_ended = False
        self._loan: Loan | None = None
        if method.kind.streams_requests:
            self._writer = WriteBehind(connection.reactor, self._launch(), self._reader.nudge)
            self._writing = connection.reactor.spawn(self._writer.run)

    # -- the application's side

    @property
    def status(self) -> Status | None:
        """See `ClientCall.status`."""
        return self._status

    async def send(self, message: Req) -> None:
        """See `ClientCall.send`."""
        self._check_sendable()
        data = self._method.request.to_protobuf(message)
        self._connection.check_size(self._method, data)
        if self._writer is None:
            self._has_ended = True
            self._launch(self._connection.packed(data, self._head) if self._is_packing else data)
            return
        await self._writer.wait_for_room()
        if self._writer.is_stopped:
            await self._finished.wait()
        self._check_sendable()
        self._writer.put(self._connection.packed(data, self._head) if self._is_packing else data)

    def _check_sendable(self) -> None:
        if self._error is not None:
            raise self._error
        if self._has_ended or self._status is not None:
            raise anyio.ClosedResourceError

    async def end(self) -> None:
        """See `ClientCall.end`."""
        if not self._has_ended and self._writer is not None:
            self._writer.end()
        self._has_ended = True

    async def receive(self) -> Res:
        """See `ClientCall.receive`."""
        self._release()
        data = await self._reader.get()
        try:
            return self._connection.decoded(self._method, data, self._wanted_loan() if self._is_packing else None)
        except RpcError as error:
            self._end_with(error)
            raise

    def _wanted_loan(self) -> Loan:
        if self._loan is None:
            self._loan = self._connection.budget.loan()
        return self._loan

    def _release(self) -> None:
        """The application has done with the response before: it asked for the next, or has left the call."""
        if self._loan is not None:
            self._loan.release()

    async def initial_metadata(self) -> Metadata:
        """See `ClientCall.initial_metadata`."""
        await self._launched.wait()
        if self._initial is None and self._grpc_call is not None:
            await self._load_initial(self._grpc_call)
        return self._initial if self._initial is not None else EMPTY_METADATA

    def cancel(self) -> None:
        """See `ClientCall.cancel`."""
        self._end_with(RpcError.from_status(Status(StatusCode.CANCELLED, "the call was cancelled by its caller")))

    def _end_with(self, error: RpcError) -> None:
        self._release()
        if self._status is not None:
            return
        self._finish(error)
        call, self._grpc_call = self._grpc_call, None
        if call is None:
            self._launched.set()
            self._connection.ended()
        else:
            # Cancelled before grpcio's task for it has begun, a call keeps itself alive, and with it the channel.
            self._connection.reactor.call_soon(call.cancel)

    # -- grpcio's side

    def _launch(self, *request: bytes) -> Any:
        connection, head = self._connection, self._head
        left_s = ENDLESS_S if head.deadline is None else head.deadline - connection.reactor.now()
        call = connection.streaming_callable(self._method)(
            *request,
            timeout=None if left_s >= ENDLESS_S else max(0.0, left_s),
            metadata=(*head.metadata.pairs, acceptance()) if self._is_packing else head.metadata.pairs or None,
            compression=grpc_compression(head.compression),
        )
        call.add_done_callback(lambda _: self._reader.nudge())
        self._grpc_call = call
        self._launched.set()
        connection.reactor.spawn(self._read)
        return call

    async def _read(self) -> None:
        """Reads until the call has ended, and notes how it did."""
        call, reader = self._grpc_call, self._reader
        if call is None:
            self._connection.ended()  # cancelled before this began
            return
        try:
            while True:
                if not reader.has_room and not self._is_ending(call):
                    await reader.wait_for_room()
                    continue
                data = await call.read()
                if self._initial is None:
                    await self._load_initial(call)
                if data is aio.EOF:
                    break
                reader.put(data)
            trailers = await call.trailing_metadata()
            if self._is_packing:
                self._connection.learn(trailers)
            self._finish(None, status_of(grpc.StatusCode.OK, "", trailers))
        except aio.AioRpcError as error:
            self._finish(self._connection.failure(self._method, error, self._head.response))
        except asyncio.CancelledError:
            # grpcio says so of a call that was cancelled here; otherwise the connection's scope was left.
            call.cancel()
            self._finish(Unavailable(f"the connection to {self._connection.endpoint} was closed by this client"))
        except Exception:  # noqa: BLE001 - logged; let out of this task, it would end the channel
            _log.exception("a call of %s failed within this process", self._method.path)
            call.cancel()
            self._finish(Internal(f"{self._method.path} failed within this client; its log says how"))
        finally:
            # Whoever keeps this object must not keep grpcio's: it holds the connection open.
            self._grpc_call = None
            self._connection.ended()

    def _is_ending(self, call: Any) -> bool:
        """Whether nothing more comes than what grpcio already holds, so that reading it all costs no more memory."""
        return bool(call.done()) or (self._writer is not None and self._writer.is_broken)

    async def _load_initial(self, call: Any) -> None:
        self._initial = metadata_of(await call.initial_metadata())
        if self._head.response is not None:
            self._head.response.initial_metadata = self._initial

    def _finish(self, error: RpcError | None, status: Status = OK_STATUS) -> None:
        if self._status is not None:
            return
        self._error = error
        self._status = status if error is None else error.status
        if self._head.response is not None:
            self._head.response.trailers = self._status.trailers
        self._reader.end(error)
        self._finished.set()
        if self._writer is not None:
            self._writer.stop()
        if self._writing is not None and error is not None:
            # Of a call that fails before it has begun, grpcio never tells the one who waits to write.
            self._writing.cancel()
        self._writing = None
