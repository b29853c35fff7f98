"""The pictures of the comparison: one question each, the answer readable at a glance, on light and on dark pages.

    python -m benchmarks.plot docs/bench.json docs/assets

draws those of the pages from the figures that are kept.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.picture import CROWDED, PICTURES, Bars, Results, label, medians
from benchmarks.report import values
from benchmarks.workload import CROWDS

OURS: Final = "#2a8fbd"
OTHERS: Final = "#9a9a9a"
TEXT: Final = "#7b828a"
"""Grey enough for white pages and light enough for dark ones, as the pictures have no background."""
LINES: Final = ("-", "--", ":")

_STYLE: Final[dict[Any, Any]] = {
    "font.family": "sans-serif",
    "font.size": 10,
    "svg.fonttype": "none",  # text stays text: small files, which tests can read
    "svg.hashsalt": "eventflux",  # the same figures give the same file
    "text.color": TEXT,
    "axes.labelcolor": TEXT,
    "axes.edgecolor": TEXT,
    "xtick.color": TEXT,
    "ytick.color": TEXT,
}


def draw(results: Results, folder: Path) -> list[Path]:
    """Writes the pictures whose rows were measured as SVG files into a folder; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(_STYLE):
        drawn = [(picture.name, _bars(results, picture)) for picture in PICTURES]
        drawn.append(("crowds", _crowds(results)))
        paths = []
        for name, figure in drawn:
            if figure is not None:
                paths.append(folder / f"bench-{name}.svg")
                figure.savefig(paths[-1], transparent=True, metadata={"Date": None})
    return paths


def _bars(results: Results, picture: Bars) -> Figure | None:
    rows = medians(results, picture)[::-1]
    if not rows:
        return None
    figure, axis = _figure(picture.title, 0.34 * len(rows) + 0.7)
    bars = axis.barh(
        [name for name, _, _ in rows],
        [middle for _, middle, _ in rows],
        color=[OURS if is_ours else OTHERS for _, _, is_ours in rows],
        height=0.7,
    )
    axis.bar_label(bars, labels=[label(middle) for _, middle, _ in rows], padding=4, color=TEXT, weight="bold")
    axis.margins(x=0.14)
    axis.xaxis.set_visible(False)
    axis.spines["bottom"].set_visible(False)
    axis.tick_params(length=0)
    return figure


def _crowds(results: Results) -> Figure | None:
    """How the calls per second change with how many are in flight."""
    workloads = {"throughput": 64, **CROWDS}
    figure, axis = _figure("How many calls in flight? Calls per second", 2.6)
    for (name, row), line in zip(CROWDED, LINES, strict=True):
        points = [
            (count, values(results.get(row, []), workload, "calls_per_s")) for workload, count in workloads.items()
        ]
        points = [(count, numbers) for count, numbers in points if numbers]
        if len(points) < len(workloads):
            return None
        axis.plot(
            [f"{count:,}" for count, _ in points],
            [statistics.median(numbers) for _, numbers in points],
            line,
            marker="o",
            color=OTHERS if "ceiling" in name else OURS,
            label=name,
        )
    axis.set_ylim(bottom=0)
    axis.yaxis.set_major_formatter("{x:,.0f}")
    axis.legend(frameon=False, labelcolor=TEXT)
    return figure


def _figure(title: str, height_in: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(6.6, height_in), layout="constrained")
    axis = figure.subplots()
    axis.set_title(title, fontsize=11, loc="left")
    axis.spines[["top", "right", "left"]].set_visible(False)
    return figure, axis


def main() -> None:
    """Draws from a file of figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", type=Path, help="bench.json of a run")
    parser.add_argument("folder", type=Path, help="where the pictures go")
    options = parser.parse_args()
    for path in draw(json.loads(options.figures.read_text())["rounds"], options.folder):
        print(path)


if __name__ == "__main__":
    main()
