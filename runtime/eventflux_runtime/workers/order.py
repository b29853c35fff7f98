"""What a worker is told: to drain, or to stop at once."""

from __future__ import annotations

from enum import Enum
from typing import Self

import anyio

__all__ = ["Order", "Orders"]


class Order(Enum):
    """What the process that watches over a worker tells it; the value is how that is written."""

    DRAIN = b"drain"
    STOP = b"stop"


class Orders:
    """An async iterator for one task: one item when the worker is to drain, another when it is to stop at once.

    Invariant: to be told the same again changes nothing.
    """

    def __init__(self) -> None:
        self._wanted = 0
        self._taken = 0
        self._changed = anyio.Event()

    def give(self, order: Order) -> None:
        """Has the worker drain, or stop at once, whatever it was told before."""
        self._wanted = max(self._wanted, 1 if order is Order.DRAIN else 2)
        self._changed.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> None:
        while self._taken >= self._wanted:
            self._changed = anyio.Event()
            await self._changed.wait()
        self._taken += 1
