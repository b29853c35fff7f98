"""The event loop that a command runs on."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import anyio
import click

from eventflux_node.cli.output import ReaderLeftError, output_pipe

__all__ = ["run_async"]


def run_async(loop: str, command: Callable[[], Coroutine[Any, Any, int]], *, goes_on: bool = False) -> int:
    """Runs a command on the event loop that ``--loop`` names, and returns its exit code.

    Args:
        loop: the event loop.
        command: what is run.
        goes_on: it prints what comes until it is stopped, so it ends when nobody reads that any more.

    Raises:
        UsageError: that loop is not installed.
        ReaderLeftError: who read the output has left.
    """
    if goes_on:
        command = partial(_while_read, command)
    if loop != "asyncio" and importlib.util.find_spec(loop) is None:
        raise click.UsageError(f"--loop {loop} needs an extra: run pip install 'eventflux-transport[{loop}]'")
    if loop == "trio":
        return anyio.run(command, backend="trio")
    return anyio.run(command, backend="asyncio", backend_options={"use_uvloop": loop == "uvloop"})


async def _while_read(command: Callable[[], Coroutine[Any, Any, int]]) -> int:
    code: int | None = None
    failure: Exception | KeyboardInterrupt | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_cancel_when_left, tasks.cancel_scope)
        try:
            code = await command()
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - raised below, outside of the group
            failure = error
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
    if code is None:
        raise ReaderLeftError
    return code


async def _cancel_when_left(scope: anyio.CancelScope) -> None:
    """Cancels once who reads the output has left; never, where that is no pipe.

    By the next line that it writes a command would learn of it as well, but that may be hours away.
    """
    output = output_pipe()
    if output is not None:
        # Nothing is ever read from this end, so the system tells of nothing else.
        await anyio.wait_readable(output)
        scope.cancel()
