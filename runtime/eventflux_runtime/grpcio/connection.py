"""The client's end: one channel as a `ClientConnection`, and the calls on it.

Invariants: a channel to one address leaves READY for good when grpcio reports any other connectivity, so that the pool
knows the truth and grpcio never connects a second time; one to a target that grpcio resolves is grpcio's to mend. The
channel is closed when it has left READY and no call is in flight. A call's status is set once; once grpcio's call has
ended, nothing here holds it, because it keeps the connection open.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, Generic, TypeVar

import anyio
import grpc
from grpc import aio

from eventflux_runtime.grpcio.codec import decoded, encoded
from eventflux_runtime.grpcio.count import CallCount
from eventflux_runtime.grpcio.operation import Operations
from eventflux_runtime.grpcio.status import metadata_of, status_of
from eventflux_runtime.net.reactor import Reactor
from eventflux_runtime.protocol.api import CallHead, ClientCall, ConnectionState
from eventflux_runtime.rpc.attempt_record import AttemptRecord
from eventflux_runtime.rpc.call_observer import CancelCause
from eventflux_runtime.rpc.call_tally import TallyBook
from eventflux_runtime.rpc.config import ClientConfig, Compression
from eventflux_runtime.rpc.deadline import ENDLESS_S
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.metadata import EMPTY_METADATA, Metadata
from eventflux_runtime.rpc.method import AnyMethod, Method, MethodKind
from eventflux_runtime.rpc.rpc_error import DeadlineExceeded, Internal, RpcError, Unavailable, Unimplemented
from eventflux_runtime.rpc.status import Status, StatusCode

__all__ = ["GrpcioConnection", "close_channel"]

Req = TypeVar("Req")
Res = TypeVar("Res")

_READY: Final = grpc.ChannelConnectivity.READY
_CLOSED: Final = "the connection was closed by this client"
_LOST: Final = "Internal error from Core"
"""What grpcio puts in place of the server's status, if a request was being sent when that came (grpc/grpc#36066)."""


