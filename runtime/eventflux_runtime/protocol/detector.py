"""Tells by the first bytes of a connection who is there, and hands its pipe to the one that speaks with such a peer."""

from __future__ import annotations

from collections.abc import Callable

from eventflux_runtime.carrier.api import PipeHandler, Relay
from eventflux_runtime.protocol.sniff import SNIFF_BYTES, Sniff, sniff

__all__ = ["ProtocolDetector"]


class ProtocolDetector(Relay):
    """A `PipeHandler` that stands in until four bytes have arrived, and forwards everything from then on."""

    __slots__ = ("_choose", "_early")

    def __init__(self, first: PipeHandler, choose: Callable[[Sniff, Relay], PipeHandler]) -> None:
        """A detector for one pipe.

        Args:
            first: hears of everything else until it is known who is there.
            choose: gives the one who speaks with a peer that begins so; told of the detector too, which goes on to
                forward to whom it is told.
        """
        super().__init__(first)
        self._choose = choose
        self._early = b""
        self.on_data = self._look

    def _look(self, data: bytes) -> None:
        self._early += data
        if len(self._early) < SNIFF_BYTES:
            return
        chosen = self._choose(sniff(self._early), self)
        early, self._early = self._early, b""
        self.forward_to(chosen)
        chosen.on_data(early)
