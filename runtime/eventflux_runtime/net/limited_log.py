"""Log lines that peers cause: some at once, then one every few seconds, with the number of those left out.

Invariant: at most `MAX_KINDS` kinds of lines are counted; where there are more, all are counted anew.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from eventflux_runtime.rpc.rate_limit import RateLimit

__all__ = ["BURST", "DEBUG_BURST", "DEBUG_INTERVAL_S", "INTERVAL_S", "LimitedLog"]

BURST: Final = 10.0
"""Lines of one kind that are logged one after another."""
INTERVAL_S: Final = 5.0
"""Seconds for each line of that kind afterwards."""
DEBUG_BURST: Final = 200.0
"""The same of lines that are for whoever looks for a fault."""
DEBUG_INTERVAL_S: Final = 0.05
MAX_KINDS: Final = 1024


class _Kind:
    """The lines of one text."""

    def __init__(self, burst: float, interval_s: float, now: float) -> None:
        self.limit = RateLimit(burst, 1 / interval_s, now)
        self.left_out = 0
        self.logged_at = now


class LimitedLog:
    """A logger for what peers do. Lines are of one kind if their text and their `key` are the same."""

    def __init__(self, logger: logging.Logger, now: Callable[[], float]) -> None:
        """A log with counts of its own.

        Args:
            logger: where the lines go.
            now: the clock, in seconds.
        """
        self._logger = logger
        self._now = now
        self._kinds: dict[tuple[str, str], _Kind] = {}

    def warning(self, text: str, *args: object, error: BaseException | None = None, key: str = "") -> None:
        """Logs a warning, or counts it as left out; the next one of its kind says how many were.

        Args:
            text: of the line, with places for `args`.
            args: what stands in them.
            error: logged with its traceback.
            key: tells apart what has the same text.
        """
        self._log(logging.WARNING, text, args, error, key)

    def error(self, text: str, *args: object, error: BaseException | None = None, key: str = "") -> None:
        """Logs an error, as `warning`."""
        self._log(logging.ERROR, text, args, error, key)

    def debug(self, text: str, *args: object) -> None:
        """Logs what is for whoever looks for a fault, as `warning` and at a higher rate; nothing, if that is off."""
        if self._logger.isEnabledFor(logging.DEBUG):
            self._log(logging.DEBUG, text, args, None, "")

    def _log(self, level: int, text: str, args: tuple[object, ...], error: BaseException | None, key: str) -> None:
        now = self._now()
        kind = self._kinds.get((text, key))
        if kind is None:
            if len(self._kinds) >= MAX_KINDS:
                self._kinds.clear()
            is_debug = level == logging.DEBUG
            burst, interval_s = (DEBUG_BURST, DEBUG_INTERVAL_S) if is_debug else (BURST, INTERVAL_S)
            kind = self._kinds[text, key] = _Kind(burst, interval_s, now)
        if not kind.limit.allows(now):
            kind.left_out += 1
            return
        if kind.left_out:
            text += " (%d more like this in the last %.0f s)"
            args = (*args, kind.left_out, now - kind.logged_at)
        kind.left_out = 0
        kind.logged_at = now
        self._logger.log(level, text, *args, exc_info=error)
