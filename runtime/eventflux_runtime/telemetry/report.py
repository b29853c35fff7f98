"""What a server reports of itself: its stats, with what makes two reports comparable."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import msgspec

from eventflux_runtime.rpc.stats import ServerStats

__all__ = ["Reporter", "ServerReport"]


class ServerReport(msgspec.Struct, frozen=True, kw_only=True):
    """The stats of a server at one moment."""

    instance: str
    """A random name of this run of the server: counters of two reports compare only where it is the same."""
    uptime_s: float
    """Seconds since the server was made, by its own clock: rates are differences of counters over differences of it."""
    stats: ServerStats


class Reporter:
    """Makes reports of one server, once `read` is its `Server.stats`."""

    def __init__(self) -> None:
        self.read: Callable[[], ServerStats] = ServerStats
        self._instance = os.urandom(8).hex()
        self._began = time.monotonic()

    def report(self) -> ServerReport:
        """What there is to report now."""
        return ServerReport(instance=self._instance, uptime_s=time.monotonic() - self._began, stats=self.read())
