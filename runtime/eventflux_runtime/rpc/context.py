"""What a handler knows of the call it serves, and what it may add to the answer."""

from __future__ import annotations

from typing import Protocol

import anyio

from eventflux_runtime.rpc.deadline import TRACE_KEYS
from eventflux_runtime.rpc.metadata import EMPTY_METADATA, Metadata, MetadataLike
from eventflux_runtime.rpc.method import AnyMethod
from eventflux_runtime.rpc.peer import Peer

__all__ = ["Context", "ServedCall"]


class ServedCall(Protocol):
    """What a context asks of the call it belongs to."""

    @property
    def method(self) -> AnyMethod:
        """The method called."""

    @property
    def metadata(self) -> Metadata:
        """What the client sent ahead of its first request."""

    @property
    def deadline(self) -> float | None:
        """When the client stops waiting, on the loop's clock; None: never."""

    @property
    def peer(self) -> Peer:
        """Who calls."""

    async def send_initial_metadata(self, metadata: Metadata) -> None:
        """Sends initial metadata ahead of the first response; at most once."""


class Context:
    """One call, seen from its handler. Made by the server; valid until the handler returns."""

    __slots__ = ("_call", "_trailers", "has_ended")

    def __init__(self, call: ServedCall) -> None:
        self._call = call
        self.has_ended: bool = False
        """Whether the handler has returned; calls of what it left running do not inherit its deadline then."""
        self._trailers: Metadata = EMPTY_METADATA

    @property
    def method(self) -> AnyMethod:
        """The method called."""
        return self._call.method

    @property
    def metadata(self) -> Metadata:
        """What the client sent ahead of its first request."""
        return self._call.metadata

    @property
    def peer(self) -> Peer:
        """Who calls: the address, and the identity its TLS certificate proved."""
        return self._call.peer

    @property
    def deadline(self) -> float | None:
        """When the client stops waiting, in seconds on the loop's clock (`anyio.current_time`); None: never."""
        return self._call.deadline

    def time_remaining_s(self) -> float | None:
        """Seconds until the deadline, at least 0; None without one."""
        deadline = self._call.deadline
        return None if deadline is None else max(0.0, deadline - anyio.current_time())

    async def send_initial_metadata(self, metadata: MetadataLike) -> None:
        """Sends metadata ahead of the first response. At most once, and before any response."""
        await self._call.send_initial_metadata(Metadata.of(metadata))

    @property
    def trace(self) -> Metadata:
        """The trace context that came with the call, which the handler's own calls hand on."""
        metadata = self._call.metadata
        if metadata is EMPTY_METADATA:
            return metadata
        found = tuple(pair for pair in metadata.pairs if pair[0] in TRACE_KEYS)
        return Metadata.from_trusted(found) if found else EMPTY_METADATA

    @property
    def trailers(self) -> Metadata:
        """The trailing metadata set so far."""
        return self._trailers

    def set_trailers(self, metadata: MetadataLike) -> None:
        """Sets the metadata that goes with the call's status, whether it succeeds or fails; replaces what was set."""
        self._trailers = Metadata.of(metadata)
