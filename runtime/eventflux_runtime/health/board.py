"""What a server says of its services: the state behind its health service.

Invariants: a watcher holds no queue, only the status it saw last, so one that is slow costs no memory and misses
nothing but what has changed back meanwhile; after `close` nothing is SERVING again.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable

import anyio

from eventflux_runtime.health.message import ServingStatus
from eventflux_runtime.rpc.errors import ConfigError

__all__ = ["Health"]

_SETTABLE = (ServingStatus.SERVING, ServingStatus.NOT_SERVING)


class Health:
    """The status of each service of one server, and of the server as a whole, whose name is empty.

    Used from the server's event loop only. `Server.health` is the one of a server.
    """

    def __init__(self, services: Iterable[str]) -> None:
        self._statuses = dict.fromkeys(("", *services), ServingStatus.SERVING)
        self._changed = anyio.Event()
        self._unwatched = anyio.Event()
        self._watchers = 0
        self._is_closed = False

    def __repr__(self) -> str:
        statuses = ", ".join(f"{name or 'server'} {status.name}" for name, status in self._statuses.items())
        return f"<Health {statuses}; {self._watchers} watching>"

    def get(self, service: str = "") -> ServingStatus | None:
        """The status of a service; None: no service of that name is known."""
        return self._statuses.get(service)

    def all(self) -> dict[str, ServingStatus]:
        """The status of each service that is known, by name, and under the empty name that of the server."""
        return dict(self._statuses)

    def set(self, service: str, status: ServingStatus) -> None:
        """Says how a service is from now on; a name that was not known becomes known.

        The server as a whole, whose name is empty, and its services do not follow each other. Once the server drains,
        everything stays NOT_SERVING.

        Raises:
            ConfigError: the status is neither SERVING nor NOT_SERVING; the others are not a server's to set.
        """
        if status not in _SETTABLE:
            raise ConfigError(f"the status of a service is SERVING or NOT_SERVING, not {status!r}")
        if not self._is_closed and self._statuses.get(service) != status:
            self._statuses[service] = ServingStatus(status)
            self._notify()

    def close(self) -> None:
        """Nothing is served any more, and each watch ends once it has said so. A second time does nothing."""
        if not self._is_closed:
            self._is_closed = True
            self._statuses = dict.fromkeys(self._statuses, ServingStatus.NOT_SERVING)
            self._notify()

    def _notify(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    async def watch(self, service: str) -> AsyncGenerator[ServingStatus, None]:
        """The status now, then each change until `close`; SERVICE_UNKNOWN while the name is not known."""
        seen: ServingStatus | None = None
        self._watchers += 1
        try:
            while True:
                changed = self._changed
                status = self._statuses.get(service, ServingStatus.SERVICE_UNKNOWN)
                if status is not seen:
                    seen = status
                    yield status
                elif self._is_closed:
                    return
                else:
                    await changed.wait()
        finally:
            self._watchers -= 1
            if not self._watchers:
                unwatched, self._unwatched = self._unwatched, anyio.Event()
                unwatched.set()

    async def wait_closed(self) -> None:
        """Returns when nothing is served any more."""
        while not self._is_closed:
            await self._changed.wait()

    async def wait_unwatched(self) -> None:
        """Returns when nobody watches."""
        while self._watchers:
            await self._unwatched.wait()
