"""The options of what a node logs, and how."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from eventflux_node.log import LogSettings

__all__ = ["log_options", "log_settings"]

_Command = TypeVar("_Command", bound=Callable[..., Any])

_LEVELS: Final = ("debug", "info", "warning", "error")


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


def log_settings(options: dict[str, Any]) -> LogSettings:
    """What `log_options` ask for; what they say of level and form is taken out of the options."""
    return LogSettings(options.pop("log_level"), options.pop("log_format"))
