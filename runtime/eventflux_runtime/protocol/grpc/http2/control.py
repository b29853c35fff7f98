"""The frames that concern the connection rather than messages: SETTINGS, RST_STREAM, WINDOW_UPDATE, PING, GOAWAY.

Also those that mean nothing here: PRIORITY, PUSH_PROMISE, and types that RFC 9113 does not know.
"""

from __future__ import annotations

from typing import Final, final

from eventflux_runtime.protocol.core.event import Event, GoAwayReceived, LastCallKnown, PongReceived, StreamReset
from eventflux_runtime.protocol.grpc.http2.ending import Endings
from eventflux_runtime.protocol.grpc.http2.error import (
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    NO_ERROR,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    Http2Error,
    error_name,
    status_code_of,
)
from eventflux_runtime.protocol.grpc.http2.event import SettingsReceived
from eventflux_runtime.protocol.grpc.http2.frame import (
    DEFAULT_WINDOW,
    FLAG_ACK,
    GOAWAY,
    MAX_STREAM_ID,
    PING,
    PREFACE,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame_name,
    read_u32,
)
from eventflux_runtime.protocol.grpc.http2.link import DRAINING, HANDSHAKE, LEAVING, READY, Link
from eventflux_runtime.protocol.grpc.http2.output import MAX_REASON_BYTES
from eventflux_runtime.protocol.grpc.http2.sender import Sender
from eventflux_runtime.protocol.grpc.http2.settings import (
    HEADER_TABLE_SIZE,
    INITIAL_WINDOW_SIZE,
    MAX_CONCURRENT_STREAMS,
    MAX_HEADER_LIST_SIZE,
    decode_settings,
)
from eventflux_runtime.rpc.status import StatusCode

__all__ = ["KEEPALIVE_PAYLOAD", "LAST_CALL_PAYLOAD", "LAST_CALL_S", "Control"]

KEEPALIVE_PAYLOAD: Final = b"eft-keep"
"""The payload of pings that the keepalive sends; their answers are no event."""
LAST_CALL_PAYLOAD: Final = b"eft-last"
"""That of the ping behind a draining server's first GOAWAY: its answer says that the client has read that."""
LAST_CALL_S: Final = 1.0
"""Seconds that a client has for this answer."""
PING_BYTES: Final = 8
USUAL_BYTES: Final = 64
"""SETTINGS are shorter; a longer one is as dear as several."""
RESUMED_STREAMS: Final = 32
"""A change of the window of all streams is as dear as one cheap frame for so many that wait for it: each is looked at,
and may send a byte."""
GOAWAY_FIXED_BYTES: Final = 8


