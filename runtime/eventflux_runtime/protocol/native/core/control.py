"""The frames that concern the connection rather than a call's messages: HELLO, RESET, CREDIT, PING, PONG, GOAWAY."""

from __future__ import annotations

from typing import Final, final

from eventflux_runtime.protocol.core.error import RemoteProtocolError
from eventflux_runtime.protocol.core.event import Event, GoAwayReceived, PongReceived, StreamReset
from eventflux_runtime.protocol.core.keepalive import Keepalive
from eventflux_runtime.protocol.native.core.event import HelloReceived
from eventflux_runtime.protocol.native.core.frame import (
    CREDIT,
    FLAG_UNPROCESSED,
    GOAWAY,
    HELLO,
    MAX_REASON_BYTES,
    MAX_STREAM_ID,
    PING,
    PONG,
    RESET,
    frame_name,
    read_u32,
)
from eventflux_runtime.protocol.native.core.handshake import decode_hello, encode_hello
from eventflux_runtime.protocol.native.core.link import Link
from eventflux_runtime.protocol.native.core.sender import Sender
from eventflux_runtime.protocol.native.core.settings import MethodEntry
from eventflux_runtime.protocol.native.core.state import GOAWAY_EITHER_WAY, HELLO_ARRIVED
from eventflux_runtime.rpc.rate_limit import RateLimit
from eventflux_runtime.rpc.status import StatusCode

__all__ = ["KEEPALIVE_PAYLOAD", "Control"]

KEEPALIVE_PAYLOAD: Final = b"\0\0\0\0\0\0\0\0"
"""The payload of pings that the keepalive sends; their pongs are no event."""
PING_BYTES: Final = 8
PING_BURST: Final = 10.0
"""Pings that may arrive at once, because the network may have held them up."""


