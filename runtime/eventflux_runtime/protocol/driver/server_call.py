"""One call, seen from the server, and what it asks of the connection."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from anyio.lowlevel import checkpoint

from eventflux_runtime.compression.expansion import ExpansionBudget
from eventflux_runtime.net.wheel import Expirable
from eventflux_runtime.protocol.driver.decoding import PackedMessage
from eventflux_runtime.protocol.driver.encoding import Encoding
from eventflux_runtime.protocol.driver.inbox import Inbox
from eventflux_runtime.protocol.driver.outbox import Outbox
from eventflux_runtime.protocol.driver.session import Session
from eventflux_runtime.rpc.call_observer import CancelCause
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.errors import CodecError
from eventflux_runtime.rpc.metadata import Metadata
from eventflux_runtime.rpc.method import AnyMethod
from eventflux_runtime.rpc.peer import Peer
from eventflux_runtime.rpc.rpc_error import Cancelled, RpcError
from eventflux_runtime.rpc.status import Status, StatusCode

if TYPE_CHECKING:
    from eventflux_runtime.carrier.api import Pipe
    from eventflux_runtime.compression.expansion import Loan
    from eventflux_runtime.net.reactor import Reactor, TaskHandle
    from eventflux_runtime.protocol.core.event import MessageReceived
    from eventflux_runtime.protocol.core.machine import Machine
    from eventflux_runtime.rpc.config import ServerConfig

__all__ = ["ServerSession", "StreamServerCall"]

_LEFT: Final = Status(StatusCode.CANCELLED, "the client left the call")


class ServerSession(Session):
    """The connection as its calls know it. A class and no protocol: compiled, asking it costs next to nothing."""

    def __init__(self, pipe: Pipe, core: Machine, reactor: Reactor, config: ServerConfig) -> None:
        super().__init__(pipe, core, reactor)
        self.budget = ExpansionBudget.of_server(reactor.decompressed, config)
        self.endpoint: Endpoint | None = None
        """See `ServerConnection.endpoint`."""
        self.protocol = ""
        """See `Context.protocol`; for subclasses."""

    def mark_started(self, call: StreamServerCall) -> None:
        """The call's handler runs, or never will."""
        raise NotImplementedError

    def send_message(self, stream_id: int, message: Any, encoding: Encoding) -> bool:
        """Sends one response of a streaming call; False: part of it waits for credit."""
        raise NotImplementedError

    def send_headers(self, stream_id: int, metadata: Metadata) -> None:
        """Sends initial metadata."""
        raise NotImplementedError

    def send_status(self, call: StreamServerCall, status: Status, message: Any) -> bool:
        """Ends a call; False: the response waits for credit. Where it raises, the call is still open."""
        raise NotImplementedError

    def abort(self, call: StreamServerCall, code: StatusCode, message: str, cause: CancelCause | None) -> None:
        """Ends a call from this side and cancels its handler."""
        raise NotImplementedError

    def consumed(self, stream_id: int, credit: int) -> None:
        """The handler took a message; its credit goes back."""
        raise NotImplementedError


