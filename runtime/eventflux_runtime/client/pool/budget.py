"""The retry budget of a channel: a token bucket that stops retries while too many calls fail.

It is the throttling of gRPC's proposal A6, https://github.com/grpc/proposal/blob/master/A6-client-retries.md.
"""

from __future__ import annotations

from typing import Final

__all__ = ["RetryBudget"]

_REFILL: Final = 0.1
"""Tokens that a call gives back when it succeeds: in a lasting outage retries add a tenth to the load at most."""


class RetryBudget:
    """Tokens of one channel. Invariant: between 0 and the most it was made with."""

    def __init__(self, tokens: int) -> None:
        self._most = float(tokens)
        self._tokens = float(tokens)

    @property
    def tokens(self) -> float:
        """What is left."""
        return self._tokens

    @property
    def is_full(self) -> bool:
        """Whether a success would change nothing."""
        return self._tokens >= self._most

    def spend(self) -> bool:
        """An attempt failed in a way that a retry may mend; True: it may be retried."""
        if not self._most:
            return True
        self._tokens = max(0.0, self._tokens - 1.0)
        return self._tokens > self._most / 2

    def refill(self) -> None:
        """A call succeeded."""
        self._tokens = min(self._most, self._tokens + _REFILL)
