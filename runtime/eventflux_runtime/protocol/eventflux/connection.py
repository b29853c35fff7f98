"""The server's end of a connection in EventFlux's own frames: each message is a call, its answer goes back in a frame.

Such a peer numbers nothing and expects answers in the order of its messages, so one message is served at a time.

Invariants: while more than `HIGH_WATER_BYTES` wait to be served, nothing is read; after `on_lost` nothing is served;
while a frame has begun and not ended, `_stall` stands in the reactor's wheel; each message is served in a task and a
context of its own, as a call of any other wire is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from eventflux_runtime.carrier.api import wait_closed
from eventflux_runtime.net.limited_log import LimitedLog
from eventflux_runtime.net.waiting import wake
from eventflux_runtime.net.wheel import Alarm
from eventflux_runtime.protocol.api import Dispatcher
from eventflux_runtime.protocol.eventflux.frame import HEADER_BYTES, MIN_BYTES_PER_S, FrameReader, encode_frame
from eventflux_runtime.protocol.sniff import EVENTFLUX_MAX_FRAME_BYTES
from eventflux_runtime.rpc.binding import AnyBinding
from eventflux_runtime.rpc.call_observer import CancelCause
from eventflux_runtime.rpc.config import ServerConfig
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.errors import ProtocolError
from eventflux_runtime.rpc.metadata import Metadata
from eventflux_runtime.rpc.method import AnyMethod, PeerCodec
from eventflux_runtime.rpc.peer import Peer
from eventflux_runtime.rpc.rpc_error import ResourceExhausted
from eventflux_runtime.rpc.status import Status, StatusCode

if TYPE_CHECKING:
    from eventflux_runtime.carrier.api import Pipe, PipeHandler
    from eventflux_runtime.net.reactor import Reactor, TaskHandle, Waiter

__all__ = ["EventFluxConnection", "EventFluxServerCall"]

HIGH_WATER_BYTES: Final = 1024 * 1024
"""Bytes of messages that wait to be served at which reading stops."""
FRAME_COST_BYTES: Final = 1024
"""What a waiting message counts beside its bytes, so that empty ones count too."""
PEER_METADATA: Final = Metadata((("eventflux-frames", "1"),))
"""What a handler finds in the metadata of such a peer's calls: of its answer, only what such frames carry arrives."""
_LAST_S: Final = 0.9
"""Seconds that a peer has to take what is left for it, once its last message was given up."""


