"""The tables of the comparison, as text."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Final

from benchmarks.variant import TARGETS, Target
from benchmarks.workload import CROWDS, Figures

COLUMNS: Final = (
    ("p50 µs", "latency", "p50_us"),
    ("p99 µs", "latency", "p99_us"),
    ("calls/s", "throughput", "calls_per_s"),
    *((f"{count:,} at a time", name, "calls_per_s") for name, count in CROWDS.items()),
    ("stream msg/s", "download", "messages_per_s"),
    ("bidi msg/s", "exchange", "messages_per_s"),
    ("1 MiB MB/s", "large", "mb_per_s"),
    ("CPU client", "throughput", "client_cpu_s_per_10k"),
    ("CPU server", "throughput", "server_cpu_s_per_10k"),
)


def values(rounds: Sequence[dict[str, Figures]], workload: str, figure: str) -> list[float]:
    """One figure in each round that has it."""
    return [result[workload][figure] for result in rounds if workload in result]


def median_text(numbers: Sequence[float]) -> str:
    """The median, and half the distance between the quartiles in per cent of it."""
    if not numbers:
        return "-"
    middle = statistics.median(numbers)
    text = f"{middle:,.0f}" if middle >= 10 else f"{middle:.2f}"
    if len(numbers) < 3 or not middle:
        return text
    low, _, high = statistics.quantiles(numbers, n=4, method="inclusive")
    return f"{text} ±{(high - low) / 2 / middle:.0%}"


def ratio(results: dict[str, list[dict[str, Figures]]], target: Target) -> float | None:
    """The median of a target's ratio over the rounds; None where one of its rows was not measured."""
    ours = values(results.get(target.ours, []), target.workload, target.figure)
    other = values(results.get(target.other, []), target.other_workload or target.workload, target.figure)
    if not ours or not other:
        return None
    return statistics.median(mine / theirs for mine, theirs in zip(ours, other, strict=True))


def cpu_ratio(results: dict[str, list[dict[str, Figures]]], target: Target) -> float | None:
    """The ratio that CPU time alone allows, on a machine with a core for each process and nothing else to do.

    Of throughputs, that is the busier side's time for a call; of latencies, both sides' time together.
    """

    def cost(row: str, workload: str) -> list[float]:
        client, server = (
            values(results.get(row, []), workload, f"{side}_cpu_s_per_10k") for side in ("client", "server")
        )
        pairs = zip(client, server, strict=True)
        return [max(pair) if target.is_least else sum(pair) for pair in pairs]

    others = cost(target.other, target.other_workload or target.workload)
    ratios = [
        theirs / mine if target.is_least else mine / theirs
        for mine, theirs in zip(cost(target.ours, target.workload), others, strict=True)
        if mine and theirs
    ]
    return statistics.median(ratios) if ratios else None


def render(results: dict[str, list[dict[str, Figures]]]) -> str:
    """Both tables, in Markdown."""
    lines = [
        "| peer, loop, form | " + " | ".join(title for title, _, _ in COLUMNS) + " |",
        "| -- |" + " -: |" * len(COLUMNS),
    ]
    for name, rounds in results.items():
        cells = (median_text(values(rounds, workload, figure)) for _, workload, figure in COLUMNS)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", "CPU: seconds for 10,000 calls, 64 of them in flight.", ""]
    lines += ["| target | bound | ratio | by CPU | met |", "| -- | -: | -: | -: | -- |"]
    for target in TARGETS:
        reached = ratio(results, target)
        if reached is not None:
            bound = f"{'≥' if target.is_least else '≤'} {target.bound:g}"
            by_cpu = cpu_ratio(results, target)
            columns = (target.text, bound, f"{reached:.2f}", "-" if by_cpu is None else f"{by_cpu:.2f}")
            lines.append(f"| {' | '.join(columns)} | {'yes' if target.is_met(reached) else 'no'} |")
    lines += ["", "By CPU: what the ratio would be by the CPU time spent, which a busy machine distorts less."]
    return "\n".join(lines)
