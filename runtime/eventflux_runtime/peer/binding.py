"""What a generated package tells the message-passing transports about its messages and methods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from eventflux_runtime.rpc.method import Method, PeerCodec

__all__ = ["PeerBinding"]

M = TypeVar("M")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PeerBinding(Generic[M]):
    """One message type with everything that its transports need."""

    codec: PeerCodec[M]
    """EventFlux's layout on TCP."""
    send: Method[M, M]
    """Takes one message and answers with one."""
    stream: Method[M, M]
    """Carries messages both ways: a connection."""
    events: Method[Any, M]
    """Sends messages to a subscriber."""
    heartbeat: Method[Any, Any]
    """Asks a node how it is."""
    acknowledge: Callable[[M], M]
    """The answer to a message that nobody answered."""
    heartbeat_request: Callable[[str, int], Any]
    """A heartbeat from a node id and a time in milliseconds since the Unix epoch."""
    heartbeat_response: Callable[[str, int, int], Any]
    """Its answer, from a node id, such a time, and the number of open connections."""
    payload_of: Callable[[M], tuple[bytes, int]]
    """A message's payload, and the number of its compression: 0 none, 1 lz4, 2 snappy, 3 zstd."""
    with_payload: Callable[[M, bytes, int], M]
    """A copy with another payload and compression."""
    stamp: Callable[[M, int, bool], M]
    """A copy in which nothing is unset that EventFlux sets over gRPC, from a time in milliseconds since the Unix epoch,
    and whether a header may name the priority."""
    size_of: Callable[[M], int]
    """What a message that waits costs, in bytes."""
    is_wanted: Callable[[Any, M], bool]
    """Whether a subscriber's request asks for a message."""
