"""A limit on how often something may happen, as a bucket of tokens on the caller's clock."""

from __future__ import annotations

from typing import final

__all__ = ["RateLimit"]


@final
class RateLimit:
    """Allows `burst` at once and `per_second` on average.

    Invariant: ``0 <= tokens <= burst``.
    """

    __slots__ = ("burst", "per_second", "tokens", "updated")

    def __init__(self, burst: float, per_second: float, now: float) -> None:
        self.burst = burst
        self.per_second = per_second
        self.tokens = burst
        self.updated = now

    def allows(self, now: float, times: int = 1) -> bool:
        """Counts so many occurrences at once; False if they are too many."""
        elapsed = now - self.updated
        if elapsed > 0.0:
            self.tokens = min(self.burst, self.tokens + elapsed * self.per_second)
            self.updated = now
        if self.tokens < times:
            return False
        self.tokens -= times
        return True