class GrpcioConnection:
    """A `ClientConnection` over a channel that is connected."""

    max_calls = 2**31 - 1
    """grpcio does not tell the server's limit; it queues the calls above it."""

    def __init__(self, channel: aio.Channel, endpoint: Endpoint, reactor: Reactor, config: ClientConfig) -> None:
        self.state = ConnectionState.READY
        self.active_calls = 0
        self.tallies = TallyBook()
        self.reactor = reactor
        self._endpoint = endpoint
        self._max_bytes = config.max_message_bytes
        self._min_packed_bytes = config.compression_min_bytes
        self._channel: aio.Channel | None = channel
        self._released = asyncio.Event()
        self._lost: asyncio.Task[None] | None = None
        if not endpoint.is_resolved_by_protocol:
            self._lost = asyncio.ensure_future(channel.wait_for_state_change(_READY))
            self._lost.add_done_callback(lambda _: self.drain())
        reactor.spawn(self._close_when_released)

    async def _close_when_released(self) -> None:
        try:
            await self._released.wait()
        finally:
            await self.aclose()

    def _drain_if_lost(self) -> None:
        """Looks before grpcio reports it, so that a call gets no lost connection: grpcio would connect anew."""
        if self._lost and self._channel and self._channel.get_state() is not _READY:
            self.drain()

    def drain(self) -> None:
        """See `ClientConnection.drain`."""
        if self.state is ConnectionState.READY:
            self.state = ConnectionState.DRAINING
            self._release_if_idle()

    def ended(self) -> None:
        """Counts a call out."""
        self.active_calls -= 1
        self._release_if_idle()

    def _release_if_idle(self) -> None:
        if not self.active_calls and self.state is ConnectionState.DRAINING:
            self.state = ConnectionState.CLOSED
            self._released.set()

    async def aclose(self) -> None:
        """See `ClientConnection.aclose`."""
        self.state = ConnectionState.CLOSED
        self._released.set()
        with anyio.CancelScope(shield=True):
            await asyncio.sleep(0)  # so that grpcio's tasks for the latest calls have begun; see `cancel`
            channel, lost = self._channel, self._lost
            # What is kept of a channel keeps grpcio's thread at work, even if the channel is closed.
            self._channel = self._lost = None
            if channel is not None:
                await close_channel(channel, lost)

    async def unary(
        self, method: Method[Req, Res], request: Req, head: CallHead, record: AttemptRecord | None = None
    ) -> Res:
        """See `ClientConnection.unary`."""
        data = self.request_bytes(method, request)
        self._begin(method, head)
        count = CallCount(self.tallies.of(method.path), record)
        try:
            try:
                status, reply = await self._exchange(method, head, data, count)
            finally:
                self.ended()
            if status.code is not StatusCode.OK:
                raise method.error_of(status)
            if reply is None:
                raise Unimplemented("the server sent no response")
            response = self.response(method, reply)
        except BaseException as error:
            count.failed(error)
            raise
        count.received(len(reply))
        count.ended(status.code)
        return response

    async def _exchange(
        self, method: AnyMethod, head: CallHead, data: bytes, count: CallCount
    ) -> tuple[Status, bytes | None]:
        # Not within `unary`, whose frame an error holds: whoever kept that would keep the call, and so the connection.
        call = self.launch(method, head, data)
        count.sent(len(data))
        replying = asyncio.ensure_future(_reply(call))
        try:
            await asyncio.wait({replying})
        except asyncio.CancelledError:
            self.cancel(call)
            raise
        reply = None if replying.cancelled() else replying.result()
        status = await self.outcome(method, head, call)
        count.cause = self.cause_of(status)
        return status, reply

    def cause_of(self, status: Status) -> CancelCause | None:
        """What cut a call of this status short, as far as grpcio tells."""
        if status.code is not StatusCode.UNAVAILABLE:
            return None
        if self._channel is None:
            return CancelCause.STOPPED
        return None if self.state is ConnectionState.READY else CancelCause.DISCONNECTED

    def start(
        self, method: Method[Req, Res], head: CallHead, record: AttemptRecord | None = None
    ) -> ClientCall[Req, Res]:
        """See `ClientConnection.start`."""
        self._begin(method, head)
        count = CallCount(self.tallies.of(method.path), record)
        try:
            return _StreamingCall(self, method, head, count)
        except BaseException as error:
            count.failed(error)
            self.ended()
            raise

    def _begin(self, method: AnyMethod, head: CallHead) -> None:
        self._drain_if_lost()
        if self.state is not ConnectionState.READY:
            raise Unavailable(f"the connection is {self.state.value}; the call never left", unprocessed=True)
        if head.deadline is not None and head.deadline <= self.reactor.now():
            raise DeadlineExceeded(f"the deadline of {method.path} had passed before the call left")
        self.active_calls += 1

    def launch(self, method: AnyMethod, head: CallHead, *request: bytes) -> Any:
        """Starts a call at grpcio, with the one request that the method takes or with none. Raises Unavailable."""
        if self._channel is None:
            raise Unavailable(_CLOSED, unprocessed=True)
        left_s = ENDLESS_S if head.deadline is None else head.deadline - self.reactor.now()
        is_gzip = head.compression is Compression.GZIP and not (request and len(request[0]) < self._min_packed_bytes)
        make: Any = self._channel.stream_stream  # on the wire, all calls that stream requests are alike
        if not method.kind.streams_requests:
            make = self._channel.unary_unary if method.kind is MethodKind.UNARY else self._channel.unary_stream
        return make(method.path)(
            *request,
            timeout=None if left_s >= ENDLESS_S else max(0.0, left_s),
            metadata=head.metadata.pairs or None,
            compression=grpc.Compression.Gzip if is_gzip else None,
        )

    def request_bytes(self, method: Method[Req, Res], message: Req) -> bytes:
        """A request as it is sent. Raises CodecError, or ResourceExhausted above the limit."""
        return encoded(method.request, message, self._max_bytes, "ClientConfig.max_message_bytes")

    def response(self, method: Method[Req, Res], data: bytes) -> Res:
        """A response. Raises Internal where it is no message of its type."""
        try:
            return decoded(method.response, data)
        except Exception as error:  # CodecError, or what a codec fails with that is not ours
            text = f"a response to {method.path} from {self._endpoint} cannot be decoded: {error}"
            raise Internal(text) from error

    async def outcome(self, method: AnyMethod, head: CallHead, call: Any) -> Status:
        """How a call of grpcio's ended; waits for that. Fills in the head's response."""
        status = status_of(await call.code(), await call.details(), await call.trailing_metadata())
        if head.response is not None:
            head.response.initial_metadata = metadata_of(await call.initial_metadata())
            head.response.trailers = status.trailers
        code, text = status.code, status.message
        if code is StatusCode.CANCELLED and self._channel is None:
            code, text = StatusCode.UNAVAILABLE, _CLOSED
        elif code is StatusCode.DEADLINE_EXCEEDED:
            text = f"{text}: no answer to {method.path} in time; raise timeout_s if the server needs longer"
        elif code is StatusCode.UNAVAILABLE:
            self._drain_if_lost()
        elif code is StatusCode.INTERNAL and text == _LOST:
            text = f"{text}: {method.path} was ended by the server while a request was sent, and grpcio lost its status"
        return status if text is status.message else Status(code, text, status.details, status.trailers)

    def cancel(self, call: Any) -> None:
        """Cancels a call of grpcio's, once its task has begun: one cancelled before keeps itself and the channel."""
        self.reactor.call_soon(call.cancel)


