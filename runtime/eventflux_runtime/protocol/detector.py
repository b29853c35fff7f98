"""Tells by the first bytes of a connection who is there, and hands its pipe to the one that speaks with such a peer."""

from __future__ import annotations

from collections.abc import Callable

from eventflux_runtime.carrier.api import PipeHandler
from eventflux_runtime.protocol.sniff import SNIFF_BYTES, Sniff, sniff

__all__ = ["ProtocolDetector"]


class ProtocolDetector:
    """A `PipeHandler` that stands in until four bytes have arrived, and forwards everything from then on."""

    __slots__ = ("_choose", "_early", "on_congested", "on_data", "on_eof", "on_lost", "on_writable")

    def __init__(self, first: PipeHandler, choose: Callable[[Sniff], PipeHandler]) -> None:
        """A detector for one pipe.

        Args:
            first: hears of everything else until it is known who is there.
            choose: gives the one who speaks with a peer that begins so.
        """
        self._choose = choose
        self._early = b""
        self.on_data: Callable[[bytes], None] = self._look
        self._forward_to(first)
        self.on_data = self._look

    def _look(self, data: bytes) -> None:
        self._early += data
        if len(self._early) < SNIFF_BYTES:
            return
        chosen = self._choose(sniff(self._early))
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
