"""What a connection reports: one final class for each kind of event.

`kind` is an int so that a driver dispatches on it without a chain of type checks. A message is the slice
``data[start:end]`` of an immutable chunk: valid for good, but it keeps the whole chunk alive, so decode it at once.
"""

from __future__ import annotations

from typing import Final, final

from eventflux_runtime.loading.compiled import mypyc_attr
from eventflux_runtime.rpc.metadata import Metadata
from eventflux_runtime.rpc.status import Status, StatusCode

__all__ = [
    "CONNECTION_LOST",
    "EVENT_KINDS",
    "GO_AWAY_RECEIVED",
    "HALF_CLOSED",
    "HEADERS_RECEIVED",
    "LAST_CALL_KNOWN",
    "MESSAGE_RECEIVED",
    "MESSAGE_SENT",
    "PEER_READY",
    "PONG_RECEIVED",
    "STATUS_RECEIVED",
    "STREAM_OPENED",
    "STREAM_RESET",
    "ConnectionLost",
    "Event",
    "GoAwayReceived",
    "HalfClosed",
    "HeadersReceived",
    "LastCallKnown",
    "MessageReceived",
    "MessageSent",
    "PongReceived",
    "StatusReceived",
    "StreamOpened",
    "StreamReset",
]

PEER_READY: Final = 0
"""The peer has said what it allows; each protocol has an event of its own for that."""
STREAM_OPENED: Final = 1
HEADERS_RECEIVED: Final = 2
MESSAGE_RECEIVED: Final = 3
HALF_CLOSED: Final = 4
STATUS_RECEIVED: Final = 5
STREAM_RESET: Final = 6
MESSAGE_SENT: Final = 7
GO_AWAY_RECEIVED: Final = 8
PONG_RECEIVED: Final = 9
CONNECTION_LOST: Final = 10
LAST_CALL_KNOWN: Final = 11
EVENT_KINDS: Final = 12


@mypyc_attr(acyclic=True)
class Event:
    """The base of all events.

    Attributes:
        kind: one of the numbers above.
        stream_id: the stream concerned; 0 where the whole connection is.
    """

    __slots__ = ("kind", "stream_id")

    def __init__(self, kind: int, stream_id: int) -> None:
        self.kind = kind
        self.stream_id = stream_id

    def __repr__(self) -> str:
        # A class compiled by mypyc has descriptors for its attributes, as one with slots has, but no __slots__.
        names = [name for name in dir(type(self)) if not name.startswith("_") and name != "kind"]
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"


@mypyc_attr(acyclic=True)
class StreamOpened(Event):
    """Server: a client began a call. Each protocol adds how it names the method.

    Attributes:
        timeout_us: microseconds left until the client's deadline; -1: none.
        metadata: the call's metadata.
        has_message: the first message came along. It counts as consumed; do not call `consumed` for it.
        compression_id: 0, or the algorithm that the message is compressed with.
        end_stream: no message follows.
    """

    __slots__ = ("compression_id", "data", "end", "end_stream", "has_message", "metadata", "start", "timeout_us")

    def __init__(self, stream_id: int, timeout_us: int, metadata: Metadata) -> None:
        self.kind = STREAM_OPENED
        self.stream_id = stream_id
        self.timeout_us = timeout_us
        self.metadata = metadata
        self.has_message = False
        self.data = b""
        self.start = 0
        self.end = 0
        self.compression_id = 0
        self.end_stream = False


@mypyc_attr(acyclic=True)
@final
class HeadersReceived(Event):
    """Client: the server's initial metadata."""

    __slots__ = ("metadata",)

    def __init__(self, stream_id: int, metadata: Metadata) -> None:
        self.kind = HEADERS_RECEIVED
        self.stream_id = stream_id
        self.metadata = metadata


@mypyc_attr(acyclic=True)
@final
class MessageReceived(Event):
    """A whole message. Once the application has taken it: ``connection.consumed(stream_id, end - start)``.

    Attributes:
        compression_id: 0, or the algorithm that the message is compressed with.
        end_stream: server: the client half-closed with it.
    """

    __slots__ = ("compression_id", "data", "end", "end_stream", "start")

    def __init__(
        self, stream_id: int, data: bytes, start: int, end: int, compression_id: int, end_stream: bool
    ) -> None:
        self.kind = MESSAGE_RECEIVED
        self.stream_id = stream_id
        self.data = data
        self.start = start
        self.end = end
        self.compression_id = compression_id
        self.end_stream = end_stream


