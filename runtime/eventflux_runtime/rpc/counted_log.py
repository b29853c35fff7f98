"""Log lines about mistakes of the program that each call may repeat: the first few, then fewer and fewer."""

from __future__ import annotations

import logging
from typing import Final

__all__ = ["CountedLog"]

EACH_UP_TO: Final = 20
"""Lines of one text that are logged each; of those behind them the 40th, the 80th and so on."""


class CountedLog:
    """A logger that needs no clock. Its texts are the program's own, so there are few."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._counts: dict[str, int] = {}

    def warning(self, text: str, *args: object) -> None:
        """Logs a warning, unless there were too many of its text; behind many it says how many there have been."""
        count = self._counts[text] = self._counts.get(text, 0) + 1
        if count <= EACH_UP_TO:
            self._logger.warning(text, *args)
        elif count % EACH_UP_TO == 0 and (count // EACH_UP_TO).bit_count() == 1:
            text += " (the %dth time in this process)"
            self._logger.warning(text, *args, count)
