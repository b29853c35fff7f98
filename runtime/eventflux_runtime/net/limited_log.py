"""Log lines that peers cause: some at once, then one every few seconds, with the number of those left out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from eventflux_runtime.rpc.rate_limit import RateLimit

__all__ = ["BURST", "INTERVAL_S", "LimitedLog"]

BURST: Final = 10.0
"""Lines of one kind that are logged one after another."""
INTERVAL_S: Final = 5.0
"""Seconds for each line of that kind afterwards."""


class _Kind:
    """The lines of one text."""

    def __init__(self, now: float) -> None:
        self.limit = RateLimit(BURST, 1 / INTERVAL_S, now)
        self.left_out = 0
        self.logged_at = now


class LimitedLog:
    """A logger for what peers do. Lines are of one kind if their text is the same but for its arguments."""

    def __init__(self, logger: logging.Logger, now: Callable[[], float]) -> None:
        """A log with counts of its own.

        Args:
            logger: where the lines go.
            now: the clock, in seconds.
        """
        self._logger = logger
        self._now = now
        self._kinds: dict[str, _Kind] = {}

    def warning(self, text: str, *args: object, error: BaseException | None = None) -> None:
        """Logs a warning, or counts it as left out; the next one of its kind says how many were.

        `error` is logged with its traceback.
        """
        now = self._now()
        kind = self._kinds.get(text)
        if kind is None:
            kind = self._kinds[text] = _Kind(now)
        if not kind.limit.allows(now):
            kind.left_out += 1
            return
        if kind.left_out:
            text += " (%d more like this in the last %.0f s)"
            args = (*args, kind.left_out, now - kind.logged_at)
        kind.left_out = 0
        kind.logged_at = now
        self._logger.warning(text, *args, exc_info=error)
