"""The signals that tell a process to stop, and leaving them to whoever had them before."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["STOP_SIGNALS", "handlers_kept"]

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
"""What orchestrators send, and what Ctrl-C does."""


@contextmanager
def handlers_kept(*numbers: signal.Signals) -> Iterator[None]:
    """Leaves signals to whoever had them: asyncio puts defaults in their place, also where one was ignored."""
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not signal.getsignal(number) and handler is not None:  # None: set by no Python code
                signal.signal(number, handler)