class EventFluxConnection:
    """One EventFlux peer: a `PipeHandler`."""

    def __init__(
        self,
        pipe: Pipe,
        binding: AnyBinding,
        reactor: Reactor,
        dispatcher: Dispatcher,
        config: ServerConfig,
        on_lost: Callable[[EventFluxConnection], None],
        log: LimitedLog,
    ) -> None:
        codec = binding.method.peer
        assert codec is not None
        self.pipe = pipe
        self.endpoint: Endpoint | None = None
        self.max_frame_bytes = min(config.max_message_bytes, EVENTFLUX_MAX_FRAME_BYTES)
        self._codec: PeerCodec[Any] = codec
        self._binding = binding
        self._reactor = reactor
        self._dispatcher = dispatcher
        self._notify_lost = on_lost
        self._log = log
        self._reader = FrameReader(self.max_frame_bytes)
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._is_paused = False
        self._is_serving = False
        self._is_leaving = False
        self._is_broken = False
        self._is_lost = False
        self.tally: Final = dispatcher.tallies.of(binding.method.path)
        self._call: EventFluxServerCall | None = None
        self._task: TaskHandle | None = None
        self._room: Waiter[None] | None = None
        self._patience_s = config.handshake_timeout_s
        self._stall: Alarm | None = None
        self._frames = 0

    @property
    def active_calls(self) -> int:
        """Messages that are being served or wait for it; one more while the peer has not taken every answer."""
        return len(self._waiting) + int(self._is_serving) + int(self.pipe.unsent_bytes > 0)

    # -- the pipe

    def start(self, handler: PipeHandler | None = None) -> None:
        """See `ServerConnection.start`."""
        self.pipe.start(self if handler is None else handler)

    def step_aside(self) -> None:
        """See `ServerConnection.step_aside`; nothing of it stands anywhere before there are bytes."""

    def on_data(self, data: bytes) -> None:
        """See `PipeHandler.on_data`."""
        if self._is_leaving:
            return
        self._reader.receive_data(data)
        try:
            while (body := self._reader.next_frame()) is not None:
                self._frames += 1
                self._waiting.append(body)
                self._waiting_bytes += len(body) + FRAME_COST_BYTES
        except ProtocolError as error:
            self._fail(error)
        self._serve_next()
        if self._waiting_bytes > HIGH_WATER_BYTES and not self._is_paused:
            self._is_paused = True
            self.pipe.pause_reading()
        if self._stall is None and self._reader.is_within_frame and not self._is_leaving:
            self._watch()

    def _watch(self) -> None:
        """Looks in a while whether the frame that has begun comes on."""
        frames = self._frames
        enough = self._reader.received + int(self._patience_s * MIN_BYTES_PER_S)

        def look() -> None:
            self._stall = None
            if self._is_leaving or not self._reader.is_within_frame:
                return
            is_held_up = self._is_paused or self.pipe.is_congested
            if is_held_up or self._frames > frames or self._reader.received >= enough:
                self._watch()
            else:
                self._fail(ProtocolError(f"a frame has begun and did not come on for {self._patience_s:g} s"))

        now = self._reactor.now()
        self._stall = Alarm(now + self._patience_s, look)
        self._reactor.wheel.add(self._stall, now)

    def on_eof(self) -> None:
        """See `PipeHandler.on_eof`."""
        try:
            self._reader.receive_eof()
        except ProtocolError as error:
            self._fail(error)

    def on_lost(self, error: Exception | None) -> None:
        """See `PipeHandler.on_lost`."""
        self._is_lost = True
        self._is_leaving = True
        self._waiting.clear()
        if self._stall is not None:
            self._reactor.wheel.discard(self._stall)
        self.on_writable()
        self._cut_short(CancelCause.DISCONNECTED)
        self._log.debug("the connection from %s ended: %s", self.pipe.peer.address, error or "it was closed")
        self._notify_lost(self)

    def on_congested(self) -> None:
        """See `PipeHandler.on_congested`; one message is served at a time, and none while there is no room."""

    def on_writable(self) -> None:
        """See `PipeHandler.on_writable`."""
        wake(self._room)

    def _cut_short(self, cause: CancelCause) -> None:
        if self._call is not None:
            self._call.cancel_cause = cause
        if self._task is not None:
            self._task.cancel()

    # -- messages

    def _serve_next(self) -> None:
        """Starts to serve the next message, unless one is being served."""
        if self._is_serving or not self._waiting or self._is_lost:
            return
        self._is_serving = True
        body = self._waiting.popleft()
        self._waiting_bytes -= len(body) + FRAME_COST_BYTES
        if self._is_paused and self._waiting_bytes <= HIGH_WATER_BYTES // 4:
            self._is_paused = False
            self.pipe.resume_reading()
        self._task = self._reactor.spawn(self._serve, body)

    async def _serve(self, body: bytes) -> None:
        try:
            await self._answer(body)
        finally:
            self._is_serving = False
            self._task = None
            self._serve_next()
            if self._is_leaving and not self._is_serving:
                self.pipe.close()

    async def _answer(self, body: bytes) -> None:
        try:
            message = self._codec.decode(body, 0, len(body))
        except Exception as error:  # noqa: BLE001 - CodecError, or what a codec fails with that is not ours
            self._waiting.clear()
            self._fail(error)
            return
        call = self._call = EventFluxServerCall(self, self._binding.method, message, len(body))
        try:
            await self._dispatcher.handle(self._binding, call)
        finally:
            self._call = None
        await self._wait_for_room()

    async def _wait_for_room(self) -> None:
        while self.pipe.is_congested and not self._is_lost:
            if self._is_broken:
                self._waiting.clear()  # a peer that broke the rules and does not read gets nothing more
                return
            self._room = self._reactor.waiter()
            await self._room

    def reply(self, request: Any, status: Status, message: Any) -> int:
        """Sends the answer to a message, or what stands for it where there is none; returns its bytes.

        Raises:
            CodecError: the answer is no message.
            ResourceExhausted: the answer is over the limit.
        """
        if status.code is not StatusCode.OK:
            message = self._codec.refuse(request, status.code.name, status.message)
        else:
            message = self._codec.fitted(message, self.max_frame_bytes)
        if self._is_lost:
            return 0
        frame = encode_frame(self._codec.encode, message, self.max_frame_bytes)
        self.pipe.write(frame)
        return len(frame) - HEADER_BYTES

    def _fail(self, error: Exception) -> None:
        if not self._is_leaving:
            self._log.warning("closing the connection from EventFlux peer %s: %s", self.pipe.peer.address, error)
        self._is_leaving = self._is_broken = True
        if not self._waiting and not self._is_serving:
            self.pipe.close()
        self.on_writable()

    # -- the life of the connection

    def give_up(self) -> None:
        """Closes once the message that is being served has ended; no other is served."""
        self._is_leaving = True
        self._waiting.clear()

    def drain(self) -> None:
        """Serves what has arrived, then closes; EventFlux's frames have no way to say so beforehand."""
        self._is_leaving = True
        if not self._is_serving:
            self.pipe.close()

    async def aclose(self) -> None:
        """Ends every call and closes, within a second; at once where this wait is cancelled."""
        self.give_up()
        self._cut_short(CancelCause.STOPPED)
        self.pipe.close()
        await wait_closed(self.pipe, _LAST_S)


