"""Servers that answer and fail: which of them are left out of the rotation, and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from eventflux_runtime.rpc.backoff import Backoff
from eventflux_runtime.rpc.config import EjectionConfig
from eventflux_runtime.rpc.status import StatusCode

__all__ = ["OutlierStats", "can_eject", "is_held_against"]

_SERVERS_FAULT: Final = frozenset({StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED})
"""Codes that say something of the server rather than of the request."""


def is_held_against(code: StatusCode) -> bool:
    """Whether a call that ended so counts as the server's failure."""
    return code in _SERVERS_FAULT


class OutlierStats:
    """How the calls of one address have ended of late.

    Invariants: `failures` counts those since the last success; `is_clean` is True exactly if there is nothing to
    forget, so that the path of a successful call may skip `succeeded`.
    """

    def __init__(self, config: EjectionConfig) -> None:
        self._config = config
        self._backoff = Backoff(config.ejection_s, config.max_ejection_s, 2.0)
        self.failures = 0
        self.ejections = 0
        """How often it was ejected so far."""

    @property
    def is_clean(self) -> bool:
        """Whether there is nothing held against it."""
        return self.failures == 0 and self._backoff.failures == 0

    def failed(self, now: float, may_eject: bool) -> bool:
        """A call failed; True: the address is ejected from now on."""
        self.failures += 1
        limit = 1 if self._backoff.failures else self._config.consecutive_failures
        if self.failures < limit or not may_eject or self._backoff.left_s(now) > 0:
            return False
        self.failures = 0
        self.ejections += 1
        self._backoff.failed(now)
        return True

    def succeeded(self) -> None:
        """A call succeeded, or a new connection was made: a server that was restarted starts anew."""
        self.failures = 0
        self._backoff.succeeded()

    def ejected_for_s(self, now: float) -> float:
        """Seconds for which it is left out; 0: it is not."""
        return self._backoff.left_s(now)


def can_eject(all_of_them: Sequence[OutlierStats], now: float) -> bool:
    """Whether one more address may be left out: at most half of them are at a time."""
    ejected = sum(1 for stats in all_of_them if stats.ejected_for_s(now) > 0)
    return (ejected + 1) * 2 <= len(all_of_them)
