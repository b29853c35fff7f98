"""What a node logs, and how: the options for it, and the set-up of Python's logging."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from eventflux_runtime import MissingExtraError

__all__ = ["json_formatter", "log_options", "set_up_logging", "text_formatter"]

_Command = TypeVar("_Command", bound=Callable[..., Any])

_LEVELS: Final = ("debug", "info", "warning", "error")
_OURS: Final = ("eventflux_node", "eventflux_runtime")
"""The loggers whose level is the one that was asked for; of others warnings are shown."""


def log_options(command: _Command) -> _Command:
    """Adds ``--log-level``, ``--log-format`` and ``--access-log``."""
    for option in (
        click.option(
            "--access-log", "has_access_log", is_flag=True, help="Log a line for each call, at info or above."
        ),
        click.option(
            "--log-format",
            type=click.Choice(["text", "json"]),
            default="text",
            show_default=True,
            help="How lines of the log look, which go to standard error.",
        ),
        click.option(
            "--log-level",
            type=click.Choice(_LEVELS),
            default="warning",
            show_default=True,
            help="From which level on to log: info tells of the node's life, debug of connections too.",
        ),
    ):
        command = option(command)
    return command


def set_up_logging(options: dict[str, Any]) -> None:
    """Sends the log to standard error as `log_options` ask for it; what they say of level and form is taken out.

    Raises:
        MissingExtraError: what makes JSON is not installed.
    """
    level, form = options.pop("log_level"), options.pop("log_format")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(json_formatter() if form == "json" else text_formatter())
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    for name in _OURS:
        logging.getLogger(name).setLevel(level.upper())


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
