"""When a heartbeat monitor asks, and how many answers or silences change its mind."""

from __future__ import annotations

from dataclasses import dataclass

from eventflux_runtime.rpc.checked import Checked, Count, PositiveSeconds
from eventflux_runtime.rpc.errors import ConfigError

__all__ = ["MonitorConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorConfig(Checked):
    """Everything a heartbeat monitor can be told.

    A dead node is reported unhealthy within ``interval_s * unhealthy_after + timeout_s``, and offline within
    ``interval_s * offline_after + timeout_s``.
    """

    interval_s: PositiveSeconds = 5.0
    """Seconds from one beat to the next of the same node. With the thresholds below a dead node is unhealthy after
    15 s and offline after 30 s, and a hundred nodes cost twenty small calls a second."""
    timeout_s: PositiveSeconds = 2.0
    """Seconds that a beat waits for its answer, connecting included; then it is missed. Longer than a packet that is
    lost and sent again twice, shorter than the interval, so that a slow beat does not delay the next."""
    slow_s: PositiveSeconds | None = 0.5
    """Seconds above which an answer counts as degraded; None: an answer is never too slow. A heartbeat does no work:
    around the world and back takes 0.3 s, and what takes longer waited in a queue or for a processor."""
    degraded_after: Count = 2
    """Beats that were not good, until a node is degraded. They need not be in a row: only `recover_after` good ones in
    a row clear the count, so a node that loses every other beat is noticed. Two, because one may be an accident."""
    unhealthy_after: Count = 3
    """Beats in a row that were missed or answered that the node is unhealthy, until it is."""
    offline_after: Count = 6
    """Beats in a row that were missed, or answered that the node is offline, until it is. Twice `unhealthy_after`: a
    node that restarts within half a minute was never offline."""
    recover_after: Count = 3
    """Beats in a row that were better than what the node is taken for, until it is taken for the worst of them. Three:
    a process that starts, answers and dies again does not get that far within its first seconds."""

    def _check_together(self) -> None:
        if self.slow_s is not None and self.slow_s > self.timeout_s:
            raise ConfigError(f"slow_s must be above 0 and at most timeout_s ({self.timeout_s}), not {self.slow_s}")
        # Ascending, so that a node passes through every state on its way down.
        least = 1
        for name in ("degraded_after", "unhealthy_after", "offline_after"):
            value = getattr(self, name)
            if value < least:
                raise ConfigError(
                    f"{name} must be at least {least}, not {value}: degraded_after, unhealthy_after and offline_after "
                    "have to rise"
                )
            least = value + 1
