"""A client's calls: with one reply, or streaming."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import anyio

from eventflux_runtime.loading.compiled import mypyc_attr
from eventflux_runtime.net.waiting import wake_all
from eventflux_runtime.net.wheel import Expirable
from eventflux_runtime.protocol.api import CallHead, ResponseInfo
from eventflux_runtime.protocol.core.event import MessageReceived, StatusReceived
from eventflux_runtime.protocol.driver.client_session import ClientSession, deadline_error, undecodable
from eventflux_runtime.protocol.driver.decoding import PackedMessage, decoded_of
from eventflux_runtime.protocol.driver.encoding import Encoding
from eventflux_runtime.protocol.driver.inbox import Inbox
from eventflux_runtime.protocol.driver.outbox import Outbox
from eventflux_runtime.rpc.attempt_record import AttemptRecord
from eventflux_runtime.rpc.call_observer import CancelCause
from eventflux_runtime.rpc.errors import CodecError
from eventflux_runtime.rpc.metadata import EMPTY_METADATA, Metadata
from eventflux_runtime.rpc.rpc_error import RpcError, Unimplemented
from eventflux_runtime.rpc.status import OK_STATUS, Status, StatusCode

if TYPE_CHECKING:
    from eventflux_runtime.compression.expansion import Loan
    from eventflux_runtime.net.reactor import Waiter

__all__ = ["StreamingCall", "UnaryCall"]

Req = TypeVar("Req")
Res = TypeVar("Res")


@mypyc_attr(acyclic=True)
class UnaryCall(Expirable):
    """One request on its way, one reply awaited.

    It stands in its connection's `_calls` until it has ended, and leaves no cycle then: the collector need not know it.
    """

    __slots__ = (
        "_has_reply",
        "_reply",
        "begun_at",
        "connection",
        "encoding",
        "is_answered",
        "record",
        "reply_bytes",
        "request_bytes",
        "response",
        "stream_id",
        "waiter",
    )

    def __init__(  # noqa: PLR0917 (the path of every call passes no keywords)
        self,
        connection: ClientSession,
        encoding: Encoding,
        stream_id: int,
        waiter: Waiter[Any],
        deadline: float | None,
        response: ResponseInfo | None,
        record: AttemptRecord | None,
        begun_at: float,
    ) -> None:
        self.connection = connection
        self.encoding = encoding
        self.waiter = waiter
        self.expires_at = deadline if deadline is not None else 0.0
        self.preceding = None
        self.following = None
        self.response = response
        self.stream_id = stream_id
        self.is_answered = False
        self.begun_at: float = begun_at
        self.record = record
        self.request_bytes: int = connection.written.size
        self.reply_bytes: int
        self._reply: Any = None
        self._has_reply = False

    def on_headers(self, metadata: Metadata) -> None:
        """Initial metadata arrived."""
        if self.response is not None:
            self.response.initial_metadata = metadata

    def on_message(self, event: MessageReceived, room: int) -> None:
        """The reply, ahead of its status because it fills more than a frame."""
        message = decoded_of(self.encoding.decode, event, self.connection.max_message_bytes)
        self.reply_bytes = event.end - event.start
        self.connection.consumed(self.stream_id, event.end - event.start)
        if isinstance(message, CodecError):
            self.connection.reset(self.stream_id)
            self.fail(undecodable(self.connection, self.encoding, message))
        elif self._has_reply:
            self.connection.reset(self.stream_id)
            self.fail(_too_many())
        else:
            self._reply = message
            self._has_reply = True

    def on_sent(self) -> None:
        """The request is on its way in full; nothing waits for that."""

    def on_status(self, event: StatusReceived) -> None:
        """The reply, still as it came: the caller decodes it when it runs. Or why there is none."""
        self.is_answered = True
        status = event.status
        if self.response is not None:
            self.response.trailers = status.trailers
        if self.waiter.done():
            return
        if status is not OK_STATUS and status.code is not StatusCode.OK:
            self.waiter.set_exception(self.connection.error_of(status, self.encoding.method))
        elif event.has_message and self._has_reply:
            self.fail(_too_many())
        elif event.has_message:
            self.reply_bytes = event.end - event.start
            self.waiter.set_result(event)
        elif self._has_reply:
            self.waiter.set_result(self._reply)
        else:
            self.fail(Unimplemented("the server sent no response"))

    def opened(self, result: Any) -> Any:
        """What `waiter` was given, as the reply itself.

        Raises:
            Internal: it is no message of its type.
            ResourceExhausted: decompressed, it is too long, or there is no room for it.
        """
        connection = self.connection
        if type(result) is StatusReceived:
            result = decoded_of(self.encoding.decode, result, connection.max_message_bytes)
            if isinstance(result, CodecError):
                raise undecodable(connection, self.encoding, result)
        return result if type(result) is not PackedMessage else self._unpacked(result)

    def _unpacked(self, message: PackedMessage) -> Any:
        loan = self.connection.budget.loan()
        try:
            return message.unpack(loan)
        except CodecError as misfit:
            raise undecodable(self.connection, self.encoding, misfit) from misfit
        finally:
            loan.release()

    def fail(self, error: Exception, cause: CancelCause | None = None) -> None:
        """The call ends without a reply."""
        if not self.waiter.done():
            if self.record is not None:
                self.record.cause = cause
            self.waiter.set_exception(error)

    def expire(self) -> None:
        """The deadline passed: the server is told, the caller gets DeadlineExceeded."""
        self.connection.reset(self.stream_id)
        self.fail(deadline_error(self.connection, self.encoding), CancelCause.DEADLINE)


class StreamingCall(Expirable, Generic[Req, Res]):
    """A `ClientCall`."""

    __slots__ = (
        "_compression",
        "_has_ended",
        "_headers",
        "_headers_waiters",
        "_inbox",
        "_loan",
        "_outbox",
        "_record",
        "_response",
        "_status",
        "begun_at",
        "connection",
        "encoding",
        "stream_id",
    )

    def __init__(
        self,
        connection: ClientSession,
        encoding: Encoding,
        stream_id: int,
        head: CallHead,
        record: AttemptRecord | None,
    ) -> None:
        self.connection = connection
        self.encoding = encoding
        self.stream_id = stream_id
        self.expires_at = head.deadline if head.deadline is not None else 0.0
        self.preceding = None
        self.following = None
        self.begun_at: float = perf_counter()
        self._record = record
        self._response = head.response
        self._compression = head.compression
        self._inbox = Inbox(connection.reactor)
        self._loan: Loan | None = None
        self._outbox = Outbox(connection)
        self._headers: Metadata | None = None
        self._headers_waiters: list[Waiter[None]] = []
        self._status: Status | None = None
        self._has_ended = False

    # -- the application's side

    @property
    def status(self) -> Status | None:
        """See `ClientCall.status`."""
        return self._status

    async def send(self, message: Req) -> None:
        """See `ClientCall.send`."""
        outbox = self._outbox
        self._check_sendable()
        while not outbox.is_ready:
            await outbox.wait_ready()
            self._check_sendable()
        is_whole = self.connection.send_message(self.stream_id, message, self.encoding, self._compression)
        size = self.connection.written.size
        self.encoding.tally.sent(size)
        if self._record is not None:
            self._record.sent(size)
        if is_whole:
            await outbox.sent_whole()
        else:
            outbox.sending()
            await outbox.wait_sent()
            self._check_not_failed()

    def _check_sendable(self) -> None:
        self._check_not_failed()
        if self._has_ended or self._status is not None:
            raise anyio.ClosedResourceError

    def _check_not_failed(self) -> None:
        if self._status is not None and self._status.code is not StatusCode.OK:
            raise self.encoding.method.error_of(self._status)

    async def end(self) -> None:
        """See `ClientCall.end`."""
        if self._has_ended or self._status is not None:
            return
        self._has_ended = True
        self.connection.half_close(self.stream_id)

    async def receive(self) -> Res:
        """See `ClientCall.receive`."""
        self._release()
        message, credit = await self._inbox.get()
        if credit >= 0:
            self.connection.consumed(self.stream_id, credit)
        if isinstance(message, CodecError):
            raise self._broken_off(undecodable(self.connection, self.encoding, message))
        result: Res = message if type(message) is not PackedMessage else self._unpacked(message)
        size = credit if credit >= 0 else ~credit
        self.encoding.tally.received(size)
        if self._record is not None:
            self._record.received(size)
        return result

    def _unpacked(self, message: PackedMessage) -> Any:
        loan = self._loan
        if loan is None:
            loan = self._loan = self.connection.budget.loan()
        try:
            return message.unpack(loan)
        except RpcError as error:
            raise self._broken_off(error) from None
        except CodecError as misfit:
            raise self._broken_off(undecodable(self.connection, self.encoding, misfit)) from misfit

    def _broken_off(self, error: RpcError) -> RpcError:
        """The error, with which the call ends here."""
        if self._status is None:
            self.connection.reset(self.stream_id)
            self.fail(error)
        else:
            self.cancel()  # what came behind it is not for anybody
        return error

    def _release(self) -> None:
        """The application has done with the response before: it asked for the next, or has left the call."""
        if self._loan is not None:
            self._loan.release()

    @property
    def ready_bytes(self) -> int:
        """See `ClientCall.ready_bytes`."""
        return self._inbox.ready_bytes

    async def initial_metadata(self) -> Metadata:
        """See `ClientCall.initial_metadata`."""
        while self._headers is None and self._status is None:
            waiter: Waiter[None] = self.connection.reactor.waiter()
            self._headers_waiters.append(waiter)
            await waiter
        return self._headers if self._headers is not None else EMPTY_METADATA

    def cancel(self) -> None:
        """See `ClientCall.cancel`."""
        self._release()
        if self._status is not None:
            if self._inbox.clear():
                self.connection.discard(self.stream_id)
        else:
            self._inbox.clear()
            self.connection.reset(self.stream_id)
            status = Status(StatusCode.CANCELLED, "the call was cancelled by its caller")
            self._finish(status, None, CancelCause.CALLER)

    # -- the connection's side

    def on_headers(self, metadata: Metadata) -> None:
        """Initial metadata arrived."""
        self._headers = metadata
        if self._response is not None:
            self._response.initial_metadata = metadata
        self._wake_headers()

    def on_message(self, event: MessageReceived, room: int) -> None:
        """A response arrived; see `Inbox.arrived`."""
        self._inbox.arrived(event, self.encoding.decode, self.connection.max_message_bytes, room)
        if self._headers is None:
            self._headers = EMPTY_METADATA
            self._wake_headers()

    def on_sent(self) -> None:
        """The core has queued the last of a message that waited for credit."""
        self._outbox.sent()

    def on_status(self, status: Status, message: Any, size: int) -> None:
        """The call ended at the server, with a last message of `size` bytes where that is not below 0."""
        if size >= 0:
            self._inbox.put(message, size)
        self._finish(status, None, None)

    def fail(self, error: Exception, cause: CancelCause | None = None) -> None:
        """The call ends without a status from the server; what waits to be received is dropped."""
        self._release()
        self._inbox.clear()
        if isinstance(error, RpcError):
            self._finish(error.status, error, cause)
        else:
            self._finish(Status(StatusCode.INTERNAL, str(error)), error, cause)

    def expire(self) -> None:
        """The deadline passed: the server is told, the caller gets DeadlineExceeded."""
        self.connection.reset(self.stream_id)
        self.fail(deadline_error(self.connection, self.encoding), CancelCause.DEADLINE)

    def _finish(self, status: Status, error: Exception | None, cause: CancelCause | None) -> None:
        if self._status is not None:
            return
        self._status = status
        self.encoding.tally.ended(status.code, perf_counter() - self.begun_at)
        if self._response is not None:
            self._response.trailers = status.trailers
        if error is None and status.code is not StatusCode.OK:
            error = self.connection.error_of(status, self.encoding.method)
        self._inbox.end(error)
        self._outbox.sent()
        self._wake_headers()
        if self._record is not None:
            self._record.cause = cause
            self._record.ended(status, is_over=status.code is not StatusCode.OK and self._inbox.is_empty)

    def _wake_headers(self) -> None:
        waiters, self._headers_waiters = self._headers_waiters, []
        wake_all(waiters)


def _too_many() -> Unimplemented:
    """What a caller gets for a second response of a method that has one."""
    return Unimplemented("the server sent more than one response")
