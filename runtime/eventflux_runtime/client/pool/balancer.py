"""Which address the next call goes to. A picker sees only addresses that are connected and not ejected."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from eventflux_runtime.rpc.config import BalancerName

__all__ = ["Candidate", "LeastLoaded", "PickFirst", "Picker", "RoundRobin", "picker_for"]

Slot_co = TypeVar("Slot_co", covariant=True)
T = TypeVar("T")


class Candidate(Protocol[Slot_co]):
    """An address, seen by a picker."""

    @property
    def load(self) -> int:
        """Calls in flight there."""

    def free(self) -> Slot_co | None:
        """A connection with room for one call; None: there is none."""


class Picker(Protocol):
    """A rule of choice."""

    def pick(self, rotation: Sequence[Candidate[T]]) -> T | None:
        """A connection for the next call; None: no address has room."""


class PickFirst:
    """The first in order."""

    def pick(self, rotation: Sequence[Candidate[T]]) -> T | None:
        """See `Picker.pick`."""
        for candidate in rotation:
            found = candidate.free()
            if found is not None:
                return found
        return None


class RoundRobin:
    """Each in turn. The first is drawn by chance: otherwise all of many short-lived clients would call the same one."""

    def __init__(self, draw: Callable[[], float] = random.random) -> None:
        self._last = int(draw() * 1024)

    def pick(self, rotation: Sequence[Candidate[T]]) -> T | None:
        """See `Picker.pick`."""
        count = len(rotation)
        for step in range(1, count + 1):
            index = (self._last + step) % count
            found = rotation[index].free()
            if found is not None:
                self._last = index
                return found
        return None


class LeastLoaded:
    """The less busy of two drawn by chance, which spreads load nearly as well as asking all of them.

    Mitzenmacher, "The power of two choices in randomized load balancing", IEEE TPDS 12(10), 2001.
    """

    def __init__(self, draw: Callable[[], float] = random.random) -> None:
        self._draw = draw

    def pick(self, rotation: Sequence[Candidate[T]]) -> T | None:
        """See `Picker.pick`."""
        count = len(rotation)
        if count > 1:
            first = int(self._draw() * count)
            second = (first + 1 + int(self._draw() * (count - 1))) % count
            better, other = rotation[first], rotation[second]
            if other.load < better.load:
                better, other = other, better
            found = better.free() or other.free()
            if found is not None:
                return found
        for candidate in rotation:
            found = candidate.free()
            if found is not None:
                return found
        return None


def picker_for(name: BalancerName) -> Picker:
    """The rule that `ClientConfig.balancer` names."""
    match name:
        case "pick_first":
            return PickFirst()
        case "round_robin":
            return RoundRobin()
        case "least_loaded":
            return LeastLoaded()
