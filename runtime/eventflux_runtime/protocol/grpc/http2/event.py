"""What a connection of gRPC reports beyond the events that all protocols have."""

from __future__ import annotations

from typing import final

from eventflux_runtime.loading.compiled import mypyc_attr
from eventflux_runtime.protocol.core.event import PEER_READY, STREAM_OPENED, Event, StreamOpened
from eventflux_runtime.protocol.grpc.http2.head import RequestHead

__all__ = ["RequestOpened", "SettingsReceived"]


@mypyc_attr(acyclic=True)
@final
class SettingsReceived(Event):
    """The peer's first SETTINGS, so that calls may begin; or later ones that change what a driver has to know.

    Attributes:
        max_streams: client: calls that the server allows in flight; 0 while it allows none.
    """

    __slots__ = ("max_streams",)

    def __init__(self, max_streams: int) -> None:
        self.kind = PEER_READY
        self.stream_id = 0
        self.max_streams = max_streams


@mypyc_attr(acyclic=True)
@final
class RequestOpened(StreamOpened):
    """Server: a client began a call.

    Attributes:
        head: what the client said of it, the method's path first of all; shared by calls that begin alike.
    """

    __slots__ = ("head",)

    def __init__(self, stream_id: int, head: RequestHead, end_stream: bool) -> None:
        self.kind = STREAM_OPENED
        self.stream_id = stream_id
        self.timeout_us = head.timeout_us
        self.metadata = head.metadata
        self.has_message = False
        self.data = b""
        self.start = 0
        self.end = 0
        self.compression_id = 0
        self.end_stream = end_stream
        self.head = head
