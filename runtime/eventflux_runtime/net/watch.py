"""Being called when a file descriptor has something to read, or takes something, the same on every event loop.

For what is no stream and accepts nothing: sockets of datagrams, and the queues of libraries that have a descriptor to
wait for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import anyio

from eventflux_runtime.rpc.errors import ConfigError

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor, TaskHandle

__all__ = ["Watch", "watch_readable", "watch_writable"]


class Watch(Protocol):
    """A descriptor that is watched."""

    def stop(self) -> None:
        """Calls no more. Has to come before the descriptor is closed; a second time does nothing."""


def watch_readable(fd: int, callback: Callable[[], None], reactor: Reactor) -> Watch:
    """Calls in each turn of the event loop in which there is something to read.

    Args:
        fd: is not blocking, and stays open until `Watch.stop`.
        callback: reads, but not without an end: others want a turn. Must not raise.
        reactor: of the running event loop.

    Raises:
        ConfigError: this event loop cannot watch a descriptor.
    """
    return _watch(fd, callback, reactor, is_writing=False)


def watch_writable(fd: int, callback: Callable[[], None], reactor: Reactor) -> Watch:
    """Calls in each turn of the event loop in which the descriptor takes what is written; as `watch_readable`.

    It nearly always does. So it is watched only while something waits to be written.
    """
    return _watch(fd, callback, reactor, is_writing=True)


def _watch(fd: int, callback: Callable[[], None], reactor: Reactor, *, is_writing: bool) -> Watch:
    if reactor.is_asyncio:
        return _LoopWatch(fd, callback, is_writing=is_writing)
    return _TaskWatch(fd, callback, reactor, is_writing=is_writing)


class _LoopWatch:
    """By the event loop's own list, for asyncio and uvloop."""

    def __init__(self, fd: int, callback: Callable[[], None], *, is_writing: bool) -> None:
        self._fd = fd
        loop = asyncio.get_running_loop()
        self._is_watching = True
        self._remove = loop.remove_writer if is_writing else loop.remove_reader
        try:
            (loop.add_writer if is_writing else loop.add_reader)(fd, callback)
        except NotImplementedError:
            raise ConfigError(f"{type(loop).__name__} cannot watch a descriptor: use a selector loop") from None

    def stop(self) -> None:
        """See `Watch.stop`."""
        if self._is_watching:
            self._is_watching = False
            self._remove(self._fd)


class _TaskWatch:
    """By a task, for trio."""

    def __init__(self, fd: int, callback: Callable[[], None], reactor: Reactor, *, is_writing: bool) -> None:
        self._fd = fd
        self._callback = callback
        self._is_watching = True
        self._wait = anyio.wait_writable if is_writing else anyio.wait_readable
        self._task: TaskHandle = reactor.spawn(self._run)

    async def _run(self) -> None:
        while self._is_watching:
            try:
                await self._wait(self._fd)
            except anyio.ClosedResourceError:
                return
            if self._is_watching:
                self._callback()

    def stop(self) -> None:
        """See `Watch.stop`."""
        # The descriptor may be watched for the other reason as well, so its other watch is not to be woken.
        if self._is_watching:
            self._is_watching = False
            self._task.cancel()
