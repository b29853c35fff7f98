"""A hierarchical timer wheel: any number of deadlines behind one timer of the event loop.

Invariants: an item stands in exactly one slot, from `add` to `discard` or its expiry. A slot fires at or after its key.
Far deadlines stand in coarse slots that fire early and cascade into finer ones, the coarser the farther, so memory is
bounded by the items, not by the time they span; an item expires at most one tick (1/128 s) late, and never early. A
slot is a ring of its items that begins and ends with the slot itself, so that to add and to discard one costs a few
references. A slot whose items are gone stays until it fires or the wheel is crowded: no more than half of the slots, or
`_CROWD` of them, are empty when one is made.
"""

from __future__ import annotations

import heapq
import logging
import math
from collections.abc import Callable
from time import monotonic
from typing import Final, final

from eventflux_runtime.loading.compiled import mypyc_attr
from eventflux_runtime.net.limited_log import LimitedLog

__all__ = ["Alarm", "DeadlineWheel", "Expirable"]

_TICKS_PER_S: Final = 128.0
_FAR_S: Final = 600.0
_FAR_BITS: Final = 5
"""A slot for a far deadline is as wide as a 16th to a 32nd of the time until then."""
_CROWD: Final = 256
"""Slots that may stand about empty. Calls with one timeout use fewer."""
_log: Final = LimitedLog(logging.getLogger("eventflux_runtime"), monotonic)


@mypyc_attr(acyclic=True)
class Expirable:
    """The base of what has a deadline.

    Attributes:
        expires_at: when to call `expire`, in seconds of the loop's clock; constant while it stands in a wheel.
        preceding, following: its neighbours in the wheel, which alone sets them; None: it stands in none.
    """

    __slots__ = ("expires_at", "following", "preceding")

    def __init__(self, expires_at: float) -> None:
        self.expires_at = expires_at
        self.preceding: Expirable | None = None
        self.following: Expirable | None = None

    def expire(self) -> None:
        """The deadline has passed. Must not raise."""
        raise NotImplementedError


@final
class Alarm(Expirable):
    """A deadline that calls back."""

    __slots__ = ("_callback",)

    def __init__(self, expires_at: float, callback: Callable[[], None]) -> None:
        super().__init__(expires_at)
        self._callback = callback

    def expire(self) -> None:
        """See `Expirable.expire`."""
        self._callback()


@final
class _Slot(Expirable):
    """The items of one stretch of time, which `key` ends."""

    __slots__ = ("key",)

    def __init__(self, key: float) -> None:
        super().__init__(key)
        self.key = key
        self.preceding = self
        self.following = self

    def is_empty(self) -> bool:
        """Whether no item stands here."""
        return self.following is self

    def dissolve(self) -> None:
        """Lets go of itself, being empty."""
        self.preceding = None
        self.following = None


class DeadlineWheel:
    """Deadlines of many items; `arm` is asked for one timer at a time, the earliest."""

    def __init__(self, now: Callable[[], float], arm: Callable[[float], None]) -> None:
        self._now = now
        self._arm = arm
        self._slots: dict[float, _Slot] = {}
        self._keys: list[float] = []
        self._armed = float("inf")
        self._crowd = _CROWD
        """How many slots there may be until the next look for empty ones."""
        self._latest: _Slot | None = None
        """The slot of the last `add`: most calls have the same time to run."""

    def __len__(self) -> int:
        count = 0
        for slot in self._slots.values():
            item = slot.following
            while item is not None and item is not slot:
                count += 1
                item = item.following
        return count

    @property
    def slot_count(self) -> int:
        """How many slots there are."""
        return len(self._slots)

    def add(self, item: Expirable, now: float) -> None:
        """Calls ``item.expire()`` once `item.expires_at` has passed, unless it is discarded before."""
        key = _slot_key(item.expires_at, now)
        slot = self._latest
        if slot is None or slot.key != key:
            slot = self._latest = self._slot_of(key)
        last = slot.preceding
        assert last is not None
        item.preceding = last
        item.following = slot
        last.following = item
        slot.preceding = item

    def _slot_of(self, key: float) -> _Slot:
        slot = self._slots.get(key)
        if slot is None:
            if len(self._slots) >= self._crowd:
                self._clear_out()
            slot = self._slots[key] = _Slot(key)
            heapq.heappush(self._keys, key)
            if key < self._armed:
                self._armed = key
                self._arm(key)
        return slot

    def _clear_out(self) -> None:
        """Lets go of empty slots. The timer stays armed: where it goes off too early, it is set anew."""
        self._latest = None
        for key, slot in list(self._slots.items()):
            if slot.is_empty():
                del self._slots[key]
                slot.dissolve()
        self._keys = list(self._slots)
        heapq.heapify(self._keys)
        self._crowd = max(_CROWD, 2 * len(self._keys))

    def discard(self, item: Expirable) -> None:
        """Forgets an item; one that is not there is left alone."""
        following = item.following
        if following is None:
            return
        preceding = item.preceding
        assert preceding is not None
        preceding.following = following
        following.preceding = preceding
        item.preceding = None
        item.following = None

    def fire(self) -> None:
        """The timer went off: expires what is due, cascades what is not, and arms the next timer."""
        now = self._now()
        while self._keys and self._keys[0] <= now:
            self._empty(self._pop(), now)
        while self._keys and self._slots[self._keys[0]].is_empty():
            self._pop().dissolve()
        self._armed = self._keys[0] if self._keys else float("inf")
        if self._keys:
            self._arm(self._armed)

    def _pop(self) -> _Slot:
        self._latest = None
        return self._slots.pop(heapq.heappop(self._keys))

    def _empty(self, slot: _Slot, now: float) -> None:
        # One by one from the front, because an item that expires may discard others.
        item = slot.following
        while item is not None and item is not slot:
            self.discard(item)
            if item.expires_at <= now:
                _expire(item)
            else:
                self.add(item, now)
            item = slot.following
        slot.dissolve()


def _expire(item: Expirable) -> None:
    try:
        item.expire()
    except Exception as failure:  # noqa: BLE001 - logged; the deadlines behind it have to come, and its scope has to go on
        _log.error("what was to happen at a deadline failed", error=failure)


def _slot_key(deadline: float, now: float) -> float:
    remaining = deadline - now
    if remaining < 2.0:
        return (int(deadline * _TICKS_PER_S) + 1) / _TICKS_PER_S
    if remaining < _FAR_S:
        width = 0.25 if remaining < 32.0 else 4.0
    else:
        width = math.ldexp(1.0, math.frexp(remaining)[1] - _FAR_BITS)
    return int(deadline / width) * width
