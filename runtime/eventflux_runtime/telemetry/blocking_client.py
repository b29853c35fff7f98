"""The client's side of ``eventflux.stats.v1.Stats``, for programs without an event loop."""

from __future__ import annotations

from collections.abc import Generator
from typing import Unpack

from eventflux_runtime.blocking.client import BlockingClient
from eventflux_runtime.client.options import CallOptions
from eventflux_runtime.stats import GetRequest, SnapshotBlockingClient
from eventflux_runtime.telemetry.client import watch_request
from eventflux_runtime.telemetry.report import ServerReport
from eventflux_runtime.telemetry.service import DEFAULT_INTERVAL_S
from eventflux_runtime.telemetry.snapshot import report_of

__all__ = ["BlockingStatsClient"]


class BlockingStatsClient(BlockingClient):
    """Asks a server for its stats, on any wire; see `StatsClient`."""

    __slots__ = ()

    def get(self, **options: Unpack[CallOptions]) -> ServerReport:
        """What has been counted by now.

        Raises:
            Unimplemented: the server does not serve its stats.
        """
        return report_of(SnapshotBlockingClient(self._channel).get(GetRequest(), **options))

    def watch(
        self, interval_s: float = DEFAULT_INTERVAL_S, **options: Unpack[CallOptions]
    ) -> Generator[ServerReport, None, None]:
        """What has been counted by now, and again after each interval of 0.1 s to an hour, without an end.

        Close the iterator (``contextlib.closing``) to end the watch. It has no deadline unless ``timeout_s`` gives it
        one.

        Raises:
            ConfigError: the interval is too short or too long.
            Unavailable: the server shuts down, or the connection is lost: watch again.
            Unimplemented: the server does not serve its stats.
        """
        request = watch_request(interval_s)
        options.setdefault("timeout_s", None)
        with SnapshotBlockingClient(self._channel).watch(request, **options) as snapshots:
            for snapshot in snapshots:
                yield report_of(snapshot)
