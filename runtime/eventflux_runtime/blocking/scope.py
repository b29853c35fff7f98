"""What a call takes over from the handler in whose thread it is made, on the clock of the loop that will run it."""

from __future__ import annotations

import sys
import time
from typing import final

from eventflux_runtime.rpc.deadline import CallScope, current_scope
from eventflux_runtime.rpc.metadata import Metadata

__all__ = ["inherited_scope"]


def inherited_scope() -> CallScope | None:
    """The scope of the caller's context; its deadline is one of `time.monotonic`, which asyncio's loops go by.

    Raises:
        trio.Cancelled: the caller is a thread of a trio task that was cancelled.
    """
    scope = current_scope.get()
    if scope is None or scope.deadline is None:
        return scope
    trio = sys.modules.get("trio")  # whose clock begins anywhere
    if trio is None:
        return scope
    try:
        there: float = trio.from_thread.run_sync(trio.current_time)
    except RuntimeError:  # not a thread of trio's
        return scope
    return _Moved(scope, scope.deadline - there + time.monotonic())


@final
class _Moved:
    """A `CallScope` on another clock."""

    def __init__(self, scope: CallScope, deadline: float) -> None:
        self._scope = scope
        self.deadline: float | None = deadline

    @property
    def has_ended(self) -> bool:
        """See `CallScope.has_ended`."""
        return self._scope.has_ended

    @property
    def trace(self) -> Metadata:
        """See `CallScope.trace`."""
        return self._scope.trace