@final
class Control:
    """The frames of the connection itself.

    Invariants: the rate limits count only what the peer did; `now` is when the bytes at hand arrived.
    """

    __slots__ = ("greeting", "keepalive", "link", "now", "peer_stream_window", "pings", "resets", "sender")

    def __init__(
        self, link: Link, sender: Sender, keepalive: Keepalive, methods: tuple[MethodEntry, ...], now: float
    ) -> None:
        settings = link.settings
        self.link = link
        self.sender = sender
        self.now = now
        self.keepalive = keepalive
        self.greeting: bytes = encode_hello(settings, methods, link.is_server)
        self.peer_stream_window = 0
        self.pings = RateLimit(PING_BURST, 1.0 / settings.min_ping_interval_s, now)
        self.resets = RateLimit(float(settings.max_resets_per_s + settings.max_streams), settings.max_resets_per_s, now)

    def greet(self) -> None:
        """Sends preface and HELLO, once: a client at once, a server when it has seen the client's preface."""
        if self.greeting:
            self.link.output.writer.write(self.greeting)
            self.greeting = b""

    def accepts(self, stream_id: int) -> bool:
        """Whether a stream that the client opened becomes a call; it is refused here if not.

        Raises:
            RemoteProtocolError: the client does not read the refusals.
        """
        link = self.link
        if 0 <= link.processed_limit < stream_id:
            return False
        if len(link.streams) >= link.settings.max_streams:
            reason = f"more than {link.settings.max_streams} calls in flight on one connection: wait for one to end"
            self.refuse(stream_id, StatusCode.RESOURCE_EXHAUSTED, reason, True)
            return False
        return True

    def refuse(self, stream_id: int, code: StatusCode, reason: str, unprocessed: bool) -> None:
        """Breaks a stream off because of what the peer did.

        Raises:
            RemoteProtocolError: the peer does not read its answers.
        """
        self.link.output.refuse(stream_id, code, reason, unprocessed)

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
            RemoteProtocolError: the frame, or its kind, is wrong.
        """
        if flags and kind != RESET:
            raise RemoteProtocolError(f"{frame_name(kind)} with flags {flags:#04x}: it has none")
        if kind == CREDIT:
            self._check_size(kind, end - start, 4)
            if stream_id:
                self._check_opened(kind, stream_id)
            self.sender.credited(stream_id, read_u32(data, start), events)
            return
        if kind == RESET:
            self._on_reset(data, start, end, flags, stream_id, events)
            return
        if stream_id:
            raise RemoteProtocolError(f"{frame_name(kind)} on stream {stream_id & 0xFFFFFFFF}: it belongs on stream 0")
        if kind == PING:
            self._check_size(kind, end - start, PING_BYTES)
            if not self.pings.allows(self.now):
                least = self.link.settings.min_ping_interval_s
                raise RemoteProtocolError(
                    f"too_many_pings: this side wants at most one every {least:g} s: raise the keepalive interval",
                    StatusCode.RESOURCE_EXHAUSTED,
                )
            self.link.output.pong(data[start:end])
        elif kind == PONG:
            self._check_size(kind, end - start, PING_BYTES)
            payload = data[start:end]
            if payload != KEEPALIVE_PAYLOAD:
                events.append(PongReceived(payload))
        elif kind == HELLO:
            self._on_hello(data, start, end, events)
        elif kind == GOAWAY:
            self._on_go_away(data, start, end, events)
        else:
            raise RemoteProtocolError(f"frame of unknown type {kind}: types below 128 are the protocol's own")

    def _on_hello(self, data: bytes, start: int, end: int, events: list[Event]) -> None:
        link = self.link
        if link.peer is not None:
            raise RemoteProtocolError("HELLO for a second time")
        peer = decode_hello(data, start, end, not link.is_server)
        link.peer = peer
        link.move(HELLO_ARRIVED)
        self.sender.agree(peer)
        self.peer_stream_window = peer.stream_window
        self.keepalive.respect(peer.min_ping_interval_s)
        events.append(HelloReceived(peer))

    def _on_reset(self, data: bytes, start: int, end: int, flags: int, stream_id: int, events: list[Event]) -> None:
        self._check_opened(RESET, stream_id)
        if flags & ~FLAG_UNPROCESSED:
            raise RemoteProtocolError(
                f"RESET of stream {stream_id} with flags {flags:#04x}: it has only {FLAG_UNPROCESSED:#04x}"
            )
        if not 1 <= end - start <= 1 + MAX_REASON_BYTES:
            raise RemoteProtocolError(f"RESET of {end - start} bytes: it takes from 1 to {1 + MAX_REASON_BYTES}")
        code = StatusCode.from_number(data[start])
        reason = _text(data, start + 1, end)
        if code == StatusCode.OK:
            raise RemoteProtocolError(
                f"RESET of stream {stream_id} with code OK: a call that went well ends with STATUS"
            )
        stream = self.link.streams.get(stream_id)
        if stream is None:
            return
        if self.link.is_server and not self.resets.allows(self.now):
            raise RemoteProtocolError(
                f"too many calls broken off: more than {self.link.settings.max_resets_per_s} per second",
                StatusCode.RESOURCE_EXHAUSTED,
            )
        self.sender.close(stream)
        events.append(StreamReset(stream_id, code, reason, flags & FLAG_UNPROCESSED != 0, False))

    def _on_go_away(self, data: bytes, start: int, end: int, events: list[Event]) -> None:
        if not 5 <= end - start <= 5 + MAX_REASON_BYTES:
            raise RemoteProtocolError(f"GOAWAY of {end - start} bytes: it takes from 5 to {5 + MAX_REASON_BYTES}")
        link = self.link
        last_stream_id = read_u32(data, start)
        if last_stream_id > MAX_STREAM_ID:
            raise RemoteProtocolError(f"GOAWAY names stream {last_stream_id}, beyond any legal id")
        reason = _text(data, start + 5, end)
        link.move(GOAWAY_EITHER_WAY)
        unprocessed: list[int] = []
        if not link.is_server:
            unprocessed = [stream_id for stream_id in link.streams if stream_id > last_stream_id]
            for stream_id in unprocessed:
                self.sender.close(link.streams[stream_id])
        code = StatusCode.from_number(data[start + 4])
        events.append(GoAwayReceived(last_stream_id, code, reason, tuple(unprocessed)))

    def _check_opened(self, kind: int, stream_id: int) -> None:
        if not 0 < stream_id <= self.link.last_stream_id:
            raise RemoteProtocolError(f"{frame_name(kind)} on stream {stream_id & 0xFFFFFFFF}, which was never opened")

    def _check_size(self, kind: int, size: int, expected: int) -> None:
        if size != expected:
            raise RemoteProtocolError(f"{frame_name(kind)} of {size} bytes: it takes {expected}")


def _text(data: bytes, start: int, end: int) -> str:
    try:
        return data[start:end].decode("utf-8")
    except UnicodeDecodeError as error:
        raise RemoteProtocolError(f"the reason of a RESET or GOAWAY is not UTF-8: {error}") from error
