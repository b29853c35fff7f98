"""The server's side of ``eventflux.stats.v1.Stats``.

Invariant: a watch ends when the server begins to drain, so no drain waits for one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import anyio

from eventflux_runtime.health.board import Health
from eventflux_runtime.rpc.context import Context
from eventflux_runtime.rpc.errors import CodecError
from eventflux_runtime.rpc.rpc_error import InvalidArgument, Unavailable
from eventflux_runtime.stats import GetRequest, Snapshot, SnapshotService, WatchRequest
from eventflux_runtime.telemetry.report import Reporter
from eventflux_runtime.telemetry.snapshot import seconds_of, snapshot_of

__all__ = ["DEFAULT_INTERVAL_S", "MAX_INTERVAL_S", "MIN_INTERVAL_S", "StatsService"]

DEFAULT_INTERVAL_S: Final = 1.0
MIN_INTERVAL_S: Final = 0.1
"""From one snapshot to the next: so that who watches does not become the load."""
MAX_INTERVAL_S: Final = 3600.0


class StatsService(SnapshotService):
    """Answers from a server's `Reporter`."""

    def __init__(self, reporter: Reporter, health: Health) -> None:
        self._reporter = reporter
        self._health = health

    async def get(self, request: GetRequest, context: Context) -> Snapshot:
        """What has been counted by now."""
        return snapshot_of(self._reporter.report())

    async def watch(self, request: WatchRequest, context: Context) -> AsyncIterator[Snapshot]:
        """What has been counted by now, and again after each interval.

        Raises:
            InvalidArgument: the interval is too short or too long.
            Unavailable: the server is shutting down; nothing else ends a watch from this side.
        """
        interval_s = _interval_s(request)
        while True:
            yield snapshot_of(self._reporter.report())
            with anyio.move_on_after(interval_s):
                await self._health.wait_closed()
                break
        raise Unavailable("the server is shutting down")


def _interval_s(request: WatchRequest) -> float:
    if request.interval is None:
        return DEFAULT_INTERVAL_S
    try:
        interval_s = seconds_of(request.interval)
    except CodecError as error:
        raise InvalidArgument(f"the interval is no span of time: {error}") from None
    if not MIN_INTERVAL_S <= interval_s <= MAX_INTERVAL_S:
        raise InvalidArgument(
            f"the interval is {interval_s:g} s: choose one from {MIN_INTERVAL_S:g} to {MAX_INTERVAL_S:g} s"
        )
    return interval_s
