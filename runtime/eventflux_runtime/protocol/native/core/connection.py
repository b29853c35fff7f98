"""One connection of the native protocol as a machine without I/O; docs/protocol.md specifies what it speaks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, final

from librt.strings import BytesWriter

from eventflux_runtime.protocol.core.error import LocalProtocolError, RemoteProtocolError
from eventflux_runtime.protocol.core.event import ConnectionLost, Event
from eventflux_runtime.protocol.core.keepalive import Keepalive
from eventflux_runtime.protocol.core.machine import ALL, Machine, Role
from eventflux_runtime.protocol.core.output import Written
from eventflux_runtime.protocol.native.core.call_frames import CallFrames
from eventflux_runtime.protocol.native.core.control import KEEPALIVE_PAYLOAD, Control
from eventflux_runtime.protocol.native.core.frame import FRAME_COST
from eventflux_runtime.protocol.native.core.link import Link
from eventflux_runtime.protocol.native.core.receiver import Receiver
from eventflux_runtime.protocol.native.core.sender import Sender
from eventflux_runtime.protocol.native.core.settings import MethodEntry, PeerSettings, Settings, check_methods
from eventflux_runtime.protocol.native.core.state import DRAINING, ENDED, GOAWAY_EITHER_WAY, HANDSHAKE, LOST, READY
from eventflux_runtime.rpc.metadata import Metadata
from eventflux_runtime.rpc.status import Status, StatusCode

__all__ = ["Connection"]

M = TypeVar("M")


@final
class Connection(Machine):
    """The state of one connection, seen from one side."""

    __slots__ = ("_control", "_created_at", "_keepalive", "_link", "_receiver", "_sender")

    def __init__(self, role: Role, settings: Settings, methods: Sequence[MethodEntry] = (), *, now: float) -> None:
        """Begins; a client's preface is in the output at once.

        Raises:
            ConfigError: the methods cannot be listed.
            LocalProtocolError: a client lists methods.
        """
        is_server = role is Role.SERVER
        if methods and not is_server:
            raise LocalProtocolError("only a server offers methods")
        offered = check_methods(methods)
        self._created_at = now
        self._link = Link(is_server, settings)
        self._keepalive = Keepalive(settings.ping_interval_s, settings.ping_timeout_s, now)
        self._sender = Sender(self._link)
        self._control = Control(self._link, self._sender, self._keepalive, offered, now)
        calls = CallFrames(self._link, self._sender, self._control, len(offered))
        self._receiver = Receiver(self._link, self._control, calls)
        if not is_server:
            self._control.greet()

    def __repr__(self) -> str:
        link = self._link
        state = ("handshake", "ready", "draining", "closed")[link.state]
        side = "server" if link.is_server else "client"
        return f"<Connection {side}, {state}, {len(link.streams)} streams, {len(self._sender.backlog.waiting)} waiting>"

    @property
    def is_ready(self) -> bool:
        """The handshake is over and no side is draining."""
        return self._link.state == READY

    @property
    def is_draining(self) -> bool:
        """No call begins any more, calls in flight go on."""
        return self._link.state == DRAINING

    @property
    def is_closed(self) -> bool:
        """See `Machine.is_closed`."""
        return self._link.state == ENDED

    @property
    def is_greeted(self) -> bool:
        """See `Machine.is_greeted`."""
        return self._link.peer is not None

    @property
    def takes_calls(self) -> bool:
        """See `Machine.takes_calls`. What crosses a GOAWAY comes back, marked: no call is lost by it."""
        return self._link.state == READY and self._link.is_server

    @property
    def max_message_bytes(self) -> int:
        """See `Machine.max_message_bytes`."""
        peer = self._link.peer
        return peer.max_message_bytes if peer is not None else 0

    @property
    def written(self) -> Written:
        """See `Machine.written`."""
        return self._sender.written

    def accepts(self, stream_id: int, compression_id: int) -> bool:
        """See `Machine.accepts`. A peer offers once what it reads, for all calls."""
        peer = self._link.peer
        return peer is not None and compression_id in peer.compressions

    @property
    def peer_settings(self) -> PeerSettings | None:
        """What the peer announced; None until `HelloReceived`."""
        return self._link.peer

    @property
    def active_streams(self) -> int:
        """Calls in flight."""
        return len(self._link.streams)

    @property
    def can_open(self) -> bool:
        """Client: whether `open` would find room for a call."""
        peer = self._link.peer
        return peer is not None and self._link.state == READY and len(self._link.streams) < peer.max_streams

    @property
    def buffered_bytes(self) -> int:
        """Credit of messages that have arrived, in part or whole, and that the application has not taken."""
        flow = self._link.flow
        return flow.received - flow.consumed

    @property
    def has_output(self) -> bool:
        """See `Machine.has_output`."""
        return self._link.output.has_bytes()

    @property
    def has_plenty(self) -> bool:
        """See `Machine.has_plenty`."""
        return self._link.output.has_plenty()

    @property
    def sent_bytes(self) -> int:
        """See `Machine.sent_bytes`."""
        return self._link.output.taken_bytes

    def data_to_send(self) -> bytes:
        """See `Machine.data_to_send`."""
        return self._link.output.take()

    def set_blocked(self, is_blocked: bool) -> None:
        """See `Machine.set_blocked`."""
        self._link.output.is_blocked = is_blocked

    def heard(self, now: float) -> None:
        """See `Machine.heard`."""
        self._keepalive.heard(now)

    @property
    def has_unread(self) -> bool:
        """See `Machine.has_unread`."""
        return bool(self._receiver.unread)

    def receive_data(self, data: bytes, now: float, at_most: int = ALL) -> list[Event]:
        """See `Machine.receive_data`."""
        events: list[Event] = []
        if self._link.state == ENDED or not (data or self._receiver.unread):
            return events
        self._keepalive.heard(now)
        try:
            self._receiver.receive(data, now, events, at_most)
        except RemoteProtocolError as error:
            self._fail(error, events)
            raise
        return events

    def receive_eof(self, now: float) -> list[Event]:
        """See `Machine.receive_eof`."""
        if self._link.state == ENDED:
            return []
        self._end()
        self._receiver.finish()
        when = " during the handshake" if self._link.peer is None else ""
        return [ConnectionLost(f"the peer closed the connection{when}", False)]

    def open(  # noqa: PLR0917 (the path of every call passes no keywords)
        self,
        method_id: int,
        timeout_us: int,
        metadata: Metadata,
        message: M,
        encode: Callable[[M, BytesWriter], None] | None,
        end: bool = True,
        protobuf: bool = False,
        compression_id: int = 0,
    ) -> int:
        """Client: begins a call and returns its stream id. A unary call is this alone.

        Args:
            method_id: from `PeerSettings.find_method`.
            timeout_us: microseconds until the deadline; -1: none.
            metadata: sent ahead of the message.
            message: the first message, where there is an `encode`.
            encode: appends the message to a writer; None: the call begins without one.
            end: half-close; nothing follows.
            protobuf: the call's messages are protobuf, both ways.
            compression_id: 0, or the algorithm that `encode` compresses with; one that the peer offered.

        A message that is longer than a frame, or that the peer gave no credit for, goes out in parts; `MessageSent`
        follows only if some of it has to wait.

        Raises:
            MessageTooLarge, MetadataTooLarge: over a limit of the peer. Nothing was sent, here and below.
            StreamsExhausted: the peer allows no more calls in flight.
            LocalProtocolError: no handshake yet, draining, closed, a server, or no such method.
        """
        return self._sender.open(method_id, timeout_us, metadata, message, encode, end, protobuf, compression_id)

    def send_message(
        self,
        stream_id: int,
        message: M,
        encode: Callable[[M, BytesWriter], None],
        end: bool = False,
        compression_id: int = 0,
    ) -> bool:
        """See `Machine.send_message`."""
        return self._sender.send_message(stream_id, message, encode, end, compression_id)

    def is_waiting(self, stream_id: int) -> bool:
        """Whether a message of the stream waits for credit; `MessageSent` follows."""
        return stream_id in self._sender.backlog.waiting

    def half_close(self, stream_id: int) -> None:
        """See `Machine.half_close`."""
        self._sender.half_close(stream_id)

    def send_headers(self, stream_id: int, metadata: Metadata) -> None:
        """See `Machine.send_headers`."""
        self._sender.send_headers(stream_id, metadata)

    def send_status(
        self,
        stream_id: int,
        status: Status,
        message: Any = None,
        encode: Callable[[Any, BytesWriter], None] | None = None,
        compression_id: int = 0,
    ) -> bool:
        """See `Machine.send_status`."""
        return self._sender.send_status(stream_id, status, message, encode, compression_id)

    def reset(self, stream_id: int, code: StatusCode, reason: str = "", unprocessed: bool = False) -> None:
        """See `Machine.reset`."""
        link = self._link
        if code == StatusCode.OK:
            raise LocalProtocolError("reset takes a code other than OK")
        stream = link.streams.get(stream_id)
        if stream is not None:
            self._sender.close(stream)
            link.output.reset(stream_id, code, reason, unprocessed)
        else:
            self.discard(stream_id)

    def consumed(self, stream_id: int, size: int) -> None:
        """See `Machine.consumed`."""
        self._link.consumed(stream_id, size + FRAME_COST)

    def discard(self, stream_id: int) -> None:
        """See `Machine.discard`."""
        link = self._link
        if stream_id in link.streams or not 0 < stream_id <= link.last_stream_id:
            raise LocalProtocolError(f"stream {stream_id} has not ended: reset it instead")
        inflow = link.lingering.pop(stream_id, None)
        if inflow is not None:
            link.flow.dropped(inflow)

    def ping(self, payload: bytes) -> None:
        """Sends a ping of eight bytes that are not all zero; `PongReceived` brings them back.

        Raises:
            LocalProtocolError: another length, all zero, or not connected.
        """
        if len(payload) != len(KEEPALIVE_PAYLOAD) or payload == KEEPALIVE_PAYLOAD:
            raise LocalProtocolError(f"a ping takes 8 bytes that are not all zero, not {payload!r}")
        self._connected()
        self._link.output.ping(payload)

    def drain(self, reason: str) -> None:
        """See `Machine.drain`."""
        self.go_away(StatusCode.OK, reason)

    def go_away(self, code: StatusCode = StatusCode.OK, reason: str = "") -> None:
        """See `Machine.go_away`. Calls in flight may still end."""
        self._connected()
        link = self._link
        last = link.last_stream_id if link.is_server else 0
        if link.processed_limit >= 0:
            last = link.processed_limit
        link.move(GOAWAY_EITHER_WAY)
        if link.is_server:
            link.processed_limit = last
        link.output.go_away(last, code, reason)

    def close(self) -> None:
        """See `Machine.close`."""
        self._end()

    def next_timer(self) -> float | None:
        """See `Machine.next_timer`."""
        if self._link.state == ENDED:
            return None
        if self._link.peer is None:
            return self._created_at + self._link.settings.handshake_timeout_s
        return self._keepalive.next_timer()

    def handle_timer(self, now: float) -> list[Event]:
        """See `Machine.handle_timer`."""
        link = self._link
        if link.state == ENDED:
            return []
        if link.peer is None:
            limit = link.settings.handshake_timeout_s
            if now < self._created_at + limit:
                return []
            return [self._lose(f"the peer did not finish the handshake within {limit:g} s")]
        keepalive = self._keepalive
        keepalive.looked(now)
        if keepalive.is_lost(now):
            return [self._lose(f"the peer sent nothing for {now - keepalive.heard_at:.3g} s, not even to a ping")]
        limit = max(link.settings.handshake_timeout_s, keepalive.interval_s + keepalive.timeout_s)
        if self._receiver.partial and keepalive.heard_at - self._receiver.begun_at >= limit:
            # Single bytes are signs of life too, but a peer could send them for ever.
            return [self._lose(f"a frame has begun and did not end within {limit:g} s")]
        if keepalive.is_ping_due(now):
            link.output.ping(KEEPALIVE_PAYLOAD)
            keepalive.pinged(now)
        return []

    def _connected(self) -> None:
        if self._link.state in (HANDSHAKE, ENDED):
            raise LocalProtocolError("the connection is not open: the handshake is not over, or it has ended")

    def _lose(self, reason: str) -> ConnectionLost:
        self._say_goodbye(StatusCode.DEADLINE_EXCEEDED, reason)
        self._end()
        return ConnectionLost(reason, True)

    def _fail(self, error: RemoteProtocolError, events: list[Event]) -> None:
        error.events = events
        self._say_goodbye(error.code, str(error))
        self._end()

    def _end(self) -> None:
        link = self._link
        link.move(LOST)
        link.streams.clear()
        link.lingering.clear()
        link.flow.forget()
        self._sender.backlog.clear()
        self._receiver.unread = b""

    def _say_goodbye(self, code: StatusCode, reason: str) -> None:
        link = self._link
        if link.state != HANDSHAKE or self._receiver.has_preface:
            last = link.last_stream_id if link.processed_limit < 0 else link.processed_limit
            link.output.go_away(last if link.is_server else 0, code, reason)
