"""Clocks that tests turn by hand, or that turn by themselves."""

from __future__ import annotations

import asyncio
import selectors
from typing import Final

__all__ = ["AutojumpEventLoop", "ManualClock"]


class ManualClock:
    """A clock that stands still until it is told otherwise; pass it wherever a ``now`` is a parameter."""

    def __init__(self, start_s: float = 1000.0) -> None:
        self._now = start_s

    def __call__(self) -> float:
        """The time, in seconds."""
        return self._now

    def advance(self, seconds: float) -> float:
        """Moves the clock forward; the new time.

        Raises:
            ValueError: the step is negative: time does not go back.
        """
        if seconds < 0:
            raise ValueError(f"a clock cannot go back by {-seconds} s")
        self._now += seconds
        return self._now


class AutojumpEventLoop(asyncio.SelectorEventLoop):
    """An asyncio loop whose clock jumps to the next timer whenever nothing else is left to do.

    An hour of timeouts passes in a moment and always in the same order, as with trio's ``MockClock``. Use it with
    ``memory://`` endpoints only: while real sockets wait for a peer the loop has nothing to do, and would jump.
    """

    def __init__(self) -> None:
        self.clock: Final = ManualClock()
        super().__init__(_JumpingSelector(self.clock))

    def time(self) -> float:
        """The time of the loop's own clock."""
        return self.clock()


class _JumpingSelector(selectors.SelectSelector):
    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Never waits where a timer is due later; moves the clock there instead."""
        if timeout is None:
            return super().select(None)
        ready = super().select(0)
        if not ready and timeout > 0:
            self._clock.advance(timeout)
        return ready
