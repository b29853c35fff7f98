"""What one node is taken for, from the outcomes of its beats; without I/O, and the time is a parameter.

Invariants: a node gets worse by one step at a time, unknown counting as healthy; it gets better only when
the last `MonitorConfig.recover_after` beats were all better, and then becomes the worst of them; the first good beat of
a node that nothing is known of makes it healthy. Equal outcomes at equal times make equal changes.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import IntEnum

from eventflux_runtime.monitor.config import MonitorConfig

__all__ = ["Health", "HeartbeatTrack", "Transition"]


class Health(IntEnum):
    """How well a node can serve; a greater number is worse."""

    UNKNOWN = 0
    HEALTHY = 1
    DEGRADED = 2
    UNHEALTHY = 3
    OFFLINE = 4


@dataclass(frozen=True, slots=True)
class Transition:
    """A node is taken for something else now."""

    previous: Health
    health: Health
    reason: str
    """Why, for people."""


class HeartbeatTrack:
    """One node's beats: when the next one is due, and what the node is taken for."""

    def __init__(self, config: MonitorConfig, now: float, chance: float, spread_s: float) -> None:
        """A node of which nothing is known.

        Args:
            config: thresholds and times.
            now: seconds of a monotonic clock.
            chance: from 0 to 1, drawn anew for each node: keeps nodes apart that were added together.
            spread_s: seconds within which the first beat is sent; an interval at most.
        """
        self._config = config
        spread_s = min(spread_s, config.interval_s)
        self._second_s = (config.interval_s - spread_s) * chance + spread_s
        self._is_first = True
        self._sent = now
        self.due = now + spread_s * chance
        """When the next beat is to be sent."""
        self.health = Health.UNKNOWN
        self._not_good = 0
        self._unserving = 0
        self._missed = 0
        self._lately: deque[Health] = deque(maxlen=config.recover_after)

    def sent(self, now: float) -> None:
        """A beat leaves now."""
        self._sent = now
        # From when it was due, so that the pace does not drift; from now where that is long past, so that beats are
        # not made up for.
        start = self.due if now - self.due < self._config.interval_s else now
        # Nodes that were added together are asked soon, and from then on apart from each other.
        self.due = start + (self._second_s if self._is_first else self._config.interval_s)
        self._is_first = False

    def answered(self, now: float, reported: Health) -> Transition | None:
        """The beat that left last was answered, and this is what the node says of itself."""
        took_s = now - self._sent
        slow_s = self._config.slow_s
        if reported > Health.HEALTHY:
            return self._judge(reported, f"the node says that it is {reported.name.lower()}")
        if slow_s is not None and took_s > slow_s:
            return self._judge(Health.DEGRADED, f"the answer took {took_s:.3g} s, above slow_s ({slow_s:g} s)")
        return self._judge(Health.HEALTHY, "the node answers")

    def refused(self, reason: str) -> Transition | None:
        """The beat that left last was answered by an error: something lives there, and cannot say how it is."""
        return self._judge(Health.UNHEALTHY, reason)

    def missed(self, reason: str) -> Transition | None:
        """Nobody answered the beat that left last."""
        return self._judge(Health.OFFLINE, reason)

    def _judge(self, grade: Health, reason: str) -> Transition | None:
        self._count(grade)
        lower = self._next_lower()
        if lower is not None:
            return self._become(lower, f"{self._run_of(lower)}, the last: {reason}")
        if self.health is Health.UNKNOWN and grade is Health.HEALTHY:
            return self._become(Health.HEALTHY, reason)
        if self._is_settled and max(self._lately) < self.health:
            return self._become(
                max(self._lately), f"{_beats(len(self._lately))} in a row were better, the last: {reason}"
            )
        return None

    @property
    def _is_settled(self) -> bool:
        """Whether there have been as many beats as a recovery takes."""
        return len(self._lately) == self._config.recover_after

    def _count(self, grade: Health) -> None:
        self._lately.append(grade)
        if grade > Health.HEALTHY:
            self._not_good += 1
        elif self._is_settled and max(self._lately) is Health.HEALTHY:
            self._not_good = 0
        self._unserving = self._unserving + 1 if grade >= Health.UNHEALTHY else 0
        self._missed = self._missed + 1 if grade is Health.OFFLINE else 0

    def _next_lower(self) -> Health | None:
        """The next state down if the counts say so."""
        config = self._config
        if self.health < Health.DEGRADED:
            return Health.DEGRADED if self._not_good >= config.degraded_after else None
        if self.health is Health.DEGRADED:
            return Health.UNHEALTHY if self._unserving >= config.unhealthy_after else None
        if self.health is Health.UNHEALTHY:
            return Health.OFFLINE if self._missed >= config.offline_after else None
        return None

    def _run_of(self, health: Health) -> str:
        if health is Health.DEGRADED:
            return f"{_beats(self._not_good)} were not good"
        if health is Health.UNHEALTHY:
            return f"{_beats(self._unserving)} in a row were missed or bad"
        return f"{_beats(self._missed)} in a row were missed"

    def _become(self, health: Health, reason: str) -> Transition:
        shift = Transition(self.health, health, reason)
        self.health = health
        return shift


def _beats(count: int) -> str:
    return f"{count} beat{'s' if count != 1 else ''}"
