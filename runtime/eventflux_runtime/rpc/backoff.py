"""How long to wait before something that failed is tried again: exponential, bounded, and different for everybody."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

__all__ = ["Backoff", "Random", "backoff_s", "jittered"]

JITTER: Final = 0.2
"""Waits vary by a fifth either way, as in gRPC's proposal A6 and its connection backoff, so that clients which lost one
server at the same moment do not come back at the same moment."""
_RECONNECT_MULTIPLIER: Final = 1.6
"""As https://github.com/grpc/grpc/blob/master/doc/connection-backoff.md has it."""

Random = Callable[[], float]


def jittered(seconds: float, draw: Random = random.random) -> float:
    """A time near to `seconds`."""
    return seconds * (1.0 - JITTER + 2.0 * JITTER * draw())


def backoff_s(failures: int, initial_s: float, longest_s: float, multiplier: float) -> float:
    """Seconds to wait after so many failures in a row, before jitter. At least one has happened."""
    # The exponent is bounded, because a float has a largest value and an outage need not have an end.
    return min(longest_s, initial_s * multiplier ** min(failures - 1, 100))


class Backoff:
    """Counts failures in a row and says when the next attempt is due, in seconds of the clock it is given."""

    def __init__(
        self,
        initial_s: float,
        longest_s: float,
        multiplier: float = _RECONNECT_MULTIPLIER,
        draw: Random = random.random,
    ) -> None:
        self._initial_s = initial_s
        self._longest_s = longest_s
        self._multiplier = multiplier
        self._draw = draw
        self.failures = 0
        self.retry_at = 0.0

    def failed(self, now: float) -> None:
        """An attempt failed."""
        self.failures += 1
        wait_s = backoff_s(self.failures, self._initial_s, self._longest_s, self._multiplier)
        self.retry_at = now + jittered(wait_s, self._draw)

    def succeeded(self) -> None:
        """An attempt succeeded."""
        self.failures = 0
        self.retry_at = 0.0

    def left_s(self, now: float) -> float:
        """Seconds until the next attempt; 0: it may be made."""
        return max(0.0, self.retry_at - now)
