"""A node's own figures: events per second, and the processor and memory use of the machine it runs on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import psutil

__all__ = ["MachineGauge", "RateGauge"]


class RateGauge:
    """Events per second over the last few whole seconds of a clock.

    Args:
        clock: seconds that only rise.
        window_s: whole seconds that the mean is taken over.
    """

    def __init__(self, clock: Callable[[], float], window_s: int = 5) -> None:
        self._clock = clock
        self._window_s = window_s
        self._seconds: deque[list[int]] = deque()
        self._started = int(clock())
        self.total = 0
        """Events since the gauge was made."""

    def count(self) -> None:
        """Counts one event."""
        self.total += 1
        now = int(self._clock())
        if self._seconds and self._seconds[-1][0] == now:
            self._seconds[-1][1] += 1
        else:
            self._seconds.append([now, 1])
            self._forget(now)

    def per_second(self) -> int:
        """The mean over the window, or over the time since the start where that is shorter.

        The running second is left out, because it is not over, unless it is the first.
        """
        now = int(self._clock())
        self._forget(now)
        seconds = min(self._window_s, now - self._started)
        if seconds < 1:
            return self.total
        return round(sum(count for second, count in self._seconds if second < now) / seconds)

    def _forget(self, now: int) -> None:
        while self._seconds and self._seconds[0][0] < now - self._window_s:
            self._seconds.popleft()


class MachineGauge:
    """Processor and memory use of the whole machine, in percent: what tells whether the node can take on more."""

    def __init__(self) -> None:
        # psutil measures between two readings; the first has nothing to compare with.
        psutil.cpu_percent()

    def cpu_percent(self) -> float:
        """Processor use over all cores since the last reading, 0 to 100."""
        return float(psutil.cpu_percent())

    def memory_percent(self) -> float:
        """Memory in use, 0 to 100."""
        return float(psutil.virtual_memory().percent)
