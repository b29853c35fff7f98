"""From the addresses of a target to the addresses to connect to: host names are looked up, now and again.

Invariants: at most one lookup of a name runs at a time; what a name resolved to last stands until another answer comes,
however many lookups fail between them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from eventflux_runtime.net.connecting import why_not_found
from eventflux_runtime.rpc.backoff import Backoff, jittered
from eventflux_runtime.rpc.checked import MAX_COUNT
from eventflux_runtime.rpc.config import ClientConfig
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.rpc_error import Unavailable

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor, TaskHandle, TimerHandle

__all__ = ["Lookup", "Resolver", "pooled_config"]

Lookup = Callable[[str, int], Awaitable[tuple[str, ...]]]

_SOONEST_S: Final = 1.0
"""Seconds between two lookups of a name at least: failures come in swarms, and name servers bear grudges."""


class Resolver:
    """The addresses of a channel. `on_change` is called when they have changed or a lookup has failed."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        refresh_s: float,
        reactor: Reactor,
        on_change: Callable[[], None],
        lookup: Lookup,
    ) -> None:
        self._sources: list[Endpoint | _Name] = [
            _Name(endpoint, refresh_s, reactor, on_change, lookup) if endpoint.is_name else endpoint
            for endpoint in endpoints
        ]
        self._names = [source for source in self._sources if isinstance(source, _Name)]

    @property
    def addresses(self) -> tuple[Endpoint, ...]:
        """Every address known now, each once, in the order of the target."""
        found: dict[Endpoint, None] = {}
        for source in self._sources:
            found.update(dict.fromkeys((source,) if isinstance(source, Endpoint) else source.addresses))
        return tuple(found)

    @property
    def is_resolving(self) -> bool:
        """Whether an answer may come soon."""
        return any(name.is_running for name in self._names)

    @property
    def error(self) -> Unavailable | None:
        """Why a name has no addresses, if one has none."""
        return next((name.error for name in self._names if name.error is not None), None)

    def want(self) -> None:
        """There are calls: names without a recent answer are looked up, and again when the answer is old."""
        for name in self._names:
            name.want()

    def refresh_soon(self) -> None:
        """An address failed: the names may have moved."""
        for name in self._names:
            name.refresh_soon()

    def rest(self) -> None:
        """There are no calls: nothing is looked up until `want`."""
        for name in self._names:
            name.rest()


def pooled_config(endpoints: Sequence[Endpoint], config: ClientConfig) -> ClientConfig:
    """The configuration, but for targets that the protocol resolves itself: there one connection is for all servers.

    What is behind it, and how many connections, is for the protocol's own balancer.
    """
    if not any(endpoint.is_resolved_by_protocol for endpoint in endpoints):
        return config
    least = min(config.pool.min_connections, 1)
    pool = replace(config.pool, min_connections=least, max_connections=1, max_calls_per_connection=MAX_COUNT)
    return replace(config, pool=pool)


class _Name:
    """One host name."""

    def __init__(
        self, endpoint: Endpoint, refresh_s: float, reactor: Reactor, on_change: Callable[[], None], lookup: Lookup
    ) -> None:
        self.addresses: tuple[Endpoint, ...] = ()
        self.error: Unavailable | None = None
        self._endpoint = endpoint
        self._refresh_s = refresh_s
        self._reactor = reactor
        self._on_change = on_change
        self._lookup = lookup
        self._backoff = Backoff(_SOONEST_S, refresh_s)
        self._started_at = float("-inf")
        self._due_at = float("-inf")
        self._timer: TimerHandle | None = None
        self._task: TaskHandle | None = None

    @property
    def is_running(self) -> bool:
        return self._task is not None

    def want(self) -> None:
        if self._timer is None and self._task is None:
            self._schedule(self._due_at)

    def refresh_soon(self) -> None:
        soonest = self._started_at + _SOONEST_S
        if self._timer is not None and soonest < self._due_at:
            self._schedule(soonest)

    def rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _schedule(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._due_at = when
        if when <= self._reactor.now():
            self._start()
        else:
            self._timer = self._reactor.call_at(when, self._start)

    def _start(self) -> None:
        self._timer = None
        self._started_at = self._reactor.now()
        self._task = self._reactor.spawn(self._run)

    async def _run(self) -> None:
        endpoint = self._endpoint
        try:
            hosts = await self._lookup(endpoint.host, endpoint.port)
        except Exception as error:  # noqa: BLE001 - an OSError, or the UnicodeError of a name that no rule allows, or the like
            self._task = None
            self._backoff.failed(self._reactor.now())
            if not self.addresses:
                self.error = Unavailable(f"cannot connect to {endpoint}: {why_not_found(error)}", unprocessed=True)
            self._schedule(self._backoff.retry_at)
        else:
            self._task = None
            self._backoff.succeeded()
            self.error = None
            self.addresses = tuple(replace(endpoint, host=host, name=endpoint.host) for host in hosts)
            self._schedule(self._reactor.now() + jittered(self._refresh_s))
        self._on_change()