class EventFluxServerCall:
    """A `ServerCall` for one message, without deadline or trailers, which EventFlux's frames do not have."""

    def __init__(self, connection: EventFluxConnection, method: AnyMethod, request: Any, size: int) -> None:
        self.method = method
        self.protocol = "eventflux"
        self.begun_at = perf_counter()
        self.outcome: Status | None = None
        self.cancel_cause: CancelCause | None = None
        self.sent_messages = 0
        self.sent_bytes = 0
        self.received_messages = 1
        self.received_bytes = size
        self._connection = connection
        self._request = request
        connection.tally.begun_calls += 1
        connection.tally.received(size)

    @property
    def metadata(self) -> Metadata:
        """See `ServerCall.metadata`."""
        return PEER_METADATA

    @property
    def deadline(self) -> float | None:
        """See `ServerCall.deadline`."""
        return None

    @property
    def peer(self) -> Peer:
        """See `ServerCall.peer`."""
        return self._connection.pipe.peer

    def take_request(self) -> Any:
        """See `ServerCall.take_request`."""
        return self._request

    async def receive(self) -> Any:
        """See `ServerCall.receive`."""
        return self._request

    @property
    def endpoint(self) -> Endpoint | None:
        """See `ServerCall.endpoint`."""
        return self._connection.endpoint

    async def send_initial_metadata(self, metadata: Metadata) -> None:
        """See `ServerCall.send_initial_metadata`; there is no place for it."""

    async def send(self, message: Any) -> None:
        """See `ServerCall.send`; a unary method does not call it."""
        raise ResourceExhausted("a message in EventFlux's frames has one answer")

    def finish_now(self, status: Status, message: Any = None) -> bool:
        """See `ServerCall.finish_now`."""
        if self.outcome is None:
            size = self._connection.reply(self._request, status, message)
            if status.code is StatusCode.OK:
                self.sent_messages = 1
                self.sent_bytes = size
                self._connection.tally.sent(size)
            self._end(status)
        return True

    def _end(self, status: Status) -> None:
        self.outcome = status
        self._connection.tally.ended(status.code, perf_counter() - self.begun_at)

    async def finish(self, status: Status, message: Any = None) -> None:
        """See `ServerCall.finish`."""
        self.finish_now(status, message)

    def abandon(self) -> None:
        """See `ServerCall.abandon`. A peer that gets no answer must not take the next one for it: it gets none."""
        if self.outcome is None:
            self._end(Status(StatusCode.CANCELLED, "the handler was cancelled"))
            self._connection.give_up()
