"""Failures of commands: what one is shown as, and the exit code that it has."""

from __future__ import annotations

from typing import ClassVar, cast

from eventflux_runtime import TransportError

__all__ = ["CommandFailure", "first_failure"]


class CommandFailure(TransportError):
    """A failure with an exit code of its own."""

    exit_code: ClassVar[int] = 1


def first_failure(error: BaseException) -> BaseException:
    """The error itself, or the first exception within a group that is not itself a group."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error
