"""Keys of a terminal, each as it is pressed."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import AsyncGenerator

import anyio

__all__ = ["keys"]


async def keys() -> AsyncGenerator[str, None]:
    """Each key that is pressed, until standard input ends; none where it is no terminal, or the system has no termios.

    While it runs, keys are not shown and need no Return. Close it (``contextlib.aclosing``), so that they are again.
    """
    if importlib.util.find_spec("termios") is None or sys.stdin is None or not sys.stdin.isatty():
        return
    import termios  # noqa: PLC0415 - not on every system
    import tty  # noqa: PLC0415 - the same

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        while True:
            await anyio.wait_readable(descriptor)
            pressed = os.read(descriptor, 64)
            if not pressed:
                return
            for key in pressed.decode(errors="replace"):
                yield key
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
