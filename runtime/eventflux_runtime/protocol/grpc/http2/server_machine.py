"""The server's side of a gRPC connection without I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, final

from librt.strings import BytesWriter

from eventflux_runtime.protocol.core.error import LocalProtocolError
from eventflux_runtime.protocol.grpc.http2.connection import Connection
from eventflux_runtime.protocol.grpc.http2.ending import Endings
from eventflux_runtime.protocol.grpc.http2.link import Link
from eventflux_runtime.protocol.grpc.http2.request_frames import RequestFrames
from eventflux_runtime.protocol.grpc.http2.response_sender import ResponseSender
from eventflux_runtime.protocol.grpc.http2.response_writer import ResponseWriter
from eventflux_runtime.protocol.grpc.http2.settings import Settings
from eventflux_runtime.rpc.metadata import Metadata
from eventflux_runtime.rpc.status import Status

__all__ = ["ServerMachine"]

M = TypeVar("M")


@final
class ServerMachine(Connection):
    """The server's `Machine`."""

    __slots__ = ("_responses",)

    def __init__(self, settings: Settings, *, now: float) -> None:
        """Begins; SETTINGS follow once the client's preface has come."""
        link = Link(True, settings, now)
        self._responses = ResponseSender(link, ResponseWriter(settings.accepted_names))
        endings = Endings(link, self._responses)
        super().__init__(link, self._responses, endings, RequestFrames(link, endings, self._responses), now)

    def accepts(self, stream_id: int, compression_id: int) -> bool:
        """See `Machine.accepts`. A client says what it reads with each request."""
        stream = self._link.streams.get(stream_id)
        return stream is not None and compression_id in stream.accepted

    def compress(self, stream_id: int, compression_id: int) -> None:
        """See `Machine.compress`."""
        self._responses.compress(stream_id, compression_id)

    def send_headers(self, stream_id: int, metadata: Metadata) -> None:
        """See `Machine.send_headers`."""
        self._responses.send_headers(stream_id, metadata)

    def send_message(
        self,
        stream_id: int,
        message: M,
        encode: Callable[[M, BytesWriter], None],
        end: bool = False,
        compression_id: int = 0,
    ) -> bool:
        """See `Machine.send_message`."""
        if end:
            raise LocalProtocolError("half-close is the client's to send")
        return self._responses.send_message(stream_id, message, encode, compression_id)

    def send_status(
        self,
        stream_id: int,
        status: Status,
        message: Any = None,
        encode: Callable[[Any, BytesWriter], None] | None = None,
        compression_id: int = 0,
    ) -> bool:
        """See `Machine.send_status`."""
        return self._responses.send_status(stream_id, status, message, encode, compression_id)
