"""The latencies of a run as a picture, by matplotlib."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, Final

from matplotlib.figure import Figure

from eventflux_node.bench.histogram import Histogram

__all__ = ["draw"]

_BARS: Final = 60
_COLOUR: Final = "#2a6f97"
_MARKED: Final = ("p50", "p95", "p99")


def draw(record: dict[str, Any], latencies: Histogram, path: Path) -> None:
    """Writes how many calls took how long, as PNG or SVG by the name of the file; one question, one plot.

    Raises:
        OSError: the file cannot be written.
    """
    figure: Any = Figure(figsize=(8, 4.5), layout="constrained")  # whose functions take options of any type
    axis: Any = figure.subplots()
    rows = latencies.merged(_BARS)
    lower = max(latencies.minimum, 1) / 1e6
    edges = [lower, *(max(upper / 1e6, lower) for upper, _ in rows)]
    widths = [right - left for left, right in itertools.pairwise(edges)]
    axis.bar(edges[:-1], [count for _, count in rows], width=widths, align="edge", color=_COLOUR)
    axis.set_xscale("log")
    top = axis.get_ylim()[1]
    for name in _MARKED:
        value = max(record["latency_ms"][name], lower)
        axis.axvline(value, color="#555555", linewidth=0.8, linestyle="--")
        axis.text(value, top, f" {name}\n {value:.3g} ms", fontsize=8, verticalalignment="top")
    axis.set_xlabel("latency of a call, ms")
    axis.set_ylabel("calls")
    axis.set_title(f"{record['method']}: {record['calls_per_s']:,.0f} calls/s, {record['concurrency']} in flight")
    axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
