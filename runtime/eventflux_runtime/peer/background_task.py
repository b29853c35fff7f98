"""A task that keeps a connection or a server alive between the calls of a transport, which has no scope of its own.

A transport may be used without ``async with``, as EventFlux's is. What runs behind it then belongs to the event loop:
asyncio's runner cancels it at its end, and so does trio with its system tasks.

Invariants: nothing but a cancellation leaves the task; `stop` returns after it has ended.
"""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import anyio

__all__ = ["BackgroundTask", "Body"]

Body: TypeAlias = Callable[[Callable[[], None]], Awaitable[None]]
"""What the task runs; it calls its argument once it is up."""


class BackgroundTask:
    """One such task."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self._scope = anyio.CancelScope()
        self._up = anyio.Event()
        self._ended = anyio.Event()
        self._error: Exception | None = None
        self._task: object = None

    async def start(self) -> None:
        """Starts the task and returns once it is up. What it raises before that is raised here."""
        self._spawn()
        try:
            await self._up.wait()
        except anyio.get_cancelled_exc_class():
            await self.stop()
            raise
        if self._error is not None:
            raise self._error

    async def stop(self) -> None:
        """Cancels the task and waits for its end. A task that has ended is left alone."""
        self._scope.cancel()
        with anyio.CancelScope(shield=True):
            await self._ended.wait()

    def _spawn(self) -> None:
        # A call's deadline and trace end with the call; the task goes on.
        context = contextvars.Context()
        trio = sys.modules.get("trio")
        if trio is not None and trio.lowlevel.in_trio_task():
            self._task = trio.lowlevel.spawn_system_task(self._run, name="eventflux peer", context=context)
        else:
            self._task = asyncio.get_running_loop().create_task(self._run(), context=context)

    async def _run(self) -> None:
        try:
            with self._scope:
                await self._body(self._up.set)
        except Exception as error:  # noqa: BLE001 - not swallowed: `start` raises it, and no one else waits
            self._error = error
        finally:
            self._up.set()
            self._ended.set()
