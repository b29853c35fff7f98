"""What remains of an exception group when one failure is to be shown: its first leaf."""

from __future__ import annotations

from typing import cast

__all__ = ["first_failure"]


def first_failure(error: BaseException) -> BaseException:
    """The error itself, or the first exception within a group that is not itself a group."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error
