"""The client's side of ``eventflux.stats.v1.Stats``, in the classes of `Server.stats`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, TypeAlias, Unpack

from eventflux_runtime.client.client import Client
from eventflux_runtime.client.options import CallOptions
from eventflux_runtime.rpc.checked import Limits, checked_value
from eventflux_runtime.stats import GetRequest, SnapshotClient, WatchRequest
from eventflux_runtime.telemetry.report import ServerReport
from eventflux_runtime.telemetry.service import DEFAULT_INTERVAL_S, MAX_INTERVAL_S, MIN_INTERVAL_S
from eventflux_runtime.telemetry.snapshot import duration_of, report_of

__all__ = ["StatsClient", "watch_request"]

_Interval: TypeAlias = Annotated[float, Limits(MIN_INTERVAL_S, MAX_INTERVAL_S)]


class StatsClient(Client):
    """Asks a server for its stats, on any wire. It answers where ``ServerConfig(stats=True)`` is set."""

    __slots__ = ()

    async def get(self, **options: Unpack[CallOptions]) -> ServerReport:
        """What has been counted by now.

        Raises:
            Unimplemented: the server does not serve its stats.
        """
        return report_of(await SnapshotClient(self._channel).get(GetRequest(), **options))

    async def watch(
        self, interval_s: float = DEFAULT_INTERVAL_S, **options: Unpack[CallOptions]
    ) -> AsyncGenerator[ServerReport, None]:
        """What has been counted by now, and again after each interval of 0.1 s to an hour, without an end.

        Close the iterator (``contextlib.aclosing``) to end the watch. It has no deadline unless ``timeout_s`` gives it
        one.

        Raises:
            ConfigError: the interval is too short or too long.
            Unavailable: the server shuts down, or the connection is lost: watch again.
            Unimplemented: the server does not serve its stats.
        """
        request = watch_request(interval_s)
        options.setdefault("timeout_s", None)
        async with SnapshotClient(self._channel).watch(request, **options) as snapshots:
            async for snapshot in snapshots:
                yield report_of(snapshot)


def watch_request(interval_s: float) -> WatchRequest:
    """Asks for a report after each interval. Raises ConfigError for one that is too short or too long."""
    return WatchRequest(interval=duration_of(checked_value("interval_s", interval_s, _Interval)))
