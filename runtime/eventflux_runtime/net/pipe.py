"""The byte stream under the native protocol: pushed in by callbacks, written without waiting, on every driver."""

from __future__ import annotations

from typing import Protocol

from eventflux_runtime.transport_api import Peer

__all__ = ["HIGH_WATER_BYTES", "READ_BYTES", "Pipe", "PipeHandler"]

HIGH_WATER_BYTES = 1024 * 1024
"""Bytes written and not yet taken by the system at which a pipe calls itself congested."""
READ_BYTES = 256 * 1024
"""Bytes asked of the system at a time."""


class PipeHandler(Protocol):
    """Who owns a pipe. Callbacks run on the event loop, in order, and must not raise."""

    def on_data(self, data: bytes) -> None:
        """Bytes arrived; never empty."""

    def on_eof(self) -> None:
        """The peer will send nothing more."""

    def on_lost(self, error: Exception | None) -> None:
        """The pipe is gone; called exactly once, the last of all calls. `error` is None for an orderly end."""

    def on_writable(self) -> None:
        """A congested pipe has room again."""


class Pipe(Protocol):
    """A connected, full-duplex byte stream."""

    @property
    def peer(self) -> Peer:
        """The other side."""

    @property
    def is_congested(self) -> bool:
        """Whether writers should wait for `PipeHandler.on_writable`."""

    def start(self, handler: PipeHandler) -> None:
        """Begins to deliver; called once."""

    def write(self, data: bytes) -> None:
        """Sends bytes, or keeps them until the system takes them. After the end they are dropped."""

    def pause_reading(self) -> None:
        """Delivers nothing until `resume_reading`, so that the peer has to wait; what was read already may come."""

    def resume_reading(self) -> None:
        """Delivers again."""

    def close(self) -> None:
        """Sends what was written, then closes. `on_lost` follows."""

    def abort(self) -> None:
        """Closes at once; what was written may be lost. `on_lost` follows."""

    async def wait_closed(self) -> None:
        """Returns after `on_lost`."""
