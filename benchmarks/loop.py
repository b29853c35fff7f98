"""The event loops of the benchmark, by name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import anyio

LOOPS: Final = ("asyncio", "uvloop", "trio")

T = TypeVar("T")


def run_on(loop: str, main: Callable[..., Awaitable[T]], *arguments: Any) -> T:
    """Runs an async function on one of `LOOPS`."""
    if loop == "trio":
        return anyio.run(main, *arguments, backend="trio")
    return anyio.run(main, *arguments, backend="asyncio", backend_options={"use_uvloop": loop == "uvloop"})
