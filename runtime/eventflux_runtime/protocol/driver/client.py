"""The client's end of a connection: starts calls, and matches replies to them."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, TypeVar

from eventflux_runtime.protocol.api import CallHead, ClientCall, ConnectionState
from eventflux_runtime.protocol.core.error import LimitError
from eventflux_runtime.protocol.core.event import (
    HEADERS_RECEIVED,
    MESSAGE_RECEIVED,
    MESSAGE_SENT,
    STATUS_RECEIVED,
    STREAM_RESET,
    Event,
    HeadersReceived,
    MessageReceived,
    MessageSent,
    StatusReceived,
    StreamReset,
)
from eventflux_runtime.protocol.core.machine import Machine
from eventflux_runtime.protocol.driver.client_call import StreamingCall, UnaryCall
from eventflux_runtime.protocol.driver.client_life import ClientLife
from eventflux_runtime.protocol.driver.client_session import deadline_error, undecodable
from eventflux_runtime.protocol.driver.decoding import decoded_of
from eventflux_runtime.protocol.driver.encoding import Encode, Encoding
from eventflux_runtime.protocol.driver.inbox import AHEAD_BYTES
from eventflux_runtime.protocol.driver.packing import Packer, write_packed
from eventflux_runtime.rpc.attempt_record import AttemptRecord
from eventflux_runtime.rpc.call_observer import CancelCause
from eventflux_runtime.rpc.config import Compression
from eventflux_runtime.rpc.deadline import ENDLESS_S
from eventflux_runtime.rpc.errors import CodecError
from eventflux_runtime.rpc.metadata import Metadata
from eventflux_runtime.rpc.method import Method
from eventflux_runtime.rpc.rpc_error import Internal, ResourceExhausted, RpcError, Unavailable
from eventflux_runtime.rpc.status import Status, StatusCode

if TYPE_CHECKING:
    from eventflux_runtime.carrier.api import Pipe
    from eventflux_runtime.net.reactor import Reactor
    from eventflux_runtime.rpc.config import ClientConfig
    from eventflux_runtime.rpc.endpoint import Endpoint

__all__ = ["ClientConnectionBase"]

_PLAIN: Final = Compression.NONE
_ENDLESS_US: Final = int(ENDLESS_S * 1e6)
_READY: Final = ConnectionState.READY
_DRAINING: Final = ConnectionState.DRAINING

Req = TypeVar("Req")
Res = TypeVar("Res")


class ClientConnectionBase(ClientLife):
    """A `ClientConnection` over any pipe. Each protocol says how it names methods and opens streams.

    Invariants: `_awake` counts callers whose reply has arrived and who have not run since; while it is above 0 a new
    request may wait for theirs, and the last of them writes for all. The first request of a turn of the loop is written
    at once, and those of the same turn after it together.
    """

    def __init__(self, pipe: Pipe, core: Machine, reactor: Reactor, endpoint: Endpoint, config: ClientConfig) -> None:
        super().__init__(pipe, core, reactor, endpoint, config)
        self._packer = Packer(core, config.compression_min_bytes)
        self._awake = 0
        self._has_written = False
        self._turn_at = 0.0
        """When the calls of this turn began, on the clock of durations; of use while others begin in the same turn."""
        self._waiter = reactor.waiter
        self._handlers[HEADERS_RECEIVED] = self._on_headers
        self._handlers[MESSAGE_RECEIVED] = self._on_message
        self._handlers[STATUS_RECEIVED] = self._on_status
        self._handlers[STREAM_RESET] = self._on_reset
        self._handlers[MESSAGE_SENT] = self._on_sent

    # -- what protocols do in their own way

    def encoding_of(self, method: Method[Any, Any]) -> Encoding:
        """How a method is called; for subclasses.

        Raises:
            Unimplemented: the server does not serve it, or not in a way that this side can speak.
            MissingExtraError: this side cannot.
        """
        raise NotImplementedError

    def open_stream(
        self,
        encoding: Encoding,
        timeout_us: int,
        metadata: Metadata,
        message: Any,
        encode: Encode | None,
        end: bool,
        compression_id: int,
    ) -> int:
        """Begins a call and returns its stream id; for subclasses.

        Args:
            encoding: of the method.
            timeout_us: microseconds until the deadline; -1: none.
            metadata: sent ahead of the message.
            message: the first message, where there is an `encode`.
            encode: appends the message to a writer; None: the call begins without one.
            end: half-close; nothing follows.
            compression_id: 0, or how the message is compressed; without one, how those to come may be.

        Raises:
            LimitError: over a limit of the peer. Nothing was sent.
            LocalProtocolError: no handshake yet, draining, or closed.
        """
        raise NotImplementedError

    # -- calls

    async def unary(
        self, method: Method[Req, Res], request: Req, head: CallHead, record: AttemptRecord | None = None
    ) -> Res:
        """See `ClientConnection.unary`."""
        encoding = self.encoding_of(method)
        if self.pipe.is_congested:
            await self.wait_for_room_until(head.deadline)
        call = self._begin(encoding, request, head, record)
        try:
            try:
                result: Any = await call.waiter
            finally:
                if call.is_answered:
                    self._awake -= 1
            reply: Res = call.opened(result)
        except BaseException as error:
            if self._end_call(call.stream_id) is not None:
                self._reset(call.stream_id)
            code = error.code if isinstance(error, RpcError) else StatusCode.CANCELLED
            encoding.tally.sent(call.request_bytes)
            encoding.tally.ended(code, perf_counter() - call.begun_at)
            raise
        encoding.tally.exchanged(self.heard_at - call.begun_at, call.request_bytes, call.reply_bytes)
        if record is not None:
            record.received(call.reply_bytes)
        return reply

    def _begin(self, encoding: Encoding, request: Any, head: CallHead, record: AttemptRecord | None) -> UnaryCall:
        """Sends a request on its way, or queues it for the end of this turn."""
        now = 0.0
        timeout_us = -1
        if head.deadline is not None:
            now = self.now()
            timeout_us = self._timeout_us(head.deadline, now, encoding)
        self._check_open()
        try:
            if head.compression is _PLAIN:
                stream_id = self.open_stream(encoding, timeout_us, head.metadata, request, encoding.encode, True, 0)
            else:
                stream_id = self._open_packed(encoding, timeout_us, request, head)
        except LimitError as error:
            raise ResourceExhausted(str(error), unprocessed=True) from None
        # One look at the clock for all that begin in a turn: each ends by the time of the turn that brought its reply.
        if self._awake:
            self._turn_at = self.heard_at
        elif not self._has_written:
            self._turn_at = perf_counter()
        call = UnaryCall(self, encoding, stream_id, self._waiter(), head.deadline, head.response, record, self._turn_at)
        self._calls[stream_id] = call
        encoding.tally.begun_calls += 1
        if record is not None:
            record.sent(call.request_bytes)
        if head.deadline is not None:
            self.wheel.add(call, now)
        if self.core.has_plenty:
            self.flush()
        elif self._awake or self._has_written:
            self.flush_soon()
        else:
            self._has_written = True
            self.reactor.call_soon(self._turn_over)
            self.flush()
        return call

    def _timeout_us(self, deadline: float, now: float, encoding: Encoding) -> int:
        left_s = deadline - now
        timeout_us = int(left_s * 1e6) if left_s < ENDLESS_S else _ENDLESS_US
        if timeout_us <= 0:
            raise deadline_error(self, encoding)
        return timeout_us

    def _turn_over(self) -> None:
        self._has_written = False

    def _open_packed(self, encoding: Encoding, timeout_us: int, request: Any, head: CallHead) -> int:
        data, wire_id = self._packer.pack(request, encoding.encode, head.compression, 0)
        return self.open_stream(encoding, timeout_us, head.metadata, data, write_packed, True, wire_id)

    def start(
        self, method: Method[Req, Res], head: CallHead, record: AttemptRecord | None = None
    ) -> ClientCall[Req, Res]:
        """See `ClientConnection.start`."""
        encoding = self.encoding_of(method)
        now = self.now()
        timeout_us = self._timeout_us(head.deadline, now, encoding) if head.deadline is not None else -1
        self._check_open()
        try:
            wire_id = 0 if head.compression is _PLAIN else self._packer.usable_id(head.compression, 0)
            stream_id = self.open_stream(encoding, timeout_us, head.metadata, None, None, False, wire_id)
        except LimitError as error:
            raise ResourceExhausted(str(error), unprocessed=True) from None
        call: StreamingCall[Req, Res] = StreamingCall(self, encoding, stream_id, head, record)
        self._calls[stream_id] = call
        encoding.tally.begun_calls += 1
        if head.deadline is not None:
            self.wheel.add(call, now)
        self.flush_soon()
        return call

    def _check_open(self) -> None:
        if self.state is not _READY:
            raise Unavailable(
                f"the connection to {self.endpoint} is {self.state.value}; the call never left", unprocessed=True
            )
        if len(self._calls) >= self.max_calls:
            raise ResourceExhausted(
                f"{self.endpoint} allows {self.max_calls} calls in flight on a connection: wait for some to end",
                unprocessed=True,
            )

    # -- what calls do

    def send_message(self, stream_id: int, message: Any, encoding: Encoding, compression: Compression) -> bool:
        """Sends one message of a streaming call; False: part of it waits for credit."""
        try:
            if compression is _PLAIN:
                is_whole = self.core.send_message(stream_id, message, encoding.encode)
            else:
                data, wire_id = self._packer.pack(message, encoding.encode, compression, stream_id)
                is_whole = self.core.send_message(stream_id, data, write_packed, False, wire_id)
        except LimitError as error:
            raise ResourceExhausted(str(error)) from None
        self.flush_soon()
        return is_whole

    def half_close(self, stream_id: int) -> None:
        """Says that no request follows."""
        self.core.half_close(stream_id)
        self.flush_soon()

    def consumed(self, stream_id: int, credit: int) -> None:
        """The application took a message; its credit goes back."""
        self.core.consumed(stream_id, credit)
        if self.core.has_output:
            self.flush_soon()

    def discard(self, stream_id: int) -> None:
        """The application takes nothing more of a call that has ended."""
        if not self._is_lost:
            self.core.discard(stream_id)
            if self.core.has_output:
                self.flush_soon()

    def reset(self, stream_id: int) -> None:
        """Ends a call from this side."""
        self._end_call(stream_id)
        self._reset(stream_id)

    def _reset(self, stream_id: int) -> None:
        if not self._is_lost:
            self.core.reset(stream_id, StatusCode.CANCELLED)
            self.flush_soon()

    # -- events

    def break_off(self, event: Event) -> None:
        """See `Session.break_off`."""
        stream_id = getattr(event, "stream_id", 0)
        call = self._calls.get(stream_id)
        if call is None:
            return
        self._end_call(stream_id)
        self._reset(stream_id)
        call.fail(Internal(f"{call.encoding.method.path} failed within this client; its log says how"))

    def _on_headers(self, event: HeadersReceived) -> None:
        call = self._calls.get(event.stream_id)
        if call is not None:
            call.on_headers(event.metadata)

    def _on_message(self, event: MessageReceived) -> None:
        call = self._calls.get(event.stream_id)
        if call is not None:
            call.on_message(event, AHEAD_BYTES // len(self._calls))

    def _on_status(self, event: StatusReceived) -> None:
        call = self._end_call(event.stream_id)
        if isinstance(call, UnaryCall):
            self._awake += 1
            call.on_status(event)
        elif call is not None:
            message: Any = None
            size = -1
            if event.has_message:
                size = event.end - event.start
                message = decoded_of(call.encoding.decode, event, self.max_message_bytes)
                if isinstance(message, CodecError):
                    call.fail(undecodable(self, call.encoding, message))
                    return
            call.on_status(event.status, message, size)

    def _on_reset(self, event: StreamReset) -> None:
        call = self._end_call(event.stream_id)
        if call is None:
            return
        if event.code is StatusCode.CANCELLED and 0.0 < call.expires_at <= self.now():
            # The server's timer ran ahead of ours.
            call.fail(deadline_error(self, call.encoding), CancelCause.DEADLINE)
            return
        reason = f": {event.reason}" if event.reason else ""
        side = "this side" if event.is_local else str(self.endpoint)
        status = Status(event.code, f"{side} broke off the call{reason}")
        call.fail(RpcError.from_status(status, unprocessed=event.unprocessed))

    def _on_sent(self, event: MessageSent) -> None:
        call = self._calls.get(event.stream_id)
        if call is not None:
            call.on_sent()
