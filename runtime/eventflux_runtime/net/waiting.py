"""Waking who waits; a waiter that was settled or cancelled meanwhile is left alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

__all__ = ["Wakeable", "wake", "wake_all"]


class Wakeable(Protocol):
    """A one-shot waiter, as far as it matters to who wakes it."""

    def done(self) -> bool:
        """Whether it is settled."""

    def set_result(self, result: None, /) -> None:
        """Wakes who waits."""


def wake(waiter: Wakeable | None) -> None:
    """Wakes one, if there is one."""
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


def wake_all(waiters: Iterable[Wakeable]) -> None:
    """Wakes each."""
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)
