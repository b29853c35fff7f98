"""The frames of calls become events: OPEN, HEADERS, MESSAGE, HALF_CLOSE and STATUS.

Messages that arrive in parts are put together here; one that lies in a single frame is never copied.
"""

from __future__ import annotations

from typing import Final, final

from librt.strings import read_i64_le

from eventflux_runtime.protocol.core.error import RemoteProtocolError
from eventflux_runtime.protocol.core.event import (
    Event,
    HalfClosed,
    HeadersReceived,
    MessageReceived,
    StatusReceived,
    StreamReset,
)
from eventflux_runtime.protocol.core.flow import Inflow
from eventflux_runtime.protocol.native.core.control import Control
from eventflux_runtime.protocol.native.core.event import MethodOpened
from eventflux_runtime.protocol.native.core.frame import (
    FLAG_COMPRESSED,
    FLAG_END,
    FLAG_FULL,
    FLAG_MESSAGE,
    FLAG_METADATA,
    FLAG_MORE,
    FLAG_PROTOBUF,
    FRAME_COST,
    HALF_CLOSE,
    HEADERS,
    MESSAGE,
    STATUS,
    frame_name,
    read_u16,
)
from eventflux_runtime.protocol.native.core.link import Link
from eventflux_runtime.protocol.native.core.metadata_block import decode_metadata
from eventflux_runtime.protocol.native.core.sender import Sender
from eventflux_runtime.protocol.native.core.state import (
    CLIENT_END,
    CLIENT_MESSAGE,
    FORBIDDEN,
    HALF_CLOSED,
    NEXT_STREAM_STATE,
    SERVER_HEADERS,
    SERVER_MESSAGE,
    STREAM_EVENTS,
    stream_state_name,
)
from eventflux_runtime.protocol.native.core.state import OPEN as OPEN_STATE
from eventflux_runtime.protocol.native.core.status_block import decode_status
from eventflux_runtime.protocol.native.core.stream import Stream
from eventflux_runtime.rpc.metadata import EMPTY_METADATA
from eventflux_runtime.rpc.status import OK_STATUS, StatusCode

__all__ = ["CallFrames"]

OPEN_FIXED_BYTES: Final = 10
"""u16 method id, i64 timeout."""
OPEN_FLAGS: Final = FLAG_END | FLAG_MESSAGE | FLAG_METADATA | FLAG_COMPRESSED | FLAG_PROTOBUF
MESSAGE_FLAGS: Final = FLAG_END | FLAG_COMPRESSED | FLAG_MORE
STATUS_FLAGS: Final = FLAG_MESSAGE | FLAG_COMPRESSED | FLAG_FULL