class StreamServerCall(Expirable):
    """A `ServerCall`. What is sent after its end is dropped.

    Most calls come whole and are answered at once: they never have an inbox or an outbox.
    """

    __slots__ = (
        "_has_half_closed",
        "_has_started",
        "_inbox",
        "_loan",
        "_outbox",
        "_request",
        "_request_bytes",
        "_task",
        "begun_at",
        "cancel_cause",
        "connection",
        "encoding",
        "is_finished",
        "metadata",
        "method",
        "outcome",
        "received_bytes",
        "received_messages",
        "sent_bytes",
        "sent_messages",
        "stream_id",
    )

    def __init__(
        self,
        connection: ServerSession,
        encoding: Encoding,
        stream_id: int,
        metadata: Metadata,
        expires_at: float,
    ) -> None:
        self.connection = connection
        self.encoding = encoding
        self.method: AnyMethod = encoding.method
        self.stream_id = stream_id
        self.metadata = metadata
        self.expires_at = expires_at
        self.preceding = None
        self.following = None
        self.is_finished = False
        self.begun_at: float = connection.heard_at
        self.outcome: Status | None = None
        self.cancel_cause: CancelCause | None = None
        self.sent_messages: int = 0
        self.sent_bytes: int = 0
        self.received_messages: int = 0
        self.received_bytes: int = 0
        self._request_bytes: int
        self._has_started = False
        self._has_half_closed = False
        self._task: TaskHandle | None = None
        self._request: Any = None
        self._inbox: Inbox | None = None
        self._loan: Loan | None = None
        self._outbox: Outbox | None = None

    # -- the dispatcher's side

    @property
    def deadline(self) -> float | None:
        """See `ServerCall.deadline`."""
        return self.expires_at or None

    @property
    def peer(self) -> Peer:
        """See `ServerCall.peer`."""
        return self.connection.pipe.peer

    @property
    def endpoint(self) -> Endpoint | None:
        """See `ServerCall.endpoint`."""
        return self.connection.endpoint

    @property
    def protocol(self) -> str:
        """See `ServerCall.protocol`."""
        return self.connection.protocol

    def take_request(self) -> Any:
        """See `ServerCall.take_request`."""
        request = self._request
        if request is not None:
            self._request = None
            self.received_messages = 1
            self.received_bytes = self._request_bytes
            if not self.encoding.is_unary:
                self.encoding.tally.received(self._request_bytes)
        return request

    def _taken(self, size: int) -> None:
        self.received_messages += 1
        self.received_bytes += size
        if not self.encoding.is_unary:
            self.encoding.tally.received(size)

    def _gave(self, size: int) -> None:
        self.sent_messages += 1
        self.sent_bytes += size
        self.encoding.tally.sent(size)

    async def receive(self) -> Any:
        """See `ServerCall.receive`."""
        request = self.take_request()
        if request is not None:
            return request
        self._release()
        try:
            message, credit = await self._wanted_inbox().get()
        except Cancelled:
            # The handler is cancelled already, and learns of it as its event loop does it, not by an RpcError.
            await checkpoint()
            raise
        if credit >= 0 and not self.is_finished:
            self.connection.consumed(self.stream_id, credit)
        if isinstance(message, (CodecError, RpcError)):
            raise message
        taken: Any = message if type(message) is not PackedMessage else self._unpacked(message)
        self._taken(credit if credit >= 0 else ~credit)
        return taken

    def _unpacked(self, message: PackedMessage) -> Any:
        loan = self._loan
        if loan is None:
            loan = self._loan = self.connection.budget.loan()
        return message.unpack(loan)

    def _release(self) -> None:
        """The handler has done with the request before: it asked for the next, or it has ended."""
        if self._loan is not None:
            self._loan.release()

    def _wanted_inbox(self) -> Inbox:
        inbox = self._inbox
        if inbox is None:
            inbox = self._inbox = Inbox(self.connection.reactor)
            if self.is_finished:
                inbox.end(_left())
            elif self._has_half_closed:
                inbox.end(None)
        return inbox

    def _wanted_outbox(self) -> Outbox:
        outbox = self._outbox
        if outbox is None:
            outbox = self._outbox = Outbox(self.connection)
        return outbox

    async def send_initial_metadata(self, metadata: Metadata) -> None:
        """See `ServerCall.send_initial_metadata`."""
        if not self.is_finished:
            self.connection.send_headers(self.stream_id, metadata)

    async def send(self, message: Any) -> None:
        """See `ServerCall.send`."""
        outbox = self._wanted_outbox()
        while not outbox.is_ready and not self._has_ended():
            await outbox.wait_ready()
        if self._has_ended():
            # The handler is cancelled already; it has to get to know even if it does nothing but send.
            await checkpoint()
            return
        is_whole = self.connection.send_message(self.stream_id, message, self.encoding)
        self._gave(self.connection.written.size)
        if is_whole:
            await outbox.sent_whole()
        else:
            outbox.sending()
            await outbox.wait_sent()
            if self._has_ended():
                await checkpoint()

    def finish_now(self, status: Status, message: Any = None) -> bool:
        """See `ServerCall.finish_now`."""
        if self._loan is not None:
            self._loan.release()
        outbox = self._outbox
        if self.is_finished:
            return outbox is None or not outbox.is_sending
        if outbox is None:
            if self.connection.pipe.is_congested:
                return False
        elif not outbox.is_ready:
            return False
        if self.connection.send_status(self, status, message):
            return True
        self._wanted_outbox().sending()
        return False

    async def finish(self, status: Status, message: Any = None) -> None:
        """See `ServerCall.finish`."""
        while not self.finish_now(status, message):
            await self._wanted_outbox().wait_ready()

    def abandon(self) -> None:
        """See `ServerCall.abandon`."""
        self._release()
        if not self.is_finished:
            self.connection.abort(self, StatusCode.CANCELLED, "the handler was cancelled", None)

    def _has_ended(self) -> bool:
        # A function, because the end can come during any wait.
        return self.is_finished

    # -- the connection's side

    def run_in(self, task: TaskHandle) -> None:
        """The handler runs in a task, or will."""
        self._task = task

    def starts(self) -> bool:
        """Its handler runs, or never will; whether that is news."""
        is_news = not self._has_started
        self._has_started = True
        return is_news

    def on_answered(self, status: Status, size: int, ended_at: float) -> None:
        """Its only response, of so many bytes, and its status are with the core."""
        self.is_finished = True
        self.outcome = status
        encoding = self.encoding
        if encoding.is_unary and self.received_messages:
            self.sent_messages = 1
            self.sent_bytes = size
            encoding.tally.exchanged(ended_at - self.begun_at, size, self.received_bytes)
        else:
            self._gave(size)
            self.on_finished(status, ended_at)

    def on_finished(self, status: Status, ended_at: float) -> None:
        """Its status is with the core; what is sent from now on is dropped."""
        self.is_finished = True
        self.outcome = status
        encoding = self.encoding
        encoding.tally.ended(status.code, ended_at - self.begun_at)
        if encoding.is_unary:
            encoding.tally.add_messages(0, 0, self.received_messages, self.received_bytes)

    def on_first_message(self, message: Any, size: int) -> None:
        """The request that came with the call itself, or what stands in its place: an error, or a packed message."""
        if type(message) is PackedMessage or isinstance(message, CodecError):
            self._wanted_inbox().put(message, size)
        else:
            self._request = message
            self._request_bytes = size

    def on_message(self, event: MessageReceived, max_bytes: int, room: int) -> None:
        """A request arrived; see `Inbox.arrived`."""
        self._wanted_inbox().arrived(event, self.encoding.decode, max_bytes, room)

    def on_half_close(self) -> None:
        """No request follows."""
        self._has_half_closed = True
        if self._inbox is not None:
            self._inbox.end(None)

    def on_sent(self) -> None:
        """The core has queued the last of a message that waited for credit."""
        if self._outbox is not None:
            self._outbox.sent()

    def leave(self, cause: CancelCause | None) -> None:
        """The call is cut short: whoever waits is woken and the handler is cancelled."""
        self.cancel_cause = cause
        if not self.is_finished:
            self.on_finished(_LEFT if cause is not CancelCause.DEADLINE else self._expired(), perf_counter())
        self.connection.mark_started(self)
        if self._inbox is not None:
            self._inbox.clear()
            self._inbox.end(_left())
        if self._outbox is not None:
            self._outbox.sent()
        if self._task is not None:
            self._task.cancel()

    def expire(self) -> None:
        """The deadline passed: the client gets the status, the handler is cancelled."""
        status = self._expired()
        self.connection.abort(self, status.code, status.message, CancelCause.DEADLINE)

    def _expired(self) -> Status:
        return Status(StatusCode.DEADLINE_EXCEEDED, f"{self.method.path} ran past the client's deadline")


def _left() -> Cancelled:
    return Cancelled("the client left the call")
