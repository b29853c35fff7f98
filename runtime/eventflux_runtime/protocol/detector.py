"""Tells by the first bytes of a connection who is there, and hands its pipe to the one that speaks with such a peer."""

from __future__ import annotations

from collections.abc import Callable

from eventflux_runtime.carrier.api import PipeHandler
from eventflux_runtime.protocol.sniff import SNIFF_BYTES, Sniff, sniff

__all__ = ["Doorway"]


class Doorway:
    """A `PipeHandler` that stands in until four bytes have arrived, and forwards everything from then on."""

    __slots__ = ("_early", "_native", "_turn", "on_congested", "on_data", "on_eof", "on_lost", "on_writable")

    def __init__(self, native: PipeHandler, turn: Callable[[], PipeHandler]) -> None:
        """A doorway for one pipe.

        Args:
            native: who speaks with a peer of the native protocol, and with any that is unknown.
            turn: gives the one who speaks with an EventFlux peer, in place of `native`.
        """
        self._native = native
        self._turn = turn
        self._early = b""
        self.on_data: Callable[[bytes], None] = self._look
        self._forward_to(native)
        self.on_data = self._look

    def _look(self, data: bytes) -> None:
        self._early += data
        if len(self._early) < SNIFF_BYTES:
            return
        chosen = self._turn() if sniff(self._early) is Sniff.EVENTFLUX else self._native
        early, self._early = self._early, b""
        self._forward_to(chosen)
        chosen.on_data(early)

    def _forward_to(self, handler: PipeHandler) -> None:
        # The pipe looks its handler's callbacks up each time, so a connection that is known costs nothing more.
        self.on_data = handler.on_data
        self.on_eof = handler.on_eof
        self.on_lost = handler.on_lost
        self.on_congested = handler.on_congested
        self.on_writable = handler.on_writable
