"""Log lines about mistakes of the program that each call may repeat: the first few, then fewer and fewer."""

from __future__ import annotations

import logging
from typing import Final

__all__ = ["CountedLog"]

EACH_UP_TO: Final = 20
"""Lines of one text that are logged each; of those behind them the 40th, the 80th and so on."""


class CountedLog:
    """A logger that needs no clock. Its texts are the program's own, so there are few."""

    def __init__(self, logger: logging.Logger, each_up_to: int = EACH_UP_TO) -> None:
        self._logger = logger
        self._each_up_to = each_up_to
        self._counts: dict[str, int] = {}

    def warning(self, text: str, *args: object) -> None:
        """Logs a warning, unless there were too many of its text; behind many it says how many there have been."""
        self._log(logging.WARNING, text, args, None)

    def error(self, text: str, *args: object, error: BaseException) -> None:
        """Logs an error with its traceback, as `warning`."""
        self._log(logging.ERROR, text, args, error)

    def _log(self, level: int, text: str, args: tuple[object, ...], error: BaseException | None) -> None:
        count = self._counts[text] = self._counts.get(text, 0) + 1
        times, rest = divmod(count, self._each_up_to)
        if count > self._each_up_to:
            if rest or times.bit_count() != 1:
                return
            text += " (the %dth time in this process)"
            args = (*args, count)
        self._logger.log(level, text, *args, exc_info=error)
