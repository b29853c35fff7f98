"""An error on its way from the loop's thread to the one that waits."""

from __future__ import annotations

from copy import copy
from types import TracebackType
from typing import Final

from eventflux_runtime.rpc.errors import TransportError

__all__ = ["for_caller"]

_PACKAGE: Final = "eventflux_runtime."


def for_caller(error: BaseException) -> BaseException:
    """The error to be raised.

    One that the runtime means to raise is a copy, because a call keeps its own, to say again how it ended: whoever
    caught that would hold the call, and the call it. The copy has no frames of the runtime's on the loop, which tell
    nothing then; those of interceptors stay, and all of an error that nobody foresaw.
    """
    if not isinstance(error, TransportError):
        return error
    own = copy(error)
    own.__cause__ = error.__cause__
    own.__suppress_context__ = error.__suppress_context__
    return own.with_traceback(_without_inner_frames(error.__traceback__))


def _without_inner_frames(trace: TracebackType | None) -> TracebackType | None:
    outer = []
    while trace is not None:
        if not trace.tb_frame.f_globals.get("__name__", "").startswith(_PACKAGE):
            outer.append(trace)
        trace = trace.tb_next
    kept: TracebackType | None = None
    for each in reversed(outer):
        kept = TracebackType(kept, each.tb_frame, each.tb_lasti, each.tb_lineno)
    return kept