@mypyc_attr(acyclic=True)
@final
class HalfClosed(Event):
    """Server: the client sends no further message on the stream."""

    __slots__ = ()

    def __init__(self, stream_id: int) -> None:
        self.kind = HALF_CLOSED
        self.stream_id = stream_id


@mypyc_attr(acyclic=True)
@final
class StatusReceived(Event):
    """Client: the call has ended.

    Attributes:
        has_message: the only or last message came along. It counts as consumed; do not call `consumed` for it.
        compression_id: 0, or the algorithm that the message is compressed with.
    """

    __slots__ = ("compression_id", "data", "end", "has_message", "start", "status")

    def __init__(
        self,
        stream_id: int,
        status: Status,
        has_message: bool,
        data: bytes,
        start: int,
        end: int,
        compression_id: int,
    ) -> None:
        self.kind = STATUS_RECEIVED
        self.stream_id = stream_id
        self.status = status
        self.has_message = has_message
        self.data = data
        self.start = start
        self.end = end
        self.compression_id = compression_id


@mypyc_attr(acyclic=True)
@final
class StreamReset(Event):
    """The call was broken off. Messages of it that the application has not taken are dropped; take none of them.

    Attributes:
        code: why.
        reason: text for people; may be empty.
        unprocessed: no handler has seen the call.
        is_local: this side broke it off, because the peer went over a limit of the stream.
    """

    __slots__ = ("code", "is_local", "reason", "unprocessed")

    def __init__(self, stream_id: int, code: StatusCode, reason: str, unprocessed: bool, is_local: bool) -> None:
        self.kind = STREAM_RESET
        self.stream_id = stream_id
        self.code = code
        self.reason = reason
        self.unprocessed = unprocessed
        self.is_local = is_local


@mypyc_attr(acyclic=True)
@final
class MessageSent(Event):
    """The message that waited for credit, and the status behind it if there is one, is in the output."""

    __slots__ = ()

    def __init__(self, stream_id: int) -> None:
        self.kind = MESSAGE_SENT
        self.stream_id = stream_id


@mypyc_attr(acyclic=True)
@final
class GoAwayReceived(Event):
    """The peer takes no further calls.

    Attributes:
        last_stream_id: streams above it were not processed.
        code: OK for an orderly drain.
        reason: text for people.
        unprocessed: client: ids of the calls in flight above `last_stream_id`; they have ended and may be tried again.
    """

    __slots__ = ("code", "last_stream_id", "reason", "unprocessed")

    def __init__(self, last_stream_id: int, code: StatusCode, reason: str, unprocessed: tuple[int, ...]) -> None:
        self.kind = GO_AWAY_RECEIVED
        self.stream_id = 0
        self.last_stream_id = last_stream_id
        self.code = code
        self.reason = reason
        self.unprocessed = unprocessed

    @property
    def is_too_many_pings(self) -> bool:
        """Whether the peer left because of our keepalive; the next connection should ping less often."""
        return self.reason.startswith("too_many_pings")


@mypyc_attr(acyclic=True)
@final
class PongReceived(Event):
    """The answer to `Connection.ping`.

    Attributes:
        payload: the eight bytes that were sent.
    """

    __slots__ = ("payload",)

    def __init__(self, payload: bytes) -> None:
        self.kind = PONG_RECEIVED
        self.stream_id = 0
        self.payload = payload


@mypyc_attr(acyclic=True)
@final
class ConnectionLost(Event):
    """The connection has ended without an error of the protocol: end of stream, or the peer fell silent.

    Attributes:
        reason: text for people.
        is_timeout: a timer ran out: the handshake's or the keepalive's.
    """

    __slots__ = ("is_timeout", "reason")

    def __init__(self, reason: str, is_timeout: bool) -> None:
        self.kind = CONNECTION_LOST
        self.stream_id = 0
        self.reason = reason
        self.is_timeout = is_timeout


@mypyc_attr(acyclic=True)
@final
class LastCallKnown(Event):
    """Server, draining: the peer knows that no call is wanted; what it opens from now on is not taken."""

    __slots__ = ()

    def __init__(self) -> None:
        self.kind = LAST_CALL_KNOWN
        self.stream_id = 0
