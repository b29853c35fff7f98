"""What happened on a server between two reports of its stats."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from eventflux_runtime import CallStats, LatencyHistogram, ServerReport, StatusCode

__all__ = ["SORT_KEYS", "CallRates", "ServerRates", "rates_between", "record_of", "sorted_methods"]

_PERCENTILES: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRates:
    """The calls of a method, or of all, in a span of time."""

    calls_per_s: float
    """Those that ended."""
    failures_per_s: dict[str, float]
    """Of these, those that ended with each code but OK, by its name."""
    in_flight: int
    """At the end of the span."""
    latency: LatencyHistogram
    """Of the calls that ended."""
    received_bytes_per_s: float
    sent_bytes_per_s: float
    received_messages_per_s: float
    sent_messages_per_s: float

    @property
    def failed_per_s(self) -> float:
        """Calls that ended with another code than OK."""
        return sum(self.failures_per_s.values())

    @property
    def bytes_per_s(self) -> float:
        """Both ways together."""
        return self.received_bytes_per_s + self.sent_bytes_per_s


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRates:
    """A server in a span of time, which ended when its report was made."""

    instance: str
    uptime_s: float
    seconds: float
    """How long the span was, by the server's clock."""
    connections: int
    """Open at the end, on all endpoints."""
    accepted_per_s: float
    refused_calls_per_s: float
    total: CallRates
    methods: dict[str, CallRates]
    """By path, each that was ever called."""


def rates_between(before: ServerReport, after: ServerReport) -> ServerRates | None:
    """What happened between two reports; None: they are of two runs of the server, or of one moment."""
    seconds = after.uptime_s - before.uptime_s
    if before.instance != after.instance or seconds <= 0:
        return None
    none = CallStats()
    earlier, later = before.stats, after.stats
    return ServerRates(
        instance=after.instance,
        uptime_s=after.uptime_s,
        seconds=seconds,
        connections=sum(endpoint.connections for endpoint in later.endpoints),
        accepted_per_s=(_accepted(after) - _accepted(before)) / seconds,
        refused_calls_per_s=(later.refused_calls - earlier.refused_calls) / seconds,
        total=_call_rates(earlier.calls, later.calls, seconds),
        methods={
            path: _call_rates(earlier.methods.get(path, none), calls, seconds) for path, calls in later.methods.items()
        },
    )


def _accepted(report: ServerReport) -> int:
    return sum(endpoint.accepted for endpoint in report.stats.endpoints)


def _call_rates(before: CallStats, after: CallStats, seconds: float) -> CallRates:
    ended = {code: count - before.ended.get(code, 0) for code, count in after.ended.items()}
    counts = zip(after.latency.counts, before.latency.counts, strict=True)
    return CallRates(
        calls_per_s=sum(ended.values()) / seconds,
        failures_per_s={
            code.name: count / seconds for code, count in ended.items() if count > 0 and code is not StatusCode.OK
        },
        in_flight=after.in_flight,
        latency=LatencyHistogram(
            tuple(later - earlier for later, earlier in counts), after.latency.sum_s - before.latency.sum_s
        ),
        received_bytes_per_s=(after.received_bytes - before.received_bytes) / seconds,
        sent_bytes_per_s=(after.sent_bytes - before.sent_bytes) / seconds,
        received_messages_per_s=(after.received_messages - before.received_messages) / seconds,
        sent_messages_per_s=(after.sent_messages - before.sent_messages) / seconds,
    )


def _p99(rates: CallRates) -> float:
    found = rates.latency.percentile(0.99)
    return -1.0 if math.isnan(found) else found


SORT_KEYS: Final[dict[str, Callable[[CallRates], float]]] = {
    "calls": lambda rates: rates.calls_per_s,
    "errors": lambda rates: rates.failed_per_s,
    "in-flight": lambda rates: rates.in_flight,
    "p99": _p99,
    "bytes": lambda rates: rates.bytes_per_s,
    "name": lambda rates: 0.0,
}
"""What methods can be sorted by: the most first, and those that are equal by name."""


def sorted_methods(methods: Iterable[tuple[str, CallRates]], key: str) -> list[tuple[str, CallRates]]:
    """Methods in the order of one of `SORT_KEYS`."""
    weight = SORT_KEYS[key]
    return sorted(methods, key=lambda row: (-weight(row[1]), row[0]))


def record_of(rates: ServerRates) -> dict[str, Any]:
    """The rates under names that stay: docs/command-line.md explains each."""
    return {
        "instance": rates.instance,
        "uptime_s": round(rates.uptime_s, 3),
        "seconds": round(rates.seconds, 3),
        "connections": rates.connections,
        "accepted_per_s": _rounded(rates.accepted_per_s),
        "refused_calls_per_s": _rounded(rates.refused_calls_per_s),
        **_call_record(rates.total),
        "methods": {path.removeprefix("/"): _call_record(calls) for path, calls in rates.methods.items()},
    }


def _call_record(rates: CallRates) -> dict[str, Any]:
    return {
        "calls_per_s": _rounded(rates.calls_per_s),
        "failed_per_s": _rounded(rates.failed_per_s),
        "failures_per_s": {name: _rounded(rate) for name, rate in rates.failures_per_s.items()},
        "in_flight": rates.in_flight,
        "latency_ms": {name: _ms(rates.latency.percentile(share)) for name, share in _PERCENTILES.items()},
        "received_messages_per_s": _rounded(rates.received_messages_per_s),
        "sent_messages_per_s": _rounded(rates.sent_messages_per_s),
        "received_bytes_per_s": _rounded(rates.received_bytes_per_s),
        "sent_bytes_per_s": _rounded(rates.sent_bytes_per_s),
    }


def _rounded(rate: float) -> float:
    return round(rate, 3)


def _ms(seconds: float) -> float | None:
    """None where there was no call: JSON has no NaN."""
    return None if math.isnan(seconds) else round(seconds * 1000, 4)
