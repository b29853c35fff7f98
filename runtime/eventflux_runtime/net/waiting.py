"""Waking who waits; a waiter that was settled or cancelled meanwhile is left alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Waiter

__all__ = ["wake", "wake_all"]


def wake(waiter: Waiter[None] | None) -> None:
    """Wakes one, if there is one."""
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


def wake_all(waiters: Iterable[Waiter[None]]) -> None:
    """Wakes each."""
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)
