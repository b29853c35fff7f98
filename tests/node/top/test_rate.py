"""What happened between two reports."""

from __future__ import annotations

import json

import pytest

from eventflux_node.top.rate import SORT_KEYS, CallRates, rates_between, record_of, sorted_methods
from eventflux_runtime import CallStats, EndpointStats, LatencyHistogram, ServerReport, ServerStats, StatusCode

BUCKETS = len(LatencyHistogram.BOUNDS_S) + 1


def latency(**counts: int) -> LatencyHistogram:
    """Calls by bucket, as ``b3=2``."""
    found = [0] * BUCKETS
    for name, count in counts.items():
        found[int(name.removeprefix("b"))] = count
    return LatencyHistogram(tuple(found), float(sum(counts.values())))


def calls(started: int, ok: int, missing: int = 0, size: int = 0, times: LatencyHistogram | None = None) -> CallStats:
    ended = {StatusCode.OK: ok, **({StatusCode.NOT_FOUND: missing} if missing else {})}
    times = times if times is not None else LatencyHistogram()
    return CallStats(
        started=started, ended=ended, latency=times, sent_bytes=size, received_bytes=2 * size, sent_messages=ok
    )


def report(uptime_s: float, methods: dict[str, CallStats], instance: str = "a", accepted: int = 0) -> ServerReport:
    endpoints = (
        EndpointStats(endpoint="tcp://a:1", connections=2, accepted=accepted),
        EndpointStats(endpoint="grpc://a:2", connections=1),
    )
    stats = ServerStats(methods=methods, refused_calls=accepted, endpoints=endpoints)
    return ServerReport(instance=instance, uptime_s=uptime_s, stats=stats)


def test_rates_are_of_what_came_between() -> None:
    before = report(10, {"/s/A": calls(100, 100, size=1000, times=latency(b3=50, b20=50))}, accepted=4)
    after = report(
        12,
        {"/s/A": calls(130, 110, 10, size=3000, times=latency(b3=50, b20=70)), "/s/B": calls(4, 2)},
        accepted=8,
    )
    rates = rates_between(before, after)
    assert rates is not None
    assert (rates.seconds, rates.uptime_s, rates.connections) == (2, 12, 3)
    assert (rates.accepted_per_s, rates.refused_calls_per_s) == (2, 2)
    first = rates.methods["/s/A"]
    assert (first.calls_per_s, first.failures_per_s, first.failed_per_s) == (10, {"NOT_FOUND": 5}, 5)
    assert first.in_flight == 10
    assert (first.sent_bytes_per_s, first.received_bytes_per_s, first.bytes_per_s) == (1000, 2000, 3000)
    assert first.sent_messages_per_s == 5
    bounds = LatencyHistogram.BOUNDS_S
    assert bounds[19] <= first.latency.percentile(0.01) <= first.latency.percentile(0.99) <= bounds[20]
    assert rates.methods["/s/B"].calls_per_s == 1
    assert (rates.total.calls_per_s, rates.total.in_flight) == (11, 12)


@pytest.mark.parametrize(
    ("uptime_s", "instance"),
    [(1.0, "b"), (12.0, "b"), (10.0, "a"), (9.0, "a")],
    ids=["restart", "other", "same", "back"],
)
def test_reports_that_do_not_compare_have_no_rates(uptime_s: float, instance: str) -> None:
    assert rates_between(report(10, {}), report(uptime_s, {}, instance)) is None


def test_a_record_is_json_where_nothing_was_called_too() -> None:
    before, after = report(10, {"/s/A": calls(1, 1)}), report(11, {"/s/A": calls(1, 1)})
    rates = rates_between(before, after)
    assert rates is not None
    record = json.loads(json.dumps(record_of(rates), allow_nan=False))
    assert record["methods"]["s/A"]["latency_ms"] == {"p50": None, "p90": None, "p99": None}
    assert record["calls_per_s"] == 0


def test_methods_are_sorted_by_each_key() -> None:
    empty = LatencyHistogram()

    def rates(calls_per_s: float, failed: float, in_flight: int, times: LatencyHistogram, size: float) -> CallRates:
        return CallRates(
            calls_per_s=calls_per_s,
            failures_per_s={"INTERNAL": failed},
            in_flight=in_flight,
            latency=times,
            received_bytes_per_s=size,
            sent_bytes_per_s=0,
            received_messages_per_s=0,
            sent_messages_per_s=0,
        )

    methods = {
        "c": rates(3, 0, 0, latency(b1=1), 1),
        "a": rates(2, 1, 0, latency(b9=1), 2),
        "b": rates(1, 0, 5, empty, 3),
        "d": rates(0, 0, 0, empty, 0),
    }
    orders = {key: "".join(path for path, _ in sorted_methods(methods.items(), key)) for key in SORT_KEYS}
    assert orders == {
        "calls": "cabd",
        "errors": "abcd",
        "in-flight": "bacd",
        "p99": "acbd",
        "bytes": "bacd",
        "name": "abcd",
    }
