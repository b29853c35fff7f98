"""Servers: services on one endpoint or several, for a scope or for the life of a process.

Invariants: a server is opened once, in one task, and closed once, in any task of the same event loop; however it is
left, every listener is closed.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Self

import anyio

from eventflux_runtime.health.board import Health
from eventflux_runtime.net.event_loop import start_reactor
from eventflux_runtime.net.lifetime import Lifetime
from eventflux_runtime.protocol.api import Listener, Wire
from eventflux_runtime.rpc.checked import Timeout, checked_value
from eventflux_runtime.rpc.config import ServerConfig
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.stats import ServerStats, stats_of
from eventflux_runtime.server.dispatch import ServiceDispatcher

__all__ = ["Server"]

_LAST_WORD_S: Final = 1.0
"""Seconds that a drain waits at most for those who watch the server's health to have taken that it is not serving."""
_AT_ONCE_S: Final = 0.1
"""Seconds in which clients are told of the end after a second signal; then their connections are cut."""
_TURN_S: Final = 0.005
"""Seconds between two looks at calls that no handler has, in a drain: they last a turn of the event loop or two."""
_log: Final = logging.getLogger("eventflux_runtime.server")


class Server:
    """Services on endpoints. Made by `serve`.

    It serves inside ``async with``, or from ``await server.open()`` to ``await server.aclose()``; both may be in any
    task of one event loop.
    """

    def __init__(
        self,
        dispatcher: ServiceDispatcher,
        endpoints: Sequence[Endpoint],
        config: ServerConfig,
        health: Health,
        wire_of: Callable[[Endpoint], Wire],
    ) -> None:
        self.health: Final = health
        """What ``grpc.health.v1.Health`` answers: ``server.health.set(name, ServingStatus.NOT_SERVING)``. Every
        service is SERVING from the start, and so is the server as a whole, whose name is empty."""
        self._dispatcher = dispatcher
        self._wanted = tuple(endpoints)
        self._wire_of = wire_of
        self._config = config
        self._listeners: tuple[Listener, ...] = ()
        self._lifetime: Lifetime | None = None
        self._farewell: anyio.CancelScope
        """Around what tells clients of the end, which the listeners bound themselves, too."""
        self._was_opened = False
        self._is_draining = False

    def __repr__(self) -> str:
        endpoints = ", ".join(self.endpoints or map(str, self._wanted))
        return f"<Server {self._state} {endpoints}; {self.active_calls} active>"

    @property
    def _state(self) -> str:
        if self._lifetime is None or self._lifetime.is_over:
            return "closed" if self._was_opened else "not entered"
        return "draining" if self._is_draining else "serving"

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The URLs really bound, in the order they were given; empty before the server is entered."""
        return tuple(str(listener.endpoint) for listener in self._listeners)

    @property
    def active_calls(self) -> int:
        """Calls whose handlers run now."""
        return self._dispatcher.active_calls

    def stats(self) -> ServerStats:
        """What became of its calls and connections by now. Called on the server's own event loop.

        Calls of a client that are counted here go by attempts: one that was repeated has come more than once.
        """
        return ServerStats(
            methods=stats_of(self._dispatcher.tallies),
            refused_calls=self._dispatcher.refused,
            endpoints=tuple(listener.stats() for listener in self._listeners),
        )

    # -- the life of the server

    async def __aenter__(self) -> Self:
        return await self.open()

    async def open(self) -> Self:
        """Opens it, for `aclose` to close; what ``async with`` does.

        Raises:
            ConfigError: an address cannot be bound, the configuration does not fit a wire, or it was opened before.
        """
        if self._was_opened:
            raise ConfigError("a server is entered once: call serve() again for another one")
        self._was_opened = True
        reactor = await start_reactor()
        listeners: list[Listener] = []
        try:
            for endpoint in self._wanted:
                wire = self._wire_of(endpoint)
                listeners.append(await wire.listen(endpoint, self._config, self._dispatcher, reactor))
        except BaseException:
            with anyio.CancelScope(shield=True):
                await _close_all(listeners)
                await reactor.aclose()
            raise
        self._listeners = tuple(listeners)
        what = f"the server on {', '.join(self.endpoints)}"
        self._farewell = anyio.CancelScope()
        self._lifetime = Lifetime(what, reactor, self._close_listeners)
        for url in self.endpoints:
            _log.info("listening on %s", url)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            await self.aclose()
            return
        try:
            await self.stop()
        except Exception:  # noqa: BLE001 - reported; it must not take the place of the error that leaves
            _log.exception("closing %r failed", self)

    async def aclose(self) -> None:
        """Drains, then closes: calls in flight have ``config.drain_grace_s`` seconds to finish.

        A cancellation ends the drain and closes at once. A server that is closed, or was never open, is left alone.

        Raises:
            ConfigError: the server is open on another event loop or in another thread, or the caller is a handler of
                its own.
        """
        if self._lifetime is None:
            return
        self._lifetime.check_closable()
        try:
            await self.drain()
            await self._end(math.inf)
        finally:
            await self.stop()

    async def stop(self) -> None:
        """Closes at once: calls in flight are cancelled, and their clients told if they listen.

        Raises:
            ConfigError: as `aclose`.
        """
        await self._end(_AT_ONCE_S)

    async def _end(self, within_s: float) -> None:
        lifetime = self._lifetime
        if lifetime is None:
            return
        lifetime.check_closable()
        # One that closes already is hurried.
        self._farewell.deadline = min(self._farewell.deadline, anyio.current_time() + within_s)
        try:
            await lifetime.aclose()
        finally:
            self._lifetime = None

    async def _close_listeners(self) -> None:
        with self._farewell:
            await _close_all(self._listeners)
        _log.info("stopped %s", ", ".join(self.endpoints))

    async def drain(self, grace_s: float | None = None) -> bool:
        """Accepts nothing more, tells clients to go elsewhere, and waits for calls in flight.

        First `health` turns to NOT_SERVING and those who watch it are told; then clients are sent elsewhere on every
        endpoint. An answer that its client has not taken counts as a call in flight, and so does a gRPC client that may
        not have heard of it yet, for a second at most.

        Args:
            grace_s: seconds to wait; None: ``ServerConfig.drain_grace_s``.

        Returns:
            whether every call ended in time.

        Raises:
            ConfigError: `grace_s` is no number, or below 0; or the server is open on another event loop or in another
                thread.
        """
        grace_s = self._config.drain_grace_s if grace_s is None else checked_value("grace_s", grace_s, Timeout)
        if self._lifetime is not None and not self._lifetime.is_here:
            raise self._lifetime.foreign_error()
        if self._listeners and not self._is_draining:
            _log.info("draining %s: %d calls in flight", ", ".join(self.endpoints), self.active_calls)
        self._is_draining = True
        ends_at = anyio.current_time() + grace_s
        self.health.close()
        with anyio.move_on_after(min(_LAST_WORD_S, grace_s)):
            await self.health.wait_unwatched()
        for listener in self._listeners:
            listener.drain()
        with anyio.CancelScope(deadline=ends_at) as scope:
            await self._dispatcher.wait_idle()
            # A call that has just come in has no handler yet, and one whose handler has ended may still be answering.
            while any(listener.active_calls for listener in self._listeners):
                await anyio.sleep(_TURN_S)
                await self._dispatcher.wait_idle()
        if scope.cancelled_caught:
            _log.info("a drain of %g s is over with %d calls in flight", grace_s, self.active_calls)
        return not scope.cancelled_caught


async def _close_all(listeners: Sequence[Listener]) -> None:
    async with anyio.create_task_group() as tasks:
        for listener in listeners:
            tasks.start_soon(_close, listener)


async def _close(listener: Listener) -> None:
    try:
        await listener.aclose()
    except Exception:  # noqa: BLE001 - reported; one that cannot be closed in order must not keep the others from it
        _log.exception("%s could not be closed in order", listener.endpoint)
