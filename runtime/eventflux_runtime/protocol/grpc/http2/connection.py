"""One connection of gRPC over HTTP/2 as a machine without I/O (RFC 9113; gRPC's PROTOCOL-HTTP2.md)."""

from __future__ import annotations

from typing import TypeVar

from eventflux_runtime.protocol.core.error import LocalProtocolError, RemoteProtocolError
from eventflux_runtime.protocol.core.event import ConnectionLost, Event
from eventflux_runtime.protocol.core.keepalive import Keepalive
from eventflux_runtime.protocol.core.machine import ALL, Machine
from eventflux_runtime.protocol.core.output import Written
from eventflux_runtime.protocol.grpc.http2.control import (
    KEEPALIVE_PAYLOAD,
    LAST_CALL_PAYLOAD,
    LAST_CALL_S,
    PING_BYTES,
    Control,
)
from eventflux_runtime.protocol.grpc.http2.data_frames import DataFrames
from eventflux_runtime.protocol.grpc.http2.ending import Endings
from eventflux_runtime.protocol.grpc.http2.error import (
    ENHANCE_YOUR_CALM,
    INTERNAL_ERROR,
    NO_ERROR,
    PROTOCOL_ERROR,
    SETTINGS_TIMEOUT,
    Http2Error,
)
from eventflux_runtime.protocol.grpc.http2.header_frames import HeaderFrames
from eventflux_runtime.protocol.grpc.http2.link import ENDED, HANDSHAKE, LEAVING, READY, STATE_NAMES, Link
from eventflux_runtime.protocol.grpc.http2.receiver import Receiver
from eventflux_runtime.protocol.grpc.http2.sender import Sender
from eventflux_runtime.rpc.status import StatusCode

__all__ = ["Connection"]

M = TypeVar("M")


