"""The client's side of a gRPC connection without I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, final

from librt.strings import BytesWriter

from eventflux_runtime.protocol.grpc.http2.connection import Connection
from eventflux_runtime.protocol.grpc.http2.ending import Endings
from eventflux_runtime.protocol.grpc.http2.link import READY, Link
from eventflux_runtime.protocol.grpc.http2.request_sender import RequestSender
from eventflux_runtime.protocol.grpc.http2.request_writer import RequestWriter, Route
from eventflux_runtime.protocol.grpc.http2.response_frames import ResponseFrames
from eventflux_runtime.protocol.grpc.http2.settings import Settings
from eventflux_runtime.rpc.metadata import Metadata

__all__ = ["ClientMachine"]

M = TypeVar("M")


@final
class ClientMachine(Connection):
    """The client's `Machine`."""

    __slots__ = ("_heads", "_requests")

    def __init__(
        self,
        settings: Settings,
        *,
        scheme: str,
        authority: str,
        user_agent: str,
        now: float,
    ) -> None:
        """Begins; preface and SETTINGS are in the output at once.

        Args:
            settings: ours.
            scheme: ``http``, or ``https`` for a connection by TLS.
            authority: the server's name, with its port where that is not the scheme's own.
            user_agent: what this client calls itself.
            now: the time.
        """
        link = Link(False, settings, now)
        self._heads = RequestWriter(scheme, authority, user_agent, settings.accepted_names)
        self._requests = RequestSender(link, self._heads)
        endings = Endings(link, self._requests)
        super().__init__(link, self._requests, endings, ResponseFrames(link, endings), now)
        self._control.greet()

    @property
    def can_open(self) -> bool:
        """Whether `open` would find room for a call."""
        link = self._link
        return link.state == READY and len(link.streams) < link.max_streams

    @property
    def max_streams(self) -> int:
        """Calls in flight that the server allows, as `SettingsReceived` told."""
        return self._link.max_streams

    def accepts(self, stream_id: int, compression_id: int) -> bool:
        """See `Machine.accepts`. A server says what it reads with each response, so the last one counts.

        A stream is begun with what is known by then, and keeps it.
        """
        if not stream_id:
            return compression_id in self._link.learned
        stream = self._link.streams.get(stream_id)
        return stream is not None and stream.sent_encoding_id == compression_id

    def route(self, path: str) -> Route:
        """What `open` needs to call the method of a path; the same for the same path."""
        return self._heads.route(path)

    def open(
        self,
        route: Route,
        timeout_us: int,
        metadata: Metadata,
        message: M,
        encode: Callable[[M, BytesWriter], None] | None,
        end: bool = True,
        compression_id: int = 0,
    ) -> int:
        """Begins a call and returns its stream id. A unary call is this alone.

        Args:
            route: the method, from `route`.
            timeout_us: microseconds until the deadline; -1: none.
            metadata: sent ahead of the message.
            message: the first message, where there is an `encode`.
            encode: appends the message to a writer; None: the call begins without one.
            end: half-close; nothing follows.
            compression_id: 0, or the algorithm that `encode`, and messages to come, may compress with.

        What the peer's windows do not let through of the message waits; `MessageSent` follows then.

        Raises:
            MessageTooLarge, MetadataTooLarge: over a limit. The server sees no call, here and below.
            StreamsExhausted: the peer allows no more calls in flight.
            LocalProtocolError: no handshake yet, draining, or closed.
        """
        return self._requests.open(route, timeout_us, metadata, message, encode, end, compression_id)

    def send_message(
        self,
        stream_id: int,
        message: M,
        encode: Callable[[M, BytesWriter], None],
        end: bool = False,
        compression_id: int = 0,
    ) -> bool:
        """See `Machine.send_message`."""
        return self._requests.send_message(stream_id, message, encode, end, compression_id)

    def half_close(self, stream_id: int) -> None:
        """See `Machine.half_close`."""
        self._requests.half_close(stream_id)
