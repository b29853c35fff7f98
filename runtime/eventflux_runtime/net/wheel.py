"""A hierarchical timer wheel: any number of deadlines behind one timer of the event loop.

Invariants: an item stands in exactly one slot, from `add` to `discard` or its expiry. A slot fires at or after its key.
Far deadlines stand in coarse slots that fire early and cascade into finer ones, so memory is bounded by the items, not
by the time they span; an item expires at most one tick (1/128 s) late, and never early.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Final, Protocol

__all__ = ["DeadlineWheel", "Expirable"]

_TICKS_PER_S: Final = 128.0


class Expirable(Protocol):
    """Something with a deadline. Hashable by identity."""

    slot: float
    """Where the wheel keeps it; the wheel's own. 0: nowhere."""
    expires_at: float
    """When to call `expire`, in seconds of the loop's clock; constant while it stands in the wheel."""

    def expire(self) -> None:
        """The deadline has passed. Must not raise."""


class DeadlineWheel:
    """Deadlines of many items; `arm` is asked for one timer at a time, the earliest."""

    def __init__(self, now: Callable[[], float], arm: Callable[[float], None]) -> None:
        self._now = now
        self._arm = arm
        self._slots: dict[float, dict[Expirable, None]] = {}
        self._keys: list[float] = []
        self._armed = float("inf")

    def __len__(self) -> int:
        return sum(len(slot) for slot in self._slots.values())

    def add(self, item: Expirable, now: float) -> None:
        """Calls ``item.expire()`` once `item.expires_at` has passed, unless it is discarded before."""
        key = _slot_key(item.expires_at, now)
        item.slot = key
        slot = self._slots.get(key)
        if slot is None:
            self._slots[key] = {item: None}
            heapq.heappush(self._keys, key)
            if key < self._armed:
                self._armed = key
                self._arm(key)
        else:
            slot[item] = None

    def discard(self, item: Expirable) -> None:
        """Forgets an item; one that is not there is left alone."""
        slot = self._slots.get(item.slot)
        if slot is not None:
            slot.pop(item, None)
        item.slot = 0.0

    def fire(self) -> None:
        """The timer went off: expires what is due, cascades what is not, and arms the next timer."""
        now = self._now()
        while self._keys and self._keys[0] <= now:
            for item in self._slots.pop(heapq.heappop(self._keys)):
                item.slot = 0.0
                if item.expires_at <= now:
                    item.expire()
                else:
                    self.add(item, now)
        while self._keys and not self._slots[self._keys[0]]:
            del self._slots[heapq.heappop(self._keys)]
        self._armed = self._keys[0] if self._keys else float("inf")
        if self._keys:
            self._arm(self._armed)


def _slot_key(deadline: float, now: float) -> float:
    remaining = deadline - now
    if remaining < 2.0:
        return (int(deadline * _TICKS_PER_S) + 1) / _TICKS_PER_S
    width = 0.25 if remaining < 32.0 else 4.0 if remaining < 600.0 else 64.0
    return int(deadline / width) * width
