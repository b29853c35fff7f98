"""Reports as they travel: the messages of ``eventflux.stats.v1``, and reports made of them again."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from eventflux_runtime.rpc.stats import CallStats, EndpointStats, LatencyHistogram, ServerStats
from eventflux_runtime.rpc.status import StatusCode
from eventflux_runtime.stats import EndpointSnapshot, MethodSnapshot, Snapshot
from eventflux_runtime.telemetry.report import ServerReport
from eventflux_runtime.well_known import Duration

__all__ = ["duration_of", "report_of", "seconds_of", "snapshot_of"]

_NANOS: Final = 1_000_000_000


def duration_of(seconds: float) -> Duration:
    """Seconds as a Duration."""
    return Duration.from_nanoseconds(round(seconds * _NANOS))


def seconds_of(duration: Duration | None) -> float:
    """A Duration in seconds; 0 where there is none. Raises CodecError for one that is no span of time."""
    if duration is None:
        return 0.0
    duration.check()
    return duration.to_nanoseconds() / _NANOS


def snapshot_of(report: ServerReport) -> Snapshot:
    """The message of a report."""
    stats = report.stats
    return Snapshot(
        instance=report.instance,
        uptime=duration_of(report.uptime_s),
        latency_bounds=list(LatencyHistogram.BOUNDS_S),
        methods=[_method_snapshot(path, calls) for path, calls in stats.methods.items()],
        refused_calls=stats.refused_calls,
        endpoints=[
            EndpointSnapshot(
                endpoint=endpoint.endpoint,
                connections=endpoint.connections,
                accepted=endpoint.accepted,
                refused=endpoint.refused,
                active_calls=endpoint.active_calls,
            )
            for endpoint in stats.endpoints
        ],
    )


def _method_snapshot(path: str, calls: CallStats) -> MethodSnapshot:
    counts = calls.latency.counts
    used = max((index + 1 for index, count in enumerate(counts) if count), default=0)
    return MethodSnapshot(
        method=path,
        started=calls.started,
        ended={int(code): count for code, count in calls.ended.items()},
        latency_counts=list(counts[:used]),
        latency_sum=calls.latency.sum_s,
        sent_messages=calls.sent_messages,
        received_messages=calls.received_messages,
        sent_bytes=calls.sent_bytes,
        received_bytes=calls.received_bytes,
    )


def report_of(snapshot: Snapshot) -> ServerReport:
    """The report in a message. Raises CodecError for an uptime that is no span of time."""
    methods: dict[str, CallStats] = {}
    for method in snapshot.methods:
        calls = _call_stats(method, snapshot.latency_bounds)
        methods[method.method] = methods[method.method] + calls if method.method in methods else calls
    return ServerReport(
        instance=snapshot.instance,
        uptime_s=seconds_of(snapshot.uptime),
        stats=ServerStats(
            methods=methods,
            refused_calls=snapshot.refused_calls,
            endpoints=tuple(
                EndpointStats(
                    endpoint=endpoint.endpoint,
                    connections=endpoint.connections,
                    accepted=endpoint.accepted,
                    refused=endpoint.refused,
                    active_calls=endpoint.active_calls,
                )
                for endpoint in snapshot.endpoints
            ),
        ),
    )


def _call_stats(method: MethodSnapshot, bounds: Sequence[float]) -> CallStats:
    ended: dict[StatusCode, int] = {}
    for number, count in sorted(method.ended.items()):
        code = StatusCode.from_number(number)
        ended[code] = ended.get(code, 0) + count
    return CallStats(
        started=method.started,
        ended=ended,
        latency=LatencyHistogram(_counts(method.latency_counts, bounds), method.latency_sum),
        sent_messages=method.sent_messages,
        received_messages=method.received_messages,
        sent_bytes=method.sent_bytes,
        received_bytes=method.received_bytes,
    )


def _counts(counts: Sequence[int], bounds: Sequence[float]) -> tuple[int, ...]:
    """The calls of each of our buckets. Those of a server with other bounds go where its bounds lie: none is lost."""
    ours = LatencyHistogram.BOUNDS_S
    found = [0] * (len(ours) + 1)
    for index, count in enumerate(counts):
        found[bisect_left(ours, bounds[index]) if index < len(bounds) else len(ours)] += count
    return tuple(found)
