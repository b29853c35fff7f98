"""The figures of a run: as a record for programs, and as text for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from eventflux_node.bench.order import BenchOrder
from eventflux_node.bench.tally import Tally
from eventflux_runtime import AnyMethod

__all__ = ["PERCENTILES", "record_of", "text_of"]

PERCENTILES: Final = (50.0, 75.0, 90.0, 95.0, 99.0, 99.9)
_ROWS: Final = 12
_BAR: Final = 40
_BUSY: Final = 0.9


def record_of(
    tally: Tally, order: BenchOrder, method: AnyMethod, *, url: str, connections: int, is_interrupted: bool
) -> dict[str, Any]:
    """The figures under names that stay: docs/command-line.md explains each."""
    seconds = tally.seconds
    latencies = tally.latencies
    return {
        "url": url,
        "method": f"{method.service}/{method.name}",
        "kind": method.kind.value,
        "concurrency": order.concurrency,
        "connections": connections,
        "rate": order.rate,
        "seconds": round(seconds, 6),
        "interrupted": is_interrupted,
        "calls": tally.calls,
        "calls_per_s": round(tally.calls / seconds, 3) if seconds else 0.0,
        "failed": tally.failed_calls,
        "failures": {
            code.name: {"calls": count, "example": tally.examples[code]} for code, count in tally.failures.most_common()
        },
        "unfinished": tally.unfinished,
        "late": tally.late,
        "sent_messages": tally.sent_messages,
        "received_messages": tally.received_messages,
        "received_messages_per_s": round(tally.received_messages / seconds, 3) if seconds else 0.0,
        "sent_messages_per_s": round(tally.sent_messages / seconds, 3) if seconds else 0.0,
        "received_bytes": tally.received_bytes,
        "own_load": round(tally.own_load, 3),
        "latency_ms": {
            "min": _ms(latencies.minimum),
            "mean": _ms(latencies.mean),
            **{f"p{part:g}": _ms(latencies.percentile(part / 100)) for part in PERCENTILES},
            "max": _ms(latencies.maximum),
        },
        "histogram": [{"up_to_ms": _ms(upper), "calls": count} for upper, count in latencies.merged(_ROWS)],
    }


def _ms(nanoseconds: float) -> float:
    return round(nanoseconds / 1e6, 4)


def text_of(record: dict[str, Any], *, bar: str) -> str:
    """The record as a page of text.

    Args:
        record: of `record_of`.
        bar: the character that the histogram is drawn with.
    """
    blocks = [_summary(record), _latencies(record), _histogram(record, bar), _failures(record), _remarks(record)]
    return "\n\n".join("\n".join(lines) for lines in map(list, blocks) if lines)


def _summary(record: dict[str, Any]) -> Iterator[str]:
    streams = record["kind"] != "unary"
    ended = ", interrupted" if record["interrupted"] else ""
    yield f"{record['method']} at {record['url']}"
    pace = f", {record['rate']:g} a second" if record["rate"] else ""
    connections = record["connections"]
    yield _row(
        "load",
        f"{record['concurrency']} in flight at most{pace}, {connections} connection{'s' if connections > 1 else ''}",
    )
    yield _row("calls", f"{record['calls']:,} in {record['seconds']:.2f} s{ended}")
    yield _row("calls/s", f"{record['calls_per_s']:,.0f}")
    if streams:
        for name in ("sent", "received"):
            yield _row(
                f"{name}", f"{record[f'{name}_messages']:,} messages, {record[f'{name}_messages_per_s']:,.0f} a second"
            )
    if record["failed"]:
        yield _row("failed", f"{record['failed']:,}")
    if record["unfinished"]:
        yield _row("unfinished", f"{record['unfinished']:,}")


def _latencies(record: dict[str, Any]) -> Iterator[str]:
    if not record["calls"]:
        return
    yield "latency of a call, ms"
    for name, value in record["latency_ms"].items():
        yield _row(name, f"{_figure(value):>10}")


def _histogram(record: dict[str, Any], bar: str) -> Iterator[str]:
    rows = record["histogram"]
    if not rows:
        return
    most = max(row["calls"] for row in rows)
    yield "calls by latency, up to so many ms"
    for row in rows:
        length = -(-row["calls"] * _BAR // most)  # what is there is seen, however little
        yield _row(_figure(row["up_to_ms"]), f"{bar * length:<{_BAR}} {row['calls']:,}")


def _failures(record: dict[str, Any]) -> Iterator[str]:
    if record["failures"]:
        yield "failures"
        for name, failure in record["failures"].items():
            example = " ".join(failure["example"].split())
            yield f"  {failure['calls']:,} {example if example.startswith(name) else f'{name}: {example}'}"


def _remarks(record: dict[str, Any]) -> Iterator[str]:
    """What has to be known before the figures are believed."""
    if record["own_load"] >= _BUSY:
        yield f"this process took {record['own_load']:.0%} of a core: it may be what limits, and not the server"
    if record["late"]:
        yield (
            f"{record['late']:,} calls began late, because {record['concurrency']} were in flight: their latency "
            "counts from when they were due"
        )


def _row(name: str, value: str) -> str:
    return f"  {name:<12}{value}".rstrip()


def _figure(value: float) -> str:
    """Three digits that count, and all of those before the point."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"
