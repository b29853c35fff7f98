"""Whether a task is being cancelled, or a cancellation that it lets out is of its own making."""

from __future__ import annotations

import asyncio
from math import inf

import anyio

__all__ = ["cancellation_in", "is_cancelled"]


def is_cancelled() -> bool:
    """Whether somebody cancels the running task: by one of its scopes, or on asyncio the task itself.

    False where no event loop runs: a coroutine that is closed is not cancelled.
    """
    try:
        task = asyncio.current_task()
    except RuntimeError:  # another event loop than asyncio's, or none
        task = None
    if task is not None and task.cancelling():
        return True
    try:
        return anyio.current_effective_deadline() == -inf
    except RuntimeError:  # none: anyio's NoEventLoopError is one
        return False


def cancellation_in(error: BaseException) -> tuple[BaseException | None, BaseException | None]:
    """The part of an error that is the event loop's cancellation, and the rest."""
    kind = anyio.get_cancelled_exc_class()
    if isinstance(error, BaseExceptionGroup):
        return error.split(kind)
    return (error, None) if isinstance(error, kind) else (None, error)