@final
class Control:
    """The frames of the connection itself.

    Invariant: `last_call_at` is set in state LEAVING only, to when that ends at the latest; below 0: not known yet.
    """

    __slots__ = ("endings", "has_greeted", "last_call_at", "limits", "link", "reason", "sender")

    def __init__(self, link: Link, sender: Sender, endings: Endings) -> None:
        self.link = link
        self.limits = link.limits
        self.sender = sender
        self.endings = endings
        self.has_greeted = False
        self.last_call_at = -1.0
        self.reason = ""

    def greet(self) -> None:
        """Sends what a connection begins with: a client at once, a server when it has seen the client's preface."""
        link = self.link
        self.has_greeted = True
        if not link.is_server:
            link.output.writer.write(PREFACE)
        link.output.settings(link.settings.announced(link.is_server))
        link.output.credit(0, link.settings.whole_window - DEFAULT_WINDOW)

    def drain(self, reason: str) -> None:
        """Server: says that no further call is wanted, and takes those that cross this (RFC 9113, 6.8)."""
        link = self.link
        if link.state != READY:
            return
        link.state = LEAVING
        self.reason = reason
        self.last_call_at = -1.0
        link.output.go_away(MAX_STREAM_ID, NO_ERROR, reason)
        link.output.ping(LAST_CALL_PAYLOAD)

    def end_leaving(self, events: list[Event]) -> None:
        """The client has read the first GOAWAY, or had the time to: says which call was the last one."""
        self.go_away(NO_ERROR, self.reason)
        events.append(LastCallKnown())

    def go_away(self, error_code: int, reason: str) -> None:
        """Takes no further calls."""
        link = self.link
        last = 0
        if link.is_server:
            last = link.processed_limit = min(link.last_stream_id, link.processed_limit)
        link.state = max(link.state, DRAINING)
        link.output.go_away(last, error_code, reason)

    def handle(
        self,
        kind: int,
        data: bytes,
        start: int,
        end: int,
        flags: int,
        stream_id: int,
        events: list[Event],
    ) -> None:
        """Handles one frame of the kinds above.

        Raises:
            RemoteProtocolError: it breaks a rule of the connection.
        """
        if kind == WINDOW_UPDATE:
            _check_size(kind, end - start, 4)
            self._on_window_update(read_u32(data, start) & MAX_STREAM_ID, stream_id, events)
        elif kind == RST_STREAM:
            _check_size(kind, end - start, 4)
            self._on_reset(read_u32(data, start), stream_id, events)
        elif kind == PRIORITY:
            self._on_priority(end - start, stream_id)
        elif kind == PUSH_PROMISE:
            raise Http2Error("PUSH_PROMISE: this side has not enabled push")
        elif kind > WINDOW_UPDATE:
            self.limits.cheap_frame(frame_name(kind))
        elif stream_id:
            raise Http2Error(f"{frame_name(kind)} on stream {stream_id}: it belongs on stream 0")
        elif kind == PING:
            self._on_ping(data, start, end, flags, events)
        elif kind == SETTINGS:
            self._on_settings(data, start, end, flags, events)
        elif kind == GOAWAY:
            self._on_go_away(data, start, end, events)

    def _on_window_update(self, increment: int, stream_id: int, events: list[Event]) -> None:
        sender = self.sender
        if not stream_id:
            if not increment:
                raise Http2Error("WINDOW_UPDATE of 0 bytes for the connection")
            sender.granted(increment, events)
            return
        stream = self.link.streams.get(stream_id)
        if stream is None:
            self._check_opened(WINDOW_UPDATE, stream_id)
            self.limits.cheap_frame("WINDOW_UPDATE of a stream that has ended")
        elif not increment:
            self.endings.break_off(stream, PROTOCOL_ERROR, "WINDOW_UPDATE of 0 bytes", events)
        elif not sender.backlog.grant_stream(stream, increment):
            self.endings.break_off(stream, FLOW_CONTROL_ERROR, "the window rose over its limit", events)
        elif stream.outgoing is not None:
            sender.resume(stream, events)

    def _on_reset(self, error_code: int, stream_id: int, events: list[Event]) -> None:
        link = self.link
        stream = link.streams.get(stream_id)
        if stream is None:
            self._check_opened(RST_STREAM, stream_id)
            self.limits.cheap_frame("RST_STREAM of a stream that has ended")
            return
        if link.is_server:
            self.limits.call_reset()
        self.sender.close(stream)
        code = status_code_of(error_code)
        events.append(StreamReset(stream_id, code, error_name(error_code), error_code == REFUSED_STREAM, False))

    def _on_priority(self, size: int, stream_id: int) -> None:
        if not stream_id:
            raise Http2Error("PRIORITY on stream 0: it belongs on a stream")
        _check_size(PRIORITY, size, 5)
        self.limits.cheap_frame("PRIORITY")

    def _on_ping(self, data: bytes, start: int, end: int, flags: int, events: list[Event]) -> None:
        _check_size(PING, end - start, PING_BYTES)
        link = self.link
        payload = data[start:end]
        if not flags & FLAG_ACK:
            self.limits.ping(link.flow.received + link.last_stream_id + self.sender.backlog.sent)
            link.output.pong(payload)
        elif payload == KEEPALIVE_PAYLOAD:
            pass
        elif payload == LAST_CALL_PAYLOAD:
            if link.state == LEAVING:
                self.end_leaving(events)
        else:
            self.limits.cheap_frame("PING with ACK")
            events.append(PongReceived(payload))

    def _on_settings(self, data: bytes, start: int, end: int, flags: int, events: list[Event]) -> None:
        link = self.link
        is_first = link.state == HANDSHAKE
        if flags & FLAG_ACK:
            if start != end:
                raise Http2Error(f"SETTINGS with ACK and {end - start} bytes: they have none", FRAME_SIZE_ERROR)
            if is_first:
                raise Http2Error("SETTINGS with ACK ahead of the peer's own")
            self.limits.cheap_frame("SETTINGS with ACK")
            return
        before = link.max_streams
        initial_window = -1
        for key, value in decode_settings(data, start, end, not link.is_server):
            if key == INITIAL_WINDOW_SIZE:
                initial_window = value  # the last one counts: nothing is sent between two of a frame
            elif key == HEADER_TABLE_SIZE:
                self.sender.limit_table(value)
            elif key == MAX_HEADER_LIST_SIZE:
                self.sender.limit_lists(value)
            elif key == MAX_CONCURRENT_STREAMS and not link.is_server:
                link.max_streams = min(value, MAX_STREAM_ID)
        link.output.acknowledge_settings()
        if is_first:
            link.state = READY
        else:
            resumed = len(self.sender.backlog.waiting) if initial_window >= 0 else 0
            self.limits.cheap_frame("SETTINGS", 1 + (end - start) // USUAL_BYTES + resumed // RESUMED_STREAMS)
        if initial_window >= 0:
            self.sender.resized(initial_window, events)
        if is_first or link.max_streams != before:
            events.append(SettingsReceived(link.max_streams))

    def _on_go_away(self, data: bytes, start: int, end: int, events: list[Event]) -> None:
        if end - start < GOAWAY_FIXED_BYTES:
            raise Http2Error(f"GOAWAY of {end - start} bytes: it takes at least 8", FRAME_SIZE_ERROR)
        link = self.link
        last_stream_id = read_u32(data, start) & MAX_STREAM_ID
        error_code = read_u32(data, start + 4)
        reason = _debug_text(data, start + GOAWAY_FIXED_BYTES, end, error_code)
        self.limits.cheap_frame("GOAWAY")
        link.state = max(link.state, DRAINING)
        unprocessed: list[int] = []
        if not link.is_server:
            if last_stream_id > link.processed_limit:
                raise Http2Error(f"GOAWAY with stream {last_stream_id} behind one with {link.processed_limit}")
            link.processed_limit = last_stream_id
            unprocessed = [stream_id for stream_id in link.streams if stream_id > last_stream_id]
            for stream_id in unprocessed:
                self.sender.close(link.streams[stream_id])
        code = StatusCode.OK if error_code == NO_ERROR else status_code_of(error_code)
        events.append(GoAwayReceived(last_stream_id, code, reason, tuple(unprocessed)))

    def _check_opened(self, kind: int, stream_id: int) -> None:
        if not self.link.was_opened(stream_id):
            raise Http2Error(f"{frame_name(kind)} on stream {stream_id}, which was never opened")


def _check_size(kind: int, size: int, expected: int) -> None:
    if size != expected:
        raise Http2Error(f"{frame_name(kind)} of {size} bytes: it takes {expected}", FRAME_SIZE_ERROR)


def _debug_text(data: bytes, start: int, end: int, error_code: int) -> str:
    """What a GOAWAY says for people; its first word may be one that gRPC gives a meaning."""
    raw = data[start : min(end, start + MAX_REASON_BYTES)].decode("utf-8", "replace")
    text = "".join([character if character.isprintable() else "\ufffd" for character in raw])
    if error_code == NO_ERROR:
        return text
    return f"{text} ({error_name(error_code)})" if text else error_name(error_code)