class Connection(Machine):
    """What both sides of a connection have in common; `ClientConnection` and `ServerConnection` are the two."""

    __slots__ = ("_control", "_created_at", "_keepalive", "_link", "_receiver", "_sender")

    def __init__(self, link: Link, sender: Sender, endings: Endings, heads: HeaderFrames, now: float) -> None:
        settings = link.settings
        self._created_at = now
        self._link = link
        self._sender = sender
        self._keepalive = Keepalive(settings.ping_interval_s, settings.ping_timeout_s, now)
        self._control = Control(link, sender, endings)
        self._receiver = Receiver(link, self._control, heads, DataFrames(link, endings))

    def __repr__(self) -> str:
        link = self._link
        side = "server" if link.is_server else "client"
        waiting = len(self._sender.backlog.waiting)
        return f"<HTTP/2 {side}, {STATE_NAMES[link.state]}, {len(link.streams)} streams, {waiting} waiting>"

    @property
    def is_ready(self) -> bool:
        """The handshake is over and no side is draining."""
        return self._link.state == READY

    @property
    def is_draining(self) -> bool:
        """No call is wanted any more, calls in flight go on."""
        return READY < self._link.state < ENDED

    @property
    def is_closed(self) -> bool:
        """See `Machine.is_closed`."""
        return self._link.state == ENDED

    @property
    def is_greeted(self) -> bool:
        """See `Machine.is_greeted`: the peer's SETTINGS came."""
        return self._link.state != HANDSHAKE

    @property
    def takes_calls(self) -> bool:
        """See `Machine.takes_calls`. After `drain` it does until the client has read of it."""
        return self._link.is_server and READY <= self._link.state <= LEAVING

    @property
    def max_message_bytes(self) -> int:
        """See `Machine.max_message_bytes`. A peer of gRPC does not say, so this side's limit stands for the peer's."""
        return self._sender.message_bytes

    @property
    def written(self) -> Written:
        """See `Machine.written`."""
        return self._sender.written

    @property
    def active_streams(self) -> int:
        """Calls in flight."""
        return len(self._link.streams)

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
        in_handshake = self._link.state == HANDSHAKE
        when = " during the handshake" if in_handshake else ""
        self._end()
        self._receiver.finish(in_handshake)
        return [ConnectionLost(f"the peer closed the connection{when}", False)]

    def is_waiting(self, stream_id: int) -> bool:
        """Whether a message of the stream waits for credit; `MessageSent` follows."""
        return stream_id in self._sender.backlog.waiting

    def reset(self, stream_id: int, code: StatusCode, reason: str = "", unprocessed: bool = False) -> None:
        """See `Machine.reset`. A server's client gets a status, a client's server a RST_STREAM that knows no reason."""
        if code == StatusCode.OK:
            raise LocalProtocolError("reset takes a code other than OK")
        stream = self._link.streams.get(stream_id)
        if stream is not None:
            self._sender.reset(stream, code, reason, unprocessed)
        else:
            self.discard(stream_id)

    def consumed(self, stream_id: int, size: int) -> None:
        """See `Machine.consumed`."""
        self._link.consumed(stream_id, size)

    def discard(self, stream_id: int) -> None:
        """See `Machine.discard`."""
        link = self._link
        if stream_id in link.streams or not link.was_opened(stream_id):
            raise LocalProtocolError(f"stream {stream_id} has not ended: reset it instead")
        inflow = link.lingering.pop(stream_id, None)
        if inflow is not None:
            link.flow.dropped(inflow)

    def ping(self, payload: bytes) -> None:
        """Sends a ping of eight bytes; `PongReceived` brings them back.

        Raises:
            LocalProtocolError: another length, a payload that the machine uses itself, or not connected.
        """
        if len(payload) != PING_BYTES or payload in (KEEPALIVE_PAYLOAD, LAST_CALL_PAYLOAD):
            raise LocalProtocolError(f"a ping takes 8 bytes of its own, not {payload!r}")
        self._check_connected()
        self._link.output.ping(payload)

    def drain(self, reason: str) -> None:
        """See `Machine.drain`. `next_timer` has changed."""
        self._check_connected()
        if self._link.is_server:
            self._control.drain(reason)
        else:
            self._control.go_away(NO_ERROR, reason)

    def go_away(self, code: StatusCode = StatusCode.OK, reason: str = "") -> None:
        """See `Machine.go_away`. Calls in flight may still end."""
        self._check_connected()
        self._control.go_away(_error_code(code), reason)

    def close(self) -> None:
        """See `Machine.close`."""
        self._end()

    def next_timer(self) -> float | None:
        """See `Machine.next_timer`."""
        state = self._link.state
        if state == ENDED:
            return None
        if state == HANDSHAKE:
            return self._created_at + self._link.settings.handshake_timeout_s
        alive = self._keepalive.next_timer()
        if state != LEAVING:
            return alive
        # `drain` does not know the time, so the first look at the clock begins the second.
        last_call = self._control.last_call_at if self._control.last_call_at >= 0.0 else self._keepalive.heard_at
        return last_call if alive is None else min(alive, last_call)

    def handle_timer(self, now: float) -> list[Event]:
        """See `Machine.handle_timer`."""
        link = self._link
        if link.state == ENDED:
            return []
        if link.state == HANDSHAKE:
            limit = link.settings.handshake_timeout_s
            if now < self._created_at + limit:
                return []
            return [self._lose(f"the peer did not finish the handshake within {limit:g} s", SETTINGS_TIMEOUT)]
        keepalive = self._keepalive
        keepalive.looked(now)
        if keepalive.is_lost(now):
            silence = f"the peer sent nothing for {now - keepalive.heard_at:.3g} s, not even to a ping"
            return [self._lose(silence, NO_ERROR)]
        limit = max(link.settings.handshake_timeout_s, keepalive.interval_s + keepalive.timeout_s)
        begun_at = self._receiver.begun_since()
        if begun_at is not None and keepalive.heard_at - begun_at >= limit:
            # Single bytes are signs of life too, but a peer could send them for ever.
            return [self._lose(f"a frame has begun and did not end within {limit:g} s", PROTOCOL_ERROR)]
        if keepalive.is_ping_due(now):
            link.output.ping(KEEPALIVE_PAYLOAD)
            keepalive.pinged(now)
        events: list[Event] = []
        if link.state == LEAVING:
            self._wait_for_last_call(now, events)
        return events

    def _wait_for_last_call(self, now: float, events: list[Event]) -> None:
        control = self._control
        if control.last_call_at < 0.0:
            control.last_call_at = now + LAST_CALL_S
        elif now >= control.last_call_at:
            control.end_leaving(events)

    def _check_connected(self) -> None:
        if self._link.state in (HANDSHAKE, ENDED):
            raise LocalProtocolError("the connection is not open: the handshake is not over, or it has ended")

    def _lose(self, reason: str, error_code: int) -> ConnectionLost:
        self._say_goodbye(error_code, reason)
        self._end()
        return ConnectionLost(reason, True)

    def _fail(self, error: RemoteProtocolError, events: list[Event]) -> None:
        error.events = events
        # Limits that all protocols share know no codes of HTTP/2.
        error_code = error.error_code if isinstance(error, Http2Error) else ENHANCE_YOUR_CALM
        self._say_goodbye(error_code, str(error))
        self._end()

    def _end(self) -> None:
        link = self._link
        link.state = ENDED
        link.streams.clear()
        link.lingering.clear()
        link.flow.forget()
        self._sender.backlog.clear()
        self._receiver.forget()

    def _say_goodbye(self, error_code: int, reason: str) -> None:
        if self._control.has_greeted:
            self._control.go_away(error_code, reason)


def _error_code(code: StatusCode) -> int:
    """What a GOAWAY says for a status: that all is well, that the peer does too much, or that this side failed."""
    if code in (StatusCode.OK, StatusCode.CANCELLED, StatusCode.UNAVAILABLE):
        return NO_ERROR
    return ENHANCE_YOUR_CALM if code == StatusCode.RESOURCE_EXHAUSTED else INTERNAL_ERROR
