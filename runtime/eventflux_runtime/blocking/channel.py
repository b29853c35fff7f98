"""A channel for threads: an async channel on a thread of its own.

Invariants: while it is open there is one portal, with one channel opened on its loop; closed, there is neither. A
forked child finds the parent's closed, and opens one of its own when it is first used.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
import warnings
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from eventflux_runtime.blocking.event_loop import refuse_event_loop
from eventflux_runtime.blocking.portal import Portal
from eventflux_runtime.blocking.stream import BlockingBidiStream, BlockingClientStream, BlockingServerStream
from eventflux_runtime.client.channel import Channel
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.method import Method
from eventflux_runtime.rpc.stats import ChannelStats

__all__ = ["BlockingChannel"]

_EXIT_S: Final = 2.0
"""Seconds that the end of the interpreter waits for channels that were left open."""

Req = TypeVar("Req")
Res = TypeVar("Res")


class _Opened:
    """What an open channel has: a thread, and a channel that is open there."""

    __slots__ = ("channel", "portal")

    def __init__(self, channel: Channel, name: str) -> None:
        self.channel = channel
        self.portal = Portal(f"the channel to {name}", channel.aclose)
        try:
            self.portal.run(channel.open)
        except BaseException:
            self.portal.stop_soon()
            raise


class BlockingChannel:
    """Calls to one service address or several, from any number of threads. Made by `connect` of this package.

    It is open inside ``with``, or from ``channel.open()`` to ``channel.close()``; both may be in any thread. A thread
    of its own does the I/O, answers pings and keeps connections fresh, whether calls run or not.
    """

    def __init__(self, make: Callable[[], Channel], target: str) -> None:
        self._make = make
        self._target = target
        self._lock = threading.Lock()
        self._opened: _Opened | None = None

    def __repr__(self) -> str:
        opened = self._opened
        return f"<BlockingChannel {self._target} {'not open' if opened is None else repr(opened.channel)}>"

    def __enter__(self) -> Self:
        return self.open()

    def open(self) -> Self:
        """Opens it, for `close` to close; what ``with`` does.

        Raises:
            ConfigError: it is open already, or this thread runs an event loop.
        """
        refuse_event_loop()
        with self._lock:
            opened = self._opened
            if opened is not None and not opened.portal.is_inherited:
                raise ConfigError("this channel is open already: close it first, or make a second one with connect()")
            self._opened = _Opened(self._make(), self._target)
            _channels.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except Exception:  # it must not take the place of the error that leaves; the log has what failed in background
            if error is None:
                raise

    def close(self) -> None:
        """Closes every connection; calls in flight end with Unavailable. A channel that is not open is left alone.

        Raises:
            ConfigError: an interceptor of the channel calls it, for which it would wait.
            Exception: a background task of the runtime had failed.
        """
        opened = self._opened
        if opened is not None and opened.portal.is_here():
            raise ConfigError("a channel cannot be closed by an interceptor of its own, for which it would wait")
        with self._lock:
            opened, self._opened = self._opened, None
            if opened is None or opened.portal.is_inherited:
                return
            opened.portal.stop_soon()
            opened.portal.join()
        if opened.portal.failure is not None:
            raise opened.portal.failure

    def __del__(self) -> None:
        opened = self._opened
        if opened is not None and not (opened.portal.is_inherited or opened.portal.is_exiting):
            opened.portal.stop_soon()
            warnings.warn(
                f"the channel to {self._target} was left open: use 'with', or call its close()",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )

    def __reduce__(self) -> str:
        raise TypeError("a channel cannot be pickled: pass its URL, and connect in the process that is to use it")

    def unary(self, method: Method[Req, Res], request: Req, **options: Any) -> Res:
        """Makes a call of one request and one response; generated clients call this.

        The options are those of `CallOptions`. What interrupts the wait, such as Ctrl-C, cancels the call on the
        server.

        Raises:
            RpcError: the call failed.
            CodecError: the request cannot be encoded.
            ConfigError: an argument is wrong, the channel is not open, or this thread runs an event loop.
        """
        opened = self._open_here()
        response: Res = opened.portal.run(opened.channel.unary, method, request, **options)
        return response

    def server_streaming(self, method: Method[Req, Res], request: Req, **options: Any) -> BlockingServerStream[Res]:
        """A call of one request and many responses. It begins when it is entered, or iterated over.

        Raises:
            ConfigError: an option has a wrong value, or the channel is not open.
        """
        opened = self._open_here()
        stream = opened.channel.server_streaming(method, request, **options)
        return BlockingServerStream(stream, opened.portal, method.path, self)

    def client_streaming(self, method: Method[Req, Res], **options: Any) -> BlockingClientStream[Req, Res]:
        """A call of many requests and one response. Raises as `server_streaming`."""
        opened = self._open_here()
        stream = opened.channel.client_streaming(method, **options)
        return BlockingClientStream(stream, opened.portal, method.path, self)

    def bidi(self, method: Method[Req, Res], **options: Any) -> BlockingBidiStream[Req, Res]:
        """A call of many requests and many responses. Raises as `server_streaming`."""
        opened = self._open_here()
        return BlockingBidiStream(opened.channel.bidi(method, **options), opened.portal, method.path, self)

    def stats(self) -> ChannelStats:
        """Its calls and connections by now; see `Channel.stats`.

        Raises:
            ConfigError: the channel is not open, or this thread runs an event loop.
        """
        opened = self._open_here()

        async def taken() -> ChannelStats:
            return opened.channel.stats()

        return opened.portal.run(taken)

    def _open_here(self) -> _Opened:
        opened = self._opened
        if opened is None:
            raise ConfigError("the channel is not open: use it inside 'with connect(...) as channel', or open() it")
        return opened if not opened.portal.is_inherited else self._open_in_child(opened)

    def _open_in_child(self, parents: _Opened) -> _Opened:
        with self._lock:
            if self._opened is parents:
                self._opened = _Opened(self._make(), self._target)
        return self._open_here()

    def _leave_to_parent(self) -> None:
        """In a forked child: forgets the parent's thread, and a lock that another of its threads may have held."""
        self._lock = threading.Lock()
        if self._opened is not None:
            self._opened.portal.is_inherited = True
            _left_behind.append(self._opened)

    def _leave_at_exit(self) -> Portal | None:
        """The interpreter ends: has everything closed, and wakes nobody."""
        opened = self._opened
        if opened is None or opened.portal.is_inherited:
            return None
        opened.portal.is_exiting = True
        opened.portal.stop_soon()
        return opened.portal


_channels: Final[weakref.WeakSet[BlockingChannel]] = weakref.WeakSet()
"""All that were opened."""
_left_behind: Final[list[_Opened]] = []
"""A forked child keeps what it inherited alive, so that no finalizer touches the parent's sockets and event loop."""


def _leave_to_parent() -> None:
    for channel in list(_channels):
        channel._leave_to_parent()


def _close_all() -> None:
    portals = [portal for channel in list(_channels) if (portal := channel._leave_at_exit()) is not None]
    ends = time.monotonic() + _EXIT_S
    for portal in portals:
        portal.join(max(0.0, ends - time.monotonic()))


os.register_at_fork(after_in_child=_leave_to_parent)
atexit.register(_close_all)
