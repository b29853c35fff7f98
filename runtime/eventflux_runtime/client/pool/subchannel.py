"""One address of a channel: its connections, the attempts to make more, and how both have fared.

Invariants: `usable` is the part of `connections` that takes calls, as of the last plan; an attempt that ends after
`retire` leaves no connection behind.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, final

from eventflux_runtime.client.pool.ejection import OutlierStats
from eventflux_runtime.client.pool.plan import AddressView, ConnectionView
from eventflux_runtime.net.client_log import CLIENT_LOG
from eventflux_runtime.protocol.api import ClientConnection, ConnectionState, Wire
from eventflux_runtime.rpc.backoff import Backoff
from eventflux_runtime.rpc.call_tally import TallyBook
from eventflux_runtime.rpc.config import ClientConfig, EjectionConfig
from eventflux_runtime.rpc.errors import ConfigError, TransportError
from eventflux_runtime.rpc.rpc_error import RpcError, Unavailable
from eventflux_runtime.rpc.stats import AddressStats, stats_of

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor, TaskHandle
    from eventflux_runtime.rpc.endpoint import Endpoint

__all__ = ["PooledConnection", "Subchannel"]

_READY: Final = ConnectionState.READY
_AGE_SPREAD: Final = 0.1
"""Connections are closed for age up to this part early, so that those made together do not end together."""


@final
class PooledConnection:
    """One connection in a pool."""

    __slots__ = ("_most", "connection", "expires_at", "idle_since", "is_used", "limit", "promised", "subchannel")

    def __init__(self, connection: ClientConnection, subchannel: Subchannel, most: int, expires_at: float) -> None:
        self.connection = connection
        self.subchannel = subchannel
        self._most = most
        self.limit = min(most, connection.max_calls)
        """Calls that it takes at a time, as of the last plan: `most`, or less where the server wants it so. The server
        may want less from any moment on; more is for the plan to give, to those that wait."""
        self.expires_at = expires_at
        self.idle_since = 0.0
        self.is_used = True
        self.promised = 0

    def is_unguarded(self) -> bool:
        """Whether nothing but the connection itself limits the calls on it."""
        return not self.promised and self.limit >= self.connection.max_calls

    def has_room(self) -> bool:
        """Whether it takes a call now, as of the last plan."""
        connection = self.connection
        return connection.state is _READY and self.takes(self.load()) and self in self.subchannel.usable

    def load(self) -> int:
        """Calls in flight on it, and those that it was promised to."""
        return self.connection.active_calls + self.promised

    def takes(self, load: int) -> bool:
        """Whether it takes a call beside so many."""
        return load < self.limit and load < self.connection.max_calls

    def view(self, now: float) -> ConnectionView:
        """What the plan sees. Notes since when it is idle."""
        self.limit = min(self._most, self.connection.max_calls)
        load = self.load()
        if self.is_used or load:
            self.is_used = False
            self.idle_since = now
        return ConnectionView(self.connection.state, load, self.limit, self.expires_at - now, now - self.idle_since)


class Subchannel:
    """Connects to one address as the pool says, and knows what came of it."""

    def __init__(
        self,
        address: Endpoint,
        wire: Wire,
        config: ClientConfig,
        reactor: Reactor,
        on_change: Callable[[], None],
        on_dead: Callable[[], None],
        next_number: Callable[[], int],
    ) -> None:
        self.address = address
        self.tallies = TallyBook()
        """What became of the calls that went here."""
        self.connect_attempts = 0
        self.connect_failures = 0
        self.connections: list[PooledConnection] = []
        self.usable: list[PooledConnection] = []
        self.error: TransportError | None = None
        self.failure = 0
        self.backoff = Backoff(config.pool.reconnect_backoff_s, config.pool.max_reconnect_backoff_s)
        self.outlier_stats = OutlierStats(config.ejection if config.ejection is not None else EjectionConfig())
        self._wire = wire
        self._pool_config = config.pool
        self._config = config
        self._reactor = reactor
        self._on_change = on_change
        self._on_dead = on_dead
        self._next_number = next_number
        self._attempts: dict[int, TaskHandle] = {}
        self._attempted_at = 0.0
        self._is_retired = False
        self._latest: PooledConnection | None = None
        """Where the last call went."""

    def __repr__(self) -> str:
        return f"{self.address}: {self._describe()}"

    def _describe(self) -> str:
        states = [held.connection.state for held in self.connections]
        ready = states.count(ConnectionState.READY)
        draining = states.count(ConnectionState.DRAINING)
        parts = [f"{ready} ready"] if ready else []
        if draining:
            parts.append(f"{draining} draining")
        if parts:
            parts.append(f"{self.load} active")
        if self._attempts:
            parts.append("connecting")
        elif not ready and self.backoff.failures:
            parts.append(f"{self.backoff.failures} failed")
        if self.outlier_stats.ejected_for_s(self._reactor.now()) > 0:
            parts.append("ejected")
        return ", ".join(parts) or "idle"

    @property
    def load(self) -> int:
        """Calls in flight on this address."""
        return sum(held.connection.active_calls for held in self.connections)

    def free(self) -> PooledConnection | None:
        """A connection with room for one call: that of the last call, or else the least loaded.

        Calls stay with a connection until it is full, so that few calls have to look at all of them, and connections
        that a crowd has left behind fall idle. A dead one seen on the way is reported.
        """
        latest = self._latest
        if latest is not None and latest.has_room():
            return latest
        best = self._latest = self._least_loaded()
        return best

    def _least_loaded(self) -> PooledConnection | None:
        best: PooledConnection | None = None
        best_load = 0
        for held in self.usable:
            if held.connection.state is not _READY:
                self._on_dead()
                continue
            load = held.load()
            if held.takes(load) and (best is None or load < best_load):
                best, best_load = held, load
        return best

    def will_have_room(self, now: float) -> bool:
        """Whether a connection is there, or being made; starts an attempt if one is due and there is nothing."""
        if not self.usable and not self._attempts and self.backoff.left_s(now) <= 0:
            self.open()
        return bool(self.usable or self._attempts)

    def view(self, now: float) -> AddressView:
        """What the plan sees."""
        return AddressView(
            tuple(held.view(now) for held in self.connections),
            len(self._attempts),
            now - self._attempted_at,
            self.backoff.left_s(now),
            self.failure,
            self.outlier_stats.ejected_for_s(now),
        )

    def may_open(self) -> bool:
        """Whether another connection is allowed beside those that there are."""
        return len(self.usable) + len(self._attempts) < self._pool_config.max_connections

    def refresh_usable(self) -> None:
        """Takes over into `usable` what takes calls now."""
        self.usable = [held for held in self.connections if held.connection.state is _READY]

    def forget_closed(self) -> None:
        """Lets go of connections that are closed."""
        self.connections = [held for held in self.connections if held.connection.state is not ConnectionState.CLOSED]

    def open(self) -> None:
        """Starts an attempt to connect; `on_change` is called when it has ended."""
        number = self._next_number()
        self._attempted_at = self._reactor.now()
        self.connect_attempts += 1
        CLIENT_LOG.debug("connecting to %s, after %d failures in a row", self.address, self.backoff.failures)
        self._attempts[number] = self._reactor.spawn(self._attempt, number)

    async def _attempt(self, number: int) -> None:
        try:
            connection = await self._wire.open(self.address, self._config, self._reactor)
        except Exception as error:  # noqa: BLE001 - whatever connecting fails with is an attempt that failed
            self._attempts.pop(number, None)
            self._failed(_attempt_error(self.address, error))
        else:
            self._attempts.pop(number, None)
            self._opened(connection)
        self._on_change()

    def _failed(self, error: RpcError | ConfigError) -> None:
        if isinstance(error, RpcError):
            error.unprocessed = True
        self.connect_failures += 1
        # Kept for whoever asks until the next attempt; the frames of this one need not be.
        self.error = error.with_traceback(None)
        self.failure = self._next_number()
        now = self._reactor.now()
        self.backoff.failed(now)
        CLIENT_LOG.debug(
            "%s cannot be reached, %d times in a row; the next attempt is due in %.2f s: %s",
            self.address,
            self.backoff.failures,
            self.backoff.left_s(now),
            error,
        )

    def _opened(self, connection: ClientConnection) -> None:
        if self._is_retired:
            connection.drain()
        connection.tallies = self.tallies
        CLIENT_LOG.debug("connected to %s, after %d failures in a row", self.address, self.backoff.failures)
        self.error = None
        self.failure = 0
        self.backoff.succeeded()
        self.outlier_stats.succeeded()
        most = self._pool_config.max_calls_per_connection
        self.connections.append(PooledConnection(connection, self, most, self._expiry()))

    def _expiry(self) -> float:
        if self.address.is_resolved_by_protocol:
            return float("inf")  # grpcio's own resolver and balancer keep such a connection up to date
        age_s = self._pool_config.max_age_s * (1.0 - _AGE_SPREAD * random.random())
        return self._reactor.now() + age_s

    def stats(self) -> AddressStats:
        """What became of it by now."""
        states = [held.connection.state for held in self.connections]
        return AddressStats(
            address=str(self.address),
            ready=states.count(_READY),
            draining=states.count(ConnectionState.DRAINING),
            connecting=len(self._attempts),
            connect_attempts=self.connect_attempts,
            connect_failures=self.connect_failures,
            last_failure="" if self.error is None else str(self.error),
            is_ejected=self.outlier_stats.ejected_for_s(self._reactor.now()) > 0,
            ejections=self.outlier_stats.ejections,
            is_retired=self._is_retired,
            methods=stats_of(self.tallies),
        )

    def retire(self) -> None:
        """The address is gone: no new calls and no new connections; calls in flight go on."""
        self._is_retired = True
        self._cancel_attempts()
        self.usable = []
        for held in self.connections:
            held.connection.drain()

    def _cancel_attempts(self) -> None:
        attempts, self._attempts = self._attempts, {}
        for attempt in attempts.values():
            attempt.cancel()

    def abandon(self) -> list[ClientConnection]:
        """Gives up every attempt; the connections are the caller's to close."""
        self._is_retired = True
        self._cancel_attempts()
        return [held.connection for held in self.connections]


def _attempt_error(endpoint: Endpoint, error: Exception) -> RpcError | ConfigError:
    if isinstance(error, RpcError | ConfigError):
        return error
    made = Unavailable(f"cannot connect to {endpoint}: {type(error).__name__}: {error}")
    made.__cause__ = error.with_traceback(None)
    return made
