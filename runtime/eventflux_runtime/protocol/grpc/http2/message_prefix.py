"""The five bytes ahead of each message, and what may be wrong with them.

"Length-Prefixed-Message" in gRPC's PROTOCOL-HTTP2.md, and https://github.com/grpc/grpc/blob/master/doc/compression.md
"""

from __future__ import annotations

from eventflux_runtime.loading.compiled import i64
from eventflux_runtime.protocol.grpc.http2.settings import Settings
from eventflux_runtime.protocol.grpc.http2.stream import Stream
from eventflux_runtime.rpc.status import Status, StatusCode

__all__ = ["misfit"]


def misfit(stream: Stream, flag: i64, size: i64, settings: Settings) -> Status | None:
    """Why this side cannot read a message; None: it can.

    Args:
        stream: that it came on.
        flag: whether it is compressed.
        size: its length, as it is on the wire.
        settings: ours.
    """
    if flag > 1:
        return Status(StatusCode.INTERNAL, f"a message's compressed flag is {flag}: it is 0 or 1")
    if flag and not stream.taken_encoding_id:
        return Status(StatusCode.INTERNAL, "a message is compressed, but grpc-encoding did not say how")
    if flag and stream.taken_encoding_id not in settings.compressions:
        known = settings.accepted_names
        return Status(
            StatusCode.UNIMPLEMENTED, f"a message is compressed with {stream.encoding!r}, this side reads {known}"
        )
    if size > settings.max_message_bytes:
        return Status(
            StatusCode.RESOURCE_EXHAUSTED,
            f"message of {size} bytes is over the limit of {settings.max_message_bytes}: send less at a time",
        )
    return None
