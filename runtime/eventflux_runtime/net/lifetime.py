"""The time during which a channel, a server or a monitor is open: on which event loop, and how it ends.

Invariants: it is closed once, whoever asks and however often, and whoever asks gets to know when that is done; it is
closed on its own event loop, in any task of it but those that it has to wait for.
"""

from __future__ import annotations

import os
import warnings
import weakref
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

import anyio

from eventflux_runtime.rpc.errors import ConfigError

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor

__all__ = ["Lifetime"]


class Lifetime:
    """Owns a reactor and what runs on it."""

    def __init__(
        self, what: str, reactor: Reactor, close: Callable[[], Coroutine[Any, Any, None]], *, is_watched: bool = False
    ) -> None:
        """A lifetime that begins now.

        Args:
            what: names the owner in errors, as ``the channel to tcp://127.0.0.1:7070``.
            reactor: closed after `close`.
            close: closes what runs on the reactor; called once, shielded from cancellation.
            is_watched: to be collected unclosed is a mistake of the owner's user, who is warned, and what is open is
                then closed. `close` must not refer to the owner.
        """
        self.reactor = reactor
        self._what = what
        self._close = close
        self._is_watched = is_watched
        self._is_inherited = False
        self._closed: anyio.Event | None = None
        _begun.add(self)

    @property
    def is_over(self) -> bool:
        """Whether the run of its event loop has ended, or is another process's: there is nothing to close."""
        return self._is_inherited or self.reactor.is_over

    @property
    def is_here(self) -> bool:
        """Whether its event loop is the one that runs here."""
        try:
            return self.reactor.current() is self.reactor.home
        except RuntimeError:
            return False

    def foreign_error(self) -> ConfigError:
        """Why it cannot be used here, `is_here` being False."""
        if self.is_over:
            return ConfigError(f"the event loop on which {self._what} was open has ended: open it anew on this one")
        return ConfigError(f"{self._what} is open on another event loop or in another thread: use it there")

    def check_closable(self) -> None:
        """Raises the ConfigError of `aclose`, if it would."""
        if self.is_over:
            return
        if not self.is_here:
            raise self.foreign_error()
        if self.reactor.is_at_work_here():
            raise ConfigError(
                f"{self._what} cannot be closed by a handler of its own, for which it would wait: "
                "set an event there and close it in the task that waits for that"
            )

    async def aclose(self) -> None:
        """Closes everything; under a cancellation too. A second time does nothing but wait for the end.

        Raises:
            ConfigError: this is not its event loop, or a task that it would have to wait for.
            Exception: a background task of the runtime had failed.
        """
        if self._closed is not None and self._closed.is_set():
            return
        if self.is_over:
            self._is_watched = False
            return
        self.check_closable()
        if self._closed is not None:
            await self._closed.wait()
            return
        self._closed = anyio.Event()
        with anyio.CancelScope(shield=True):
            try:
                await self._close_all()
            finally:
                self._closed.set()

    async def _close_all(self) -> None:
        try:
            await self._close()
        finally:
            await self.reactor.aclose()

    def inherit(self) -> None:
        """What is open is the parent process's: nothing is to be closed here, nor anybody warned."""
        self._is_inherited = True
        self._is_watched = False

    def __del__(self) -> None:
        if self._is_watched and self._closed is None:
            self.reactor.run_detached(self._close_all)
            warnings.warn(
                f"{self._what} was left open: use 'async with', or await its aclose()",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )


_begun: Final[weakref.WeakSet[Lifetime]] = weakref.WeakSet()
_left_behind: Final[list[Lifetime]] = []
"""A forked child keeps what it inherited alive, so that no finalizer touches the parent's sockets and event loop."""


def _leave_to_parent() -> None:
    for lifetime in list(_begun):
        lifetime.inherit()
        _left_behind.append(lifetime)
    _begun.clear()


os.register_at_fork(after_in_child=_leave_to_parent)
