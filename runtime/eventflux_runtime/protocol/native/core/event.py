"""What a native connection reports beyond the events that all protocols have."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from eventflux_runtime.loading.compiled import mypyc_attr
from eventflux_runtime.protocol.core.event import PEER_READY, STREAM_OPENED, Event, StreamOpened
from eventflux_runtime.rpc.metadata import Metadata

if TYPE_CHECKING:
    from eventflux_runtime.protocol.native.core.settings import PeerSettings

__all__ = ["HelloReceived", "MethodOpened"]


@mypyc_attr(acyclic=True)
@final
class HelloReceived(Event):
    """The handshake is done; calls may begin."""

    __slots__ = ("settings",)

    def __init__(self, settings: PeerSettings) -> None:
        self.kind = PEER_READY
        self.stream_id = 0
        self.settings = settings


@mypyc_attr(acyclic=True)
@final
class MethodOpened(StreamOpened):
    """Server: a client began a call of one of the methods that this side listed.

    Attributes:
        method_id: index into those; checked.
        protobuf: the call's messages are protobuf, both ways.
    """

    __slots__ = ("method_id", "protobuf")

    def __init__(  # noqa: PLR0913, PLR0917 (built once per call, so as a flat record and without keywords)
        self,
        stream_id: int,
        method_id: int,
        timeout_us: int,
        metadata: Metadata,
        protobuf: bool,
        has_message: bool,
        data: bytes,
        start: int,
        end: int,
        compression_id: int,
        end_stream: bool,
    ) -> None:
        self.kind = STREAM_OPENED
        self.stream_id = stream_id
        self.method_id = method_id
        self.timeout_us = timeout_us
        self.metadata = metadata
        self.protobuf = protobuf
        self.has_message = has_message
        self.data = data
        self.start = start
        self.end = end
        self.compression_id = compression_id
        self.end_stream = end_stream
