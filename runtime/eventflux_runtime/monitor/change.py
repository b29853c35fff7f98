"""Changes of nodes on their way to whoever listens: the latest of each node, and no more.

Invariants: at most one change waits for each node; its `previous` is what the listener was told last, or unknown;
a node that is back where the listener knows it to be has no change waiting.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import anyio

__all__ = ["ChangeQueue", "MonitorChange"]

H = TypeVar("H")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorChange(Generic[H, R]):
    """A node is taken for something else than before."""

    node: str
    """The name under which it was added."""
    url: str
    """Where it is asked."""
    health: H
    """What it is taken for now."""
    previous: H
    """What it was taken for in the change before this one; the enum's UNKNOWN in the first."""
    reason: str
    """Why, for people."""
    answer: R | None
    """The last answer of the node; None: there has been none."""
    time_ms: int
    """When it changed: milliseconds since the Unix epoch."""


class ChangeQueue(Generic[H, R]):
    """Holds changes until they are taken, by one listener."""

    def __init__(self) -> None:
        self._waiting: dict[str, MonitorChange[H, R]] = {}
        self._changed: anyio.Event | None = None  # made by who waits: an outlet may be made where no event loop runs
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, change: MonitorChange[H, R]) -> None:
        """Adds a change; one of the same node that waits still becomes one with it, and keeps its place."""
        waiting = self._waiting.get(change.node)
        if waiting is not None:
            if change.health is waiting.previous:
                del self._waiting[change.node]
                return
            change = replace(change, previous=waiting.previous)
        self._waiting[change.node] = change
        self._wake()

    def forget(self, node: str) -> None:
        """Drops what waits of a node."""
        self._waiting.pop(node, None)

    def close(self) -> None:
        """Drops everything; `take` returns None from now on."""
        self._is_closed = True
        self._waiting.clear()
        self._wake()

    async def aclose(self) -> None:
        """See `close`."""
        self.close()

    async def take(self) -> MonitorChange[H, R] | None:
        """The change that waits longest, waiting for one; None: closed. A cancelled wait takes nothing."""
        await anyio.lowlevel.checkpoint()
        while not self._waiting and not self._is_closed:
            if self._changed is None:
                self._changed = anyio.Event()
            await self._changed.wait()
        if self._is_closed:
            return None
        return self._waiting.pop(next(iter(self._waiting)))

    def _wake(self) -> None:
        changed, self._changed = self._changed, None
        if changed is not None:
            changed.set()
