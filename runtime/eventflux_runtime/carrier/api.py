"""The byte stream under the native protocol: pushed in by callbacks, written without waiting, on every driver."""

from __future__ import annotations

from typing import Final, Protocol

import anyio

from eventflux_runtime.rpc.peer import Peer

__all__ = ["CLOSE_S", "HIGH_WATER_BYTES", "READ_BYTES", "Patience", "Pipe", "PipeHandler", "wait_closed"]

CLOSE_S: Final = 1.0
"""Seconds for which a peer may take nothing of what a closing pipe has still to send."""
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

    def on_congested(self) -> None:
        """More than `HIGH_WATER_BYTES` wait for the system to take them. May be called within `Pipe.write`."""

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

    @property
    def unsent_bytes(self) -> int:
        """Bytes written that the system has not taken."""

    def start(self, handler: PipeHandler) -> None:
        """Begins to deliver; called once."""

    def write(self, data: bytes) -> None:
        """Sends bytes, or keeps them until the system takes them. After `close`, `abort` or the end, drops them."""

    def pause_reading(self) -> None:
        """Delivers nothing until `resume_reading`, so that the peer has to wait; what was read already may come."""

    def resume_reading(self) -> None:
        """Delivers again."""

    def close(self) -> None:
        """Sends what was written, then closes; aborts if the peer takes nothing of it for `CLOSE_S` seconds.

        Nothing is delivered any more but `on_lost`, which follows.
        """

    def abort(self) -> None:
        """Closes at once; what was written may be lost. `on_lost` follows."""

    async def wait_closed(self) -> None:
        """Returns after `on_lost`."""


class Patience:
    """With a peer that is to take what a pipe has left to send, and to which nothing more is written."""

    __slots__ = ("_pipe", "_unsent")

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._unsent = pipe.unsent_bytes

    def is_over(self) -> bool:
        """Whether the peer took nothing since the last look."""
        before, self._unsent = self._unsent, self._pipe.unsent_bytes
        return self._unsent >= before


async def wait_closed(pipe: Pipe, within_s: float) -> None:
    """Waits for a closing pipe, and aborts it after `within_s` seconds or when the wait is cancelled.

    The pipe is closed whichever way this is left.
    """
    try:
        with anyio.move_on_after(within_s):
            await pipe.wait_closed()
    finally:
        pipe.abort()
        with anyio.CancelScope(shield=True):
            await pipe.wait_closed()
