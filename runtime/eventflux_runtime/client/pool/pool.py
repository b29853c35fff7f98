"""Every connection of an entered channel: carries out what `plan` says, and hands connections to calls.

Invariants: a connection that is not READY, or is full, is never handed out; while calls wait, a new call goes behind
them; `only_connection` is set only while one connection is all there is to choose from, no call waits, and the
connection itself knows best when it is full; `is_watching` is True while the end of a call, however good, is news to
somebody.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from itertools import count
from time import monotonic
from typing import Final

import anyio

from eventflux_runtime.client.pool.balancer import picker_for
from eventflux_runtime.client.pool.budget import RetryBudget
from eventflux_runtime.client.pool.ejection import can_eject, is_held_against
from eventflux_runtime.client.pool.plan import CallView, Plan, PoolView, plan
from eventflux_runtime.client.pool.queue import CallQueue
from eventflux_runtime.client.pool.resolver import Resolver, pooled_config
from eventflux_runtime.client.pool.subchannel import PooledConnection, Subchannel
from eventflux_runtime.net.client_log import CLIENT_LOG
from eventflux_runtime.net.limited_log import LimitedLog
from eventflux_runtime.net.reactor import Reactor, TimerHandle
from eventflux_runtime.net.resolve import resolve
from eventflux_runtime.protocol.api import ClientConnection, ConnectionState, Wire
from eventflux_runtime.rpc.call_tally import TallyBook
from eventflux_runtime.rpc.config import ClientConfig
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.errors import TransportError
from eventflux_runtime.rpc.rpc_error import DeadlineExceeded, PoolTimeout, RpcError, Unavailable
from eventflux_runtime.rpc.stats import ChannelStats, stats_of

__all__ = ["Pool"]

_SECOND_THOUGHT_S: Final = 1.0
"""Seconds after which the pool looks again where carrying a plan out has failed."""
_log: Final = LimitedLog(logging.getLogger("eventflux_runtime"), monotonic)
_ROOM_S: Final = 0.02
"""How often a call that one address refused asks whether another can take it: that is rare, and soon over."""


class Pool:
    """Connections to every address of a target, and which of them the next call takes."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        wire: Wire,
        config: ClientConfig,
        reactor: Reactor,
    ) -> None:
        self.now: Callable[[], float] = reactor.now
        self.budget = RetryBudget(config.retry_budget)
        self.is_watching = False
        self.tallies = TallyBook()
        """Calls that never had a connection, and those of addresses that have gone."""
        self._home = reactor.home
        self._current = reactor.current
        self._wire = wire
        self._config = config = pooled_config(endpoints, config)
        self._reactor = reactor
        self._picker = picker_for(config.balancer)
        self._numbers = count(1)
        self._queue = CallQueue(reactor, self._replan_soon)
        self._resolver = Resolver(endpoints, config.dns_refresh_s, reactor, self._on_addresses, resolve)
        self._subchannels: list[Subchannel] = []
        self._retired: list[Subchannel] = []
        self._rotation: list[Subchannel] = []
        self.only_connection: PooledConnection | None = None
        """Where the next call may go unseen: a connection that has gone or is full refuses it before it leaves."""
        self._used_at = float("-inf")
        self._timer: TimerHandle | None = None
        self._is_replan_scheduled = False
        self._is_saturated = False
        """Calls wait, and one that joins them changes nothing: there are all the connections that may be."""
        self._is_closed = False
        self._adopt_addresses()

    def __repr__(self) -> str:
        active = sum(subchannel.load for subchannel in (*self._subchannels, *self._retired))
        parts = [repr(subchannel) for subchannel in (*self._subchannels, *self._retired)]
        return f"[{active} active, {len(self._queue)} queued | {'; '.join(parts) or 'no address yet'}]"

    @property
    def is_closed(self) -> bool:
        """Whether its channel was left: no call goes on."""
        return self._is_closed

    def start(self) -> None:
        """Opens the connections that are wanted even without a call."""
        if self._config.pool.min_connections:
            self._resolver.want()
            self._replan()

    def stats(self, target: str) -> ChannelStats:
        """What became of its calls and connections by now."""
        subchannels = (*self._subchannels, *self._retired)
        return ChannelStats(
            target=target,
            queued_calls=len(self._queue),
            methods=stats_of(self.tallies, *(subchannel.tallies for subchannel in subchannels)),
            addresses=tuple(subchannel.stats() for subchannel in subchannels),
        )

    # -- calls

    def is_foreign(self) -> bool:
        """Whether another event loop runs here than that of this pool."""
        try:
            return self._current() is not self._home
        except RuntimeError:
            return True

    def try_acquire(self) -> PooledConnection | None:
        """A connection for the next call, if one is ready now. The call starts on it before anything else runs."""
        if self._queue:
            return None
        rotation = self._rotation  # of one address, every rule picks that one
        held = rotation[0].free() if len(rotation) == 1 else self._picker.pick(rotation)
        if held is not None:
            held.is_used = True
        return held

    async def acquire(self, deadline: float | None, wait_for_ready: bool) -> PooledConnection:
        """A connection for the next call; connects, or waits for room, where none is ready.

        Raises:
            Unavailable: no address can be reached, and the call does not want to wait.
            PoolTimeout: no connection had room within `PoolConfig.acquire_timeout_s`.
            DeadlineExceeded: the deadline passed first.
            ConfigError: the configuration does not fit the wire.
        """
        if self._is_closed:
            raise _closed_error()
        self._used_at = now = self.now()
        limit = float("inf") if wait_for_ready else now + self._config.pool.acquire_timeout_s
        is_deadline_first = deadline is not None and deadline < limit
        expires_at = deadline if deadline is not None and is_deadline_first else limit
        waiting = self._queue.join(
            CallView(next(self._numbers), wait_for_ready),
            expires_at,
            self._deadline_error if is_deadline_first else self._timeout_error,
        )
        self.only_connection = None  # until the queue is empty again: no call may overtake those that wait
        self._resolver.want()
        if not self._is_saturated:
            self._replan_soon()
        held = await waiting.wait()
        held.is_used = True
        return held

    async def acquire_elsewhere(
        self, refused_by: Sequence[Subchannel], deadline: float | None
    ) -> PooledConnection | None:
        """A connection to an address that has not said that it does not serve a call; None: there is none.

        Waits while one is being made, or has no room, for `PoolConfig.acquire_timeout_s` and to the deadline at most.
        """
        ends_at = self.now() + self._config.pool.acquire_timeout_s
        if deadline is not None:
            ends_at = min(ends_at, deadline)
        while not self._is_closed:
            others = [subchannel for subchannel in self._subchannels if subchannel not in refused_by]
            held = self._picker.pick(others)
            if held is not None:
                held.is_used = True
                return held
            if not any(other.will_have_room(self.now()) for other in others) or self.now() >= ends_at:
                return None
            await anyio.sleep(_ROOM_S)
        return None

    def next_attempt_in_s(self) -> float:
        """Seconds until an address may be tried again; 0: now, or a connection is there."""
        now = self.now()
        if self._rotation or not self._subchannels:
            return 0.0
        return min(subchannel.backoff.left_s(now) for subchannel in self._subchannels)

    # -- how calls end

    def succeeded(self, held: PooledConnection) -> None:
        """A call ended well; needs to be told only while `is_watching`."""
        self.budget.refill()
        held.subchannel.outlier_stats.succeeded()
        self.ended(held)

    def failed(self, held: PooledConnection, error: RpcError) -> None:
        """A call ended with an error."""
        is_up = held.connection.state is ConnectionState.READY
        if self._config.ejection is not None and is_up and not error.unprocessed and is_held_against(error.code):
            all_stats = [subchannel.outlier_stats for subchannel in self._subchannels]
            stats = held.subchannel.outlier_stats
            if stats.failed(self.now(), can_eject(all_stats, self.now())):
                left_out_s = stats.ejected_for_s(self.now())
                address = held.subchannel.address
                CLIENT_LOG.debug("left out %s for %.1f s, because its calls fail: %s", address, left_out_s, error)
        self._replan_soon()

    def ended(self, held: PooledConnection) -> None:
        """A call is over, one way or another. Its room goes to the call that waits longest."""
        if not self._queue:
            self._watch()
        elif held.has_room() and held.subchannel in self._rotation:
            self._queue.give_next(held)
        else:
            self._replan_soon()

    def _watch(self) -> None:
        self.is_watching = (
            bool(self._queue)
            or not self.budget.is_full
            or not all(subchannel.outlier_stats.is_clean for subchannel in self._subchannels)
        )

    # -- addresses

    def _on_addresses(self) -> None:
        self._adopt_addresses()
        self._replan()

    def _adopt_addresses(self) -> None:
        known = {subchannel.address: subchannel for subchannel in self._subchannels}
        self._subchannels = [
            known.pop(address) if address in known else self._subchannel(address)
            for address in self._resolver.addresses
        ]
        for gone in known.values():
            gone.retire()
            self._retired.append(gone)

    def _subchannel(self, address: Endpoint) -> Subchannel:
        return Subchannel(
            address,
            self._wire,
            self._config,
            self._reactor,
            self._on_attempt,
            self._replan_soon,
            lambda: next(self._numbers),
        )

    def _on_attempt(self) -> None:
        if any(subchannel.backoff.failures for subchannel in self._subchannels):
            self._resolver.refresh_soon()
        self._replan()

    # -- the plan

    def _replan_soon(self) -> None:
        if not self._is_replan_scheduled:
            self._is_replan_scheduled = True
            self._reactor.call_soon(self._replan)

    def _replan(self) -> None:
        self._is_replan_scheduled = False
        if self._is_closed:
            return
        try:
            self._plan()
        except Exception as failure:  # noqa: BLE001 - logged; raised from a callback of the loop, it would end the channel
            _log.error("the pool of %r failed to carry out its plan", self, error=failure)
            self._set_timer(_SECOND_THOUGHT_S)

    def _plan(self) -> None:
        view = self._view()
        self._carry_out(plan(view, self._config.pool))
        if not (view.is_used or view.calls or self._config.pool.min_connections):
            self._resolver.rest()
        self._watch()
        self._is_saturated = bool(self._queue) and not any(subchannel.may_open() for subchannel in self._subchannels)
        usable = [held for subchannel in self._rotation for held in subchannel.usable]
        is_alone = len(usable) == 1 and len(self._rotation) == 1 and not self._queue
        self.only_connection = usable[0] if is_alone and usable[0].is_unguarded() else None

    def _view(self) -> PoolView:
        now = self.now()
        self._note_use(now)
        return PoolView(
            tuple(subchannel.view(now) for subchannel in self._subchannels),
            self._queue.views,
            now - self._used_at < self._config.pool.max_idle_s,
            self._config.balancer == "pick_first",
            self._resolver.is_resolving,
        )

    def _note_use(self, now: float) -> None:
        for subchannel in self._subchannels:
            for held in subchannel.connections:
                if held.is_used or held.connection.active_calls:
                    self._used_at = now

    def _carry_out(self, made: Plan) -> None:
        subchannels = self._subchannels
        given = tuple(subchannels[index].connections[which] for index, which in made.hand_out)
        for index, which in made.drain:
            subchannels[index].connections[which].connection.drain()
        for index, which in sorted(made.forget, reverse=True):
            del subchannels[index].connections[which]
        for subchannel in self._retired:
            subchannel.forget_closed()
            if not subchannel.connections:
                self.tallies.add(subchannel.tallies)
        self._retired = [subchannel for subchannel in self._retired if subchannel.connections]
        for subchannel in subchannels:
            subchannel.refresh_usable()
        self._rotation = [subchannels[index] for index in made.rotation]
        for index in made.open:
            subchannels[index].open()
        self._queue.settle(given, made.fail, self._unreachable_error)
        self._set_timer(made.wake_in_s)

    def _set_timer(self, wake_in_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if wake_in_s < float("inf"):
            self._timer = self._reactor.call_at(self.now() + wake_in_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._replan()

    # -- errors

    def _unreachable_error(self) -> TransportError:
        """Why no address can be reached: the latest failure, and how many others there are."""
        failed = [subchannel for subchannel in self._subchannels if subchannel.error is not None]
        if not failed:
            return self._resolver.error or Unavailable("the target has no address", unprocessed=True)
        error = max(failed, key=lambda subchannel: subchannel.failure).error
        assert error is not None
        if len(self._subchannels) > 1 and isinstance(error, Unavailable):
            others = len(self._subchannels) - 1
            return Unavailable(f"{error.message} (nor can the other {others} addresses be reached)", unprocessed=True)
        return error

    def _last_failure(self) -> str:
        """Why there is no connection, as far as that is known; empty where there is one."""
        if self._rotation:
            return ""
        latest = max(self._subchannels, key=lambda subchannel: subchannel.failure, default=None)
        error = latest.error if latest is not None else self._resolver.error
        if error is None:
            return ""
        return f"; the last attempt: {error.message if isinstance(error, RpcError) else error}"

    def _deadline_error(self) -> RpcError:
        return DeadlineExceeded(
            f"the deadline passed while waiting for a connection: {self!r}{self._last_failure()}", unprocessed=True
        )

    def _timeout_error(self) -> RpcError:
        return PoolTimeout(
            f"no connection had room within acquire_timeout_s={self._config.pool.acquire_timeout_s:g}: {self!r}; "
            "make fewer calls at a time, or raise max_connections or max_calls_per_connection"
            f"{self._last_failure()}",
            unprocessed=True,
        )

    async def aclose(self) -> None:
        """Closes every connection; calls that wait for one fail."""
        self._is_closed = True
        self.only_connection = None
        self._rotation = []
        if self._timer is not None:
            self._timer.cancel()
        self._resolver.rest()
        self._queue.fail_all(_closed_error())
        async with anyio.create_task_group() as tasks:
            for subchannel in (*self._subchannels, *self._retired):
                for connection in subchannel.abandon():
                    tasks.start_soon(_close, connection)


async def _close(connection: ClientConnection) -> None:
    try:
        await connection.aclose()
    except Exception as failure:  # noqa: BLE001 - reported; one that cannot be closed in order must not hold up the others
        _log.error("a connection could not be closed in order", error=failure)


def _closed_error() -> RpcError:
    """What a call gets that was still waiting when its channel was left."""
    return Unavailable("the channel was closed", unprocessed=True)
