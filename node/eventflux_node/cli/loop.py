"""The event loop that a command runs on."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import click

__all__ = ["run_async"]


def run_async(loop: str, command: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Runs a command on the event loop that ``--loop`` names, and returns its exit code.

    Raises:
        UsageError: that loop is not installed.
    """
    if loop != "asyncio" and importlib.util.find_spec(loop) is None:
        raise click.UsageError(f"--loop {loop} needs an extra: run pip install 'eventflux-transport[{loop}]'")
    if loop == "trio":
        return anyio.run(command, backend="trio")
    return anyio.run(command, backend="asyncio", backend_options={"use_uvloop": loop == "uvloop"})
