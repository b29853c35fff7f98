"""Finds out that a silent peer is gone: when to ping, and when to give up."""

from __future__ import annotations

from typing import final

__all__ = ["Keepalive"]


@final
class Keepalive:
    """The keepalive of one connection. Everything that arrives is a sign of life, not only a pong.

    Invariant: at most one ping is on its way, from `pinged_at` until anything arrives. What arrives moves no timer, so
    while one is, somebody looks after every interval: silence that begins behind an answer is noticed as soon.
    """

    __slots__ = ("heard_at", "interval_s", "is_waiting", "looked_at", "pinged_at", "timeout_s")

    def __init__(self, interval_s: float | None, timeout_s: float, now: float) -> None:
        self.interval_s: float = 0.0 if interval_s is None else interval_s
        """Seconds of silence before a ping; 0: never."""
        self.timeout_s = timeout_s
        self.heard_at = now
        self.pinged_at = now
        self.looked_at = now
        self.is_waiting = False

    def respect(self, min_interval_s: float) -> None:
        """Pings no more often than the peer asks for."""
        if self.interval_s:
            self.interval_s = max(self.interval_s, min_interval_s)

    def heard(self, now: float) -> None:
        """Something arrived."""
        self.heard_at = now
        self.is_waiting = False

    def looked(self, now: float) -> None:
        """The timer was due, or somebody looked all the same."""
        self.looked_at = now

    def pinged(self, now: float) -> None:
        """A ping went out."""
        self.pinged_at = now
        self.is_waiting = True

    def next_timer(self) -> float | None:
        """When to look again; None: never."""
        if not self.interval_s:
            return None
        if not self.is_waiting:
            return self.heard_at + self.interval_s
        return min(self.pinged_at + self.timeout_s, self.looked_at + self.interval_s)

    def is_ping_due(self, now: float) -> bool:
        """Whether the peer has been silent for an interval."""
        return self.interval_s > 0.0 and not self.is_waiting and now >= self.heard_at + self.interval_s

    def is_lost(self, now: float) -> bool:
        """Whether a ping has stayed without any answer for too long."""
        return self.is_waiting and now >= self.pinged_at + self.timeout_s
