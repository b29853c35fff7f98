"""How a node logs: the set-up of Python's logging in each process that serves it."""

from __future__ import annotations

import logging
import sys
import time
from dataclasses import dataclass
from typing import Final

from eventflux_runtime import MissingExtraError

__all__ = ["LogSettings", "json_formatter", "text_formatter"]

_OURS: Final = ("eventflux_node", "eventflux_runtime")
"""The loggers whose level is the one that was asked for; of others warnings are shown."""


@dataclass(frozen=True)
class LogSettings:
    """What is logged to standard error, and how."""

    level: str
    """From which level on: debug, info, warning or error."""
    form: str
    """How lines look: text or json."""

    def set_up(self) -> None:
        """Has the process log so.

        Raises:
            MissingExtraError: what makes JSON is not installed.
        """
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(json_formatter() if self.form == "json" else text_formatter())
        root = logging.getLogger()
        root.addHandler(handler)
        root.setLevel(logging.WARNING)
        for name in _OURS:
            logging.getLogger(name).setLevel(self.level.upper())


def text_formatter() -> logging.Formatter:
    """A line with time, level and logger; times are UTC."""
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    return formatter


def json_formatter() -> logging.Formatter:
    """An object with time, level, logger, message, the exception if there is one, and what else the record has.

    Raises:
        MissingExtraError: what makes it is not installed.
    """
    try:
        from pythonjsonlogger.msgspec import MsgspecFormatter  # noqa: PLC0415 - only for those who ask for it
    except ModuleNotFoundError as missing:
        raise MissingExtraError("--log-format json", "cli") from missing
    names = {"levelname": "level", "name": "logger", "exc_info": "exception"}
    return MsgspecFormatter("%(levelname)s %(name)s %(message)s", timestamp="time", rename_fields=names)
