"""The keyword arguments that every generated client method takes."""

from __future__ import annotations

from typing import TypedDict

from eventflux_runtime.protocol.api import ResponseInfo
from eventflux_runtime.rpc.config import Compression
from eventflux_runtime.rpc.metadata import MetadataLike

__all__ = ["CallOptions"]


class CallOptions(TypedDict, total=False):
    """What one call may be told; what it is not told comes from its method, then from the channel."""

    timeout_s: float | None
    """Seconds until the call fails with DeadlineExceeded; 0 fails at once, None or 1e9 and more sets no deadline."""
    metadata: MetadataLike | None
    """Sent ahead of the first request."""
    wait_for_ready: bool
    """Wait for a server to come up, until the deadline, rather than fail with Unavailable."""
    compression: Compression
    """For the requests of this call."""
    inherit: bool
    """False: ignore the deadline and trace context of the handler that makes this call."""
    response: ResponseInfo
    """Filled in with the response's metadata and trailers."""
