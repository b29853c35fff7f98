"""The picture of the comparison: a bar for each row, for the figures that matter most."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure

from benchmarks.report import values
from benchmarks.workload import Figures

PANELS: Final = (
    ("one call at a time: p50, µs (less is better)", "latency", "p50_us"),
    ("64 in flight: calls/s", "throughput", "calls_per_s"),
    ("server streaming: messages/s", "download", "messages_per_s"),
    ("1 MiB echoed: MB/s", "large", "mb_per_s"),
)
OURS: Final = "#2a6f97"
OTHERS: Final = "#a9a9a9"


def draw(results: dict[str, list[dict[str, Figures]]], path: Path) -> None:
    """Writes the picture as a PNG file; whiskers reach from the lowest round to the highest."""
    figure = Figure(figsize=(13, 1.5 + 0.33 * len(results) * 2), layout="constrained")
    axes = figure.subplots(2, 2).flat
    for axis, (title, workload, name) in zip(axes, PANELS, strict=True):
        rows = [(row, values(rounds, workload, name)) for row, rounds in results.items()]
        rows = [(row, numbers) for row, numbers in reversed(rows) if numbers]
        middles = [statistics.median(numbers) for _, numbers in rows]
        low = [middle - min(numbers) for middle, (_, numbers) in zip(middles, rows, strict=True)]
        high = [max(numbers) - middle for middle, (_, numbers) in zip(middles, rows, strict=True)]
        colours = [OURS if row.split(" ")[-1] in {"compiled", "interpreted"} else OTHERS for row, _ in rows]
        axis.barh([row for row, _ in rows], middles, xerr=(low, high), color=colours, error_kw={"linewidth": 0.8})
        axis.set_title(title, fontsize=10)
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