@final
class CallFrames:
    """The frames of calls.

    Invariant: a stream's state moves only along the table of states.
    """

    __slots__ = (
        "control",
        "is_server",
        "link",
        "max_message_bytes",
        "max_metadata_bytes",
        "method_count",
        "sender",
        "streams",
    )

    def __init__(self, link: Link, sender: Sender, control: Control, method_count: int) -> None:
        self.link = link
        self.sender = sender
        self.control = control
        self.is_server = link.is_server
        self.streams = link.streams
        self.method_count = method_count
        self.max_message_bytes = link.settings.max_message_bytes
        self.max_metadata_bytes = link.settings.max_metadata_bytes

    def on_open(self, data: bytes, start: int, end: int, flags: int, stream_id: int, events: list[Event]) -> None:
        """A client begins a call.

        Raises:
            RemoteProtocolError: it breaks a rule.
        """
        link = self.link
        if not self.is_server:
            raise RemoteProtocolError("OPEN from a server: only a client opens streams")
        if stream_id <= link.last_stream_id:
            raise RemoteProtocolError(
                f"OPEN of stream {stream_id}: ids have to rise, the last one was {link.last_stream_id}"
            )
        if flags & ~OPEN_FLAGS or (flags & FLAG_COMPRESSED and not flags & FLAG_MESSAGE):
            raise RemoteProtocolError(
                f"OPEN of stream {stream_id} with flags {flags:#04x}, which mean nothing together"
            )
        if end - start < OPEN_FIXED_BYTES:
            raise RemoteProtocolError(f"OPEN of {end - start} bytes: it takes at least {OPEN_FIXED_BYTES}")
        method_id = read_u16(data, start)
        timeout_us: int = read_i64_le(data, start + 2)
        if method_id >= self.method_count:
            raise RemoteProtocolError(f"OPEN of method {method_id}: {self.method_count} methods were listed")
        if timeout_us < -1:
            raise RemoteProtocolError(
                f"OPEN with a timeout of {timeout_us} microseconds: it is 0 or more, or -1 for none"
            )
        start += OPEN_FIXED_BYTES
        metadata = EMPTY_METADATA
        if flags & FLAG_METADATA:
            metadata, start = decode_metadata(data, start, end, self.max_metadata_bytes)
        compression_id = 0
        if flags & FLAG_COMPRESSED:
            compression_id = self._compression(data, start, end)
            start += 1
        elif start != end and not flags & FLAG_MESSAGE:
            raise RemoteProtocolError(f"OPEN of stream {stream_id} has {end - start} bytes behind its last field")
        link.last_stream_id = stream_id
        if end - start > self.max_message_bytes:
            self.control.refuse(stream_id, StatusCode.RESOURCE_EXHAUSTED, self._too_long(end - start), False)
            return
        if not self.control.accepts(stream_id):
            return
        end_stream = flags & FLAG_END != 0
        self.streams[stream_id] = Stream(
            stream_id, HALF_CLOSED if end_stream else OPEN_STATE, self.control.peer_stream_window
        )
        events.append(
            MethodOpened(
                stream_id,
                method_id,
                timeout_us,
                metadata,
                flags & FLAG_PROTOBUF != 0,
                flags & FLAG_MESSAGE != 0,
                data,
                start,
                end,
                compression_id,
                end_stream,
            )
        )

    def on_status(self, data: bytes, start: int, end: int, flags: int, stream_id: int, events: list[Event]) -> None:
        """The server ends a call.

        Raises:
            RemoteProtocolError: it breaks a rule.
        """
        stream = self.streams.get(stream_id)
        if self.is_server:
            raise RemoteProtocolError("STATUS from a client: only a server ends a call with a status")
        if stream is None:
            self._check_late(STATUS, stream_id)
            return
        if flags & ~STATUS_FLAGS or (flags & FLAG_COMPRESSED and not flags & FLAG_MESSAGE):
            raise RemoteProtocolError(
                f"STATUS of stream {stream_id} with flags {flags:#04x}, which mean nothing together"
            )
        status = OK_STATUS
        if flags & FLAG_FULL:
            status, start = decode_status(data, start, end, self.max_metadata_bytes)
        compression_id = 0
        if flags & FLAG_COMPRESSED:
            compression_id = self._compression(data, start, end)
            start += 1
        elif start != end and not flags & FLAG_MESSAGE:
            raise RemoteProtocolError(f"STATUS of stream {stream_id} has {end - start} bytes behind its last field")
        if end - start > self.max_message_bytes:
            self._fail_stream(stream, self._too_long(end - start), events)
            return
        del self.streams[stream_id]
        if stream.outgoing is not None:
            self.sender.backlog.forget(stream)
        if stream.inflow is not None:
            self._end_inflow(stream, stream.inflow, status.code == StatusCode.OK)
        events.append(StatusReceived(stream_id, status, flags & FLAG_MESSAGE != 0, data, start, end, compression_id))

    def _end_inflow(self, stream: Stream, inflow: Inflow, is_ok: bool) -> None:
        inflow.is_ended = True
        if inflow.assembly is not None:
            if is_ok:
                raise RemoteProtocolError(f"STATUS OK of stream {stream.stream_id} in the middle of a message")
            self.link.flow.abandoned(inflow)
        if inflow.has_unread(0):
            self.link.lingering[stream.stream_id] = inflow

    def on_message(self, data: bytes, start: int, end: int, flags: int, stream_id: int, events: list[Event]) -> None:
        """A message, or a part of one.

        Raises:
            RemoteProtocolError: it breaks a rule.
        """
        cost = end - start + FRAME_COST
        stream = self.streams.get(stream_id)
        if stream is None:
            self._check_late(MESSAGE, stream_id)
            self.link.flow.ignored(cost)
            return
        if flags & ~MESSAGE_FLAGS or (flags & FLAG_END and (flags & FLAG_MORE or not self.is_server)):
            raise RemoteProtocolError(
                f"MESSAGE of stream {stream_id} with flags {flags:#04x}, which mean nothing together"
            )
        event = SERVER_MESSAGE if not self.is_server else CLIENT_END if flags & FLAG_END else CLIENT_MESSAGE
        stream.state = self._next(stream, event, MESSAGE)
        inflow = stream.inflow
        if inflow is None:
            inflow = stream.inflow = Inflow(stream_id, self.link.flow.stream_size)
        self.link.flow.arrived(inflow, cost)
        if flags & FLAG_MORE or inflow.assembly is not None:
            self._on_part(data, start, end, flags, stream, inflow, events)
            return
        compression_id = 0
        if flags & FLAG_COMPRESSED:
            compression_id = self._compression(data, start, end)
            start += 1
            self.link.flow.completed(inflow, 1)
        if end - start > self.max_message_bytes:
            self._fail_stream(stream, self._too_long(end - start), events)
            return
        end_stream = flags & FLAG_END != 0
        if end_stream:
            inflow.is_ended = True
        events.append(MessageReceived(stream_id, data, start, end, compression_id, end_stream))

    def _on_part(
        self,
        data: bytes,
        start: int,
        end: int,
        flags: int,
        stream: Stream,
        inflow: Inflow,
        events: list[Event],
    ) -> None:
        """A frame with a part of a message: the first, a middle one, or the last."""
        stream_id = stream.stream_id
        cost = end - start + FRAME_COST
        assembly = inflow.assembly
        if assembly is None:
            inflow.compression_id = 0
            if flags & FLAG_COMPRESSED:
                inflow.compression_id = self._compression(data, start, end)
                start += 1
            assembly = inflow.assembly = bytearray()
        elif flags & FLAG_COMPRESSED:
            raise RemoteProtocolError(f"MESSAGE of stream {stream_id} is marked compressed in the middle of a message")
        if start == end:
            raise RemoteProtocolError(f"MESSAGE of stream {stream_id} brings an empty part of a message")
        if len(assembly) + end - start > self.max_message_bytes:
            self._fail_stream(stream, self._too_long(len(assembly) + end - start), events)
            return
        assembly += data[start:end]
        flow = self.link.flow
        if flags & FLAG_MORE:
            flow.continues(inflow, cost)
            return
        message = bytes(assembly)
        inflow.assembly = None
        flow.completed(inflow, inflow.assembled + cost - FRAME_COST - len(message))
        end_stream = flags & FLAG_END != 0
        if end_stream:
            inflow.is_ended = True
        events.append(MessageReceived(stream_id, message, 0, len(message), inflow.compression_id, end_stream))

    def on_half_close(self, start: int, end: int, flags: int, stream_id: int, events: list[Event]) -> None:
        """The client sends nothing more on a stream.

        Raises:
            RemoteProtocolError: it breaks a rule.
        """
        stream = self.streams.get(stream_id)
        if not self.is_server:
            raise RemoteProtocolError("HALF_CLOSE from a server: a server ends a call with STATUS")
        if stream is None:
            self._check_late(HALF_CLOSE, stream_id)
            return
        if flags or start != end:
            raise RemoteProtocolError(f"HALF_CLOSE of stream {stream_id} with flags or a payload: it has neither")
        stream.state = self._next(stream, CLIENT_END, HALF_CLOSE)
        inflow = stream.inflow
        if inflow is not None:
            inflow.is_ended = True
            if inflow.assembly is not None:
                raise RemoteProtocolError(f"HALF_CLOSE of stream {stream_id} in the middle of a message")
        events.append(HalfClosed(stream_id))

    def on_headers(self, data: bytes, start: int, end: int, flags: int, stream_id: int, events: list[Event]) -> None:
        """The server's initial metadata.

        Raises:
            RemoteProtocolError: it breaks a rule.
        """
        stream = self.streams.get(stream_id)
        if self.is_server:
            raise RemoteProtocolError("HEADERS from a client: its metadata belongs in OPEN")
        if stream is None:
            self._check_late(HEADERS, stream_id)
            return
        if flags:
            raise RemoteProtocolError(f"HEADERS of stream {stream_id} with flags {flags:#04x}: it has none")
        stream.state = self._next(stream, SERVER_HEADERS, HEADERS)
        metadata, start = decode_metadata(data, start, end, self.max_metadata_bytes)
        if start != end:
            raise RemoteProtocolError(f"HEADERS of stream {stream_id} has {end - start} bytes behind its metadata")
        events.append(HeadersReceived(stream_id, metadata))

    def _fail_stream(self, stream: Stream, reason: str, events: list[Event]) -> None:
        self.sender.close(stream)
        self.control.refuse(stream.stream_id, StatusCode.RESOURCE_EXHAUSTED, reason, False)
        events.append(StreamReset(stream.stream_id, StatusCode.RESOURCE_EXHAUSTED, reason, False, True))

    def _next(self, stream: Stream, event: int, kind: int) -> int:
        state = NEXT_STREAM_STATE[stream.state * STREAM_EVENTS + event]
        if state == FORBIDDEN:
            raise RemoteProtocolError(
                f"{frame_name(kind)} on stream {stream.stream_id}, which is {stream_state_name(stream.state)}"
            )
        return state

    def _check_late(self, kind: int, stream_id: int) -> None:
        """A frame of a stream that has ended is ignored: it crossed our end of it. One that never was is an error."""
        if not 0 < stream_id <= self.link.last_stream_id:
            raise RemoteProtocolError(f"{frame_name(kind)} on stream {stream_id & 0xFFFFFFFF}, which was never opened")

    def _compression(self, data: bytes, start: int, end: int) -> int:
        if start == end:
            raise RemoteProtocolError("a compressed message without the id of its compression")
        compression_id = data[start]
        if compression_id not in self.link.settings.compressions:
            raise RemoteProtocolError(
                f"a message is compressed with algorithm {compression_id}, we offered {self.link.settings.compressions}"
            )
        return compression_id

    def _too_long(self, size: int) -> str:
        return f"message of {size} bytes or more is over the limit of {self.max_message_bytes}: send less at a time"
