"""How long to wait before a worker that has died is replaced."""

from __future__ import annotations

from typing import Final

from eventflux_runtime.rpc.backoff import backoff_s

__all__ = ["LONGEST_PAUSE_S", "STEADY_S", "Restarts"]

STEADY_S: Final = 10.0
"""A worker that has served for so many seconds did not die of how it starts: its successor starts at once."""
_FIRST_PAUSE_S: Final = 0.1
_MULTIPLIER: Final = 2.0
LONGEST_PAUSE_S: Final = 10.0
"""Seconds between two tries, where one worker after the other dies."""


class Restarts:
    """Counts the workers of one place that died young."""

    def __init__(self) -> None:
        self._young = 0

    def pause_s(self, served_s: float) -> float:
        """Seconds to wait for the next one.

        Args:
            served_s: how long the one that died had served; 0 if it never did.
        """
        self._young = 0 if served_s >= STEADY_S else self._young + 1
        if not self._young:
            return 0.0
        return backoff_s(self._young, _FIRST_PAUSE_S, LONGEST_PAUSE_S, _MULTIPLIER)
