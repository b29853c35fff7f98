"""The table of features: each line that is true names tests that are there, and the kept figures bear out the speed."""

from __future__ import annotations

import json
import re
import statistics

import pytest

from tests.support.page import ROOT

ROWS = re.findall(
    r"^\| ([^|]+) \| (yes|part|no) \|.*\|([^|]*)\|$", (ROOT / "docs/features.md").read_text(), re.MULTILINE
)
FIGURES = json.loads((ROOT / "docs/bench.json").read_text())["rounds"]


@pytest.mark.parametrize(("feature", "here", "tests"), ROWS, ids=[row[0] for row in ROWS])
def test_a_feature_is_shown_by_tests(feature: str, here: str, tests: str) -> None:
    named = re.findall(r"`([^`]+)`", tests)
    assert bool(named) == (here != "no"), feature
    assert [name for name in named if not (ROOT / "tests" / name).is_file()] == []


def test_the_table_is_read() -> None:
    assert len(ROWS) > 30


@pytest.mark.parametrize(("ours", "times"), [("tcp", 20), ("grpc", 10)])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_the_speed_is_that_of_the_kept_figures(ours: str, times: int, loop: str) -> None:
    def calls_per_s(row: str) -> list[float]:
        return [measured["throughput"]["calls_per_s"] for measured in FIGURES[row]]

    pairs = zip(calls_per_s(f"{ours} {loop} compiled"), calls_per_s(f"grpc.aio {loop}"), strict=True)
    assert statistics.median(mine / theirs for mine, theirs in pairs) > times