class _StreamingCall(Generic[Req, Res]):
    """A `ClientCall`. One of a single request starts at grpcio when that is sent, so that both leave together."""

    def __init__(
        self, connection: GrpcioConnection, method: Method[Req, Res], head: CallHead, count: CallCount
    ) -> None:
        self.status: Status | None = None
        self._count = count
        self._connection = connection
        self._method = method
        self._head = head
        self._call: Any = None
        self._reads, self._writes = Operations(), Operations()
        self._watching: asyncio.Task[None] | None = None
        self._launched, self._finished = asyncio.Event(), asyncio.Event()
        self._initial = EMPTY_METADATA
        self._has_ended = self._is_given_up = False
        if method.kind.streams_requests:
            self._launch()

    def _launch(self, *request: bytes) -> None:
        self._call = self._connection.launch(self._method, self._head, *request)
        self._watching = asyncio.ensure_future(self._watch(self._call))
        self._reads.start(self._read)
        self._launched.set()

    async def _watch(self, call: Any) -> None:
        """Waits for the end of the call and notes how it was."""
        try:
            status = await self._connection.outcome(self._method, self._head, call)
            self._initial = metadata_of(await call.initial_metadata())
            if self.status is None:
                self._count.cause = self._connection.cause_of(status)
            self._finish(status)
        finally:
            self._writes.close()
            self._call = None
            self._connection.ended()

    def _finish(self, status: Status) -> None:
        if self.status is None:
            self.status = status
            self._finished.set()
            self._count.ended(status.code, status, is_over=self._is_given_up)

    async def send(self, message: Req) -> None:
        """See `ClientCall.send`."""
        self._check_sendable()
        data = self._connection.request_bytes(self._method, message)
        if not self._method.kind.streams_requests:
            self._has_ended = True
            try:
                self._launch(data)
            except RpcError as error:
                self._give_up(error.status)
                raise
            self._count.sent(len(data))
            return
        await self._writes.wait()
        if self._call is None or self._call.done():
            await self._finished.wait()
        self._check_sendable()
        self._writes.start(self._call.write, data)
        self._count.sent(len(data))

    def _check_sendable(self) -> None:
        if self.status is not None and self.status.code is not StatusCode.OK:
            raise self._method.error_of(self.status)
        if self._has_ended or self.status is not None:
            raise anyio.ClosedResourceError

    async def end(self) -> None:
        """See `ClientCall.end`."""
        if not self._has_ended and self._call is not None:
            self._writes.start(self._call.done_writing)
        self._has_ended = True

    async def receive(self) -> Res:
        """See `ClientCall.receive`."""
        await self._launched.wait()
        data = None if self._is_given_up else await self._reads.next(self._read)
        if data is not None and not self._is_given_up:
            try:
                response = self._connection.response(self._method, data)
                self._count.received(len(data))
                return response
            except RpcError as error:
                self._give_up(error.status)
                self.status = error.status
                raise
        await self._finished.wait()
        assert self.status is not None
        if self.status.code is StatusCode.OK:
            raise anyio.EndOfStream
        raise self._method.error_of(self.status)

    @property
    def ready_bytes(self) -> int:
        """See `ClientCall.ready_bytes`. grpcio does not tell."""
        return -1

    async def _read(self) -> Any:
        try:
            return None if self._call is None else await self._call.read()
        except (TypeError, ValueError) as error:  # grpcio cannot even begin the call, as with metadata that is none
            self._give_up(Internal(f"{self._method.path} cannot be called: {error}").status)

    async def initial_metadata(self) -> Metadata:
        """See `ClientCall.initial_metadata`."""
        await self._launched.wait()
        if self._call is not None:
            self._initial = metadata_of(await self._call.initial_metadata())
        return self._initial

    def cancel(self) -> None:
        """See `ClientCall.cancel`."""
        if self.status is None:
            self._count.cause = CancelCause.CALLER
        self._give_up(Status(StatusCode.CANCELLED, "the call was cancelled by its caller"))

    def _give_up(self, status: Status) -> None:
        """Ends the call from this side; what was not received is dropped."""
        self._is_given_up = True
        self._reads.close()
        if self.status is not None:
            return
        self._finish(status)
        if self._call is not None:
            self._connection.cancel(self._call)
        else:
            self._launched.set()
            self._connection.ended()


async def _reply(call: Any) -> bytes | None:
    try:
        reply: bytes = await call
    except aio.AioRpcError:
        return None
    return reply


async def close_channel(channel: aio.Channel, watch: asyncio.Task[Any] | None) -> None:
    """Closes a channel, and waits for the watch over its state: the thread that ends it must find the loop alive."""
    await channel.close()
    if watch is not None:
        await asyncio.wait({watch}, timeout=1.0)  # it would take longer only where somebody holds a call of the channel
        if not watch.cancel() and not watch.cancelled():
            watch.exception()  # grpcio's complaint that the channel was closed before the watch began
