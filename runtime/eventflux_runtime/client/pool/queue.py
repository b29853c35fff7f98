"""The calls that wait for a connection: first come, first served, each for a bounded time.

Invariants: a call stands in the queue exactly until it is settled (given a connection, failed, expired) or has left; a
connection given to a call is promised to it until `Waiting.wait` returns.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import TYPE_CHECKING, final

from eventflux_runtime.client.pool.plan import CallView
from eventflux_runtime.net.wheel import Expirable
from eventflux_runtime.rpc.errors import TransportError
from eventflux_runtime.rpc.rpc_error import RpcError

if TYPE_CHECKING:
    from eventflux_runtime.client.pool.subchannel import PooledConnection
    from eventflux_runtime.net.reactor import Reactor, Waiter

__all__ = ["CallQueue", "Waiting"]


@final
class Waiting(Expirable):
    """One call that waits."""

    __slots__ = ("_on_expiry", "_queue", "_waiter", "given", "view")

    def __init__(
        self,
        queue: CallQueue,
        waiter: Waiter[PooledConnection],
        view: CallView,
        expires_at: float,
        on_expiry: Callable[[], RpcError],
    ) -> None:
        super().__init__(expires_at)
        self._queue = queue
        self._waiter = waiter
        self._on_expiry = on_expiry
        self.view = view
        self.given: PooledConnection | None = None

    async def wait(self) -> PooledConnection:
        """The connection, once there is one with room.

        Raises:
            TransportError: what `fail` was given, or the expiry's own error.
        """
        try:
            held: PooledConnection = await self._waiter
        except BaseException:
            if self.given is not None:
                self.given.promised -= 1
            self._queue.left(self, is_served=False)
            raise
        held.promised -= 1  # the call itself takes the place, before anything else runs
        self._queue.left(self, is_served=True)
        return held

    def give(self, held: PooledConnection) -> None:
        """Settles the call with a connection."""
        if not self._waiter.done():
            self.given = held
            held.promised += 1
            self._waiter.set_result(held)

    def fail(self, error: TransportError) -> None:
        """Settles the call with an error. Many calls share one error, so each gets a copy that it may add to."""
        if not self._waiter.done():
            self._waiter.set_exception(copy(error) if isinstance(error, RpcError) else error)

    def expire(self) -> None:
        """See `Expirable.expire`."""
        self._queue.take(self)
        self.fail(self._on_expiry())


class CallQueue:
    """The calls that wait, oldest first."""

    def __init__(self, reactor: Reactor, on_left: Callable[[], None]) -> None:
        self._reactor = reactor
        self._on_left = on_left
        self._calls: dict[Waiting, None] = {}

    def __len__(self) -> int:
        return len(self._calls)

    @property
    def views(self) -> tuple[CallView, ...]:
        """What the plan sees."""
        return tuple(call.view for call in self._calls)

    def join(self, view: CallView, expires_at: float, on_expiry: Callable[[], RpcError]) -> Waiting:
        """A new call at the end of the queue."""
        waiting = Waiting(self, self._reactor.waiter(), view, expires_at, on_expiry)
        self._calls[waiting] = None
        if expires_at < float("inf"):
            self._reactor.wheel.add(waiting, self._reactor.now())
        return waiting

    def left(self, waiting: Waiting, *, is_served: bool) -> None:
        """The call goes its way, with a connection or without one."""
        self.take(waiting)
        self._reactor.wheel.discard(waiting)
        if not (is_served and self._calls):
            self._on_left()

    def give_next(self, held: PooledConnection) -> None:
        """Gives a connection with room for one call to the call that waits longest."""
        call = next(iter(self._calls))
        self.take(call)
        call.give(held)

    def take(self, waiting: Waiting) -> None:
        """Removes a call; one that is not there is left alone."""
        self._calls.pop(waiting, None)

    def settle(
        self, given: tuple[PooledConnection, ...], failed: tuple[int, ...], error: Callable[[], TransportError]
    ) -> None:
        """Gives connections to the first calls, and fails those at the indexes `failed`."""
        calls = list(self._calls)
        for held, call in zip(given, calls, strict=False):
            self.take(call)
            call.give(held)
        for index in failed:
            self.take(calls[index])
            calls[index].fail(error())

    def fail_all(self, error: TransportError) -> None:
        """Nothing will come any more."""
        calls, self._calls = self._calls, {}
        for call in calls:
            call.fail(error)
