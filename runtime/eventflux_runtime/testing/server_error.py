"""Errors that a server would only log, raised where a test sees them.

A client is told no more of a handler's bug than ``UNKNOWN: the handler of … raised KeyError``. A test wants the error
itself, with its traceback.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["raise_server_errors"]

_LOGGER: Final = logging.getLogger("eventflux_runtime")
_MAX_KEPT: Final = 8


@contextmanager
def raise_server_errors() -> Iterator[None]:
    """Raises at its end what the runtime logged as an error meanwhile, such as the bugs of handlers.

    The failure that left the block, if one did, stands in the chain of contexts of what is raised. Cancellations, and
    what else is no `Exception`, are not replaced. It counts all servers of the process.

    Raises:
        BaseException: the error that a handler raised, or an ExceptionGroup of the first eight of several.
    """
    errors = _Errors()
    _LOGGER.addHandler(errors)
    try:
        yield
    except Exception as failure:
        error = errors.taken()
        if error is None:
            raise
        _put_behind(error, failure)
        context = error.__context__
        try:
            raise error
        finally:
            error.__context__ = context  # which raising it here has replaced
    finally:
        _LOGGER.removeHandler(errors)
    error = errors.taken()
    if error is not None:
        raise error


class _Errors(logging.Handler):
    """Keeps the errors of log records."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._kept: list[BaseException] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps the error of a record, or makes one of its text."""
        message = record.getMessage()
        error = record.exc_info[1] if record.exc_info is not None else None
        if error is None:
            error = AssertionError(f"the server logged: {message}")
        elif not any(error is known for known in self._kept):
            error.add_note(f"the server logged: {message}")
        else:
            return
        if len(self._kept) < _MAX_KEPT:
            self._kept.append(error)

    def taken(self) -> BaseException | None:
        """What was kept, once: the error, or a group of several."""
        kept, self._kept = self._kept, []
        if len(kept) <= 1:
            return kept[0] if kept else None
        return BaseExceptionGroup(f"{len(kept)} errors of the server", kept)


def _put_behind(error: BaseException, failure: BaseException) -> None:
    """Makes a failure the context of the first error in the chain of contexts that another one has."""
    chain = [error]
    while chain[-1].__context__ is not None and chain[-1].__context__ not in chain:
        chain.append(chain[-1].__context__)
    if failure not in chain:
        chain[-1].__context__ = failure
