"""Reads and writes of a call, each in a task of its own: grpcio takes a cancelled one for the end of the call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeAlias, final

from grpc import aio

__all__ = ["Operations"]

_Operation: TypeAlias = Callable[..., Coroutine[Any, Any, Any]]

_ENDED: Final = (aio.AioRpcError, aio.BaseError, asyncio.InvalidStateError)
"""What grpcio raises when the call has ended; how it ended is told elsewhere."""


@final
class Operations:
    """Those of one direction of a call, one at a time and in order. Whoever waits may give up and come again."""

    __slots__ = ("_latest",)

    def __init__(self) -> None:
        self._latest: asyncio.Task[Any] | None = None

    def start(self, operation: _Operation, *args: Any) -> None:
        """Begins one as soon as that before it is done."""
        self._latest = asyncio.ensure_future(_run(self._latest, operation, args))

    async def wait(self) -> Any:
        """Waits for the latest; its result, or None where the call has ended or nothing was begun."""
        while (latest := self._latest) is not None:
            await asyncio.wait({latest})
            if latest is self._latest:
                return None if latest.cancelled() else latest.result()
        return None

    async def next(self, read: _Operation) -> bytes | None:
        """The next message, and begins to read that behind it; None: there is none, now and at every further call."""
        result: Any = await self.wait()
        if result is None or result is aio.EOF:
            return None
        self.start(read)
        message: bytes = result
        return message

    def close(self) -> None:
        """Breaks off what is being done, and lets go of it: a task that was cancelled holds the call."""
        if self._latest is not None:
            self._latest.cancel()
            self._latest = None


async def _run(before: asyncio.Task[Any] | None, operation: _Operation, args: tuple[Any, ...]) -> Any:
    if before is not None:
        await asyncio.wait({before})
    try:
        return await operation(*args)
    except _ENDED:
        return None
