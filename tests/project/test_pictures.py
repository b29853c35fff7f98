"""The pictures of docs/performance.md show the figures that are kept beside them."""

from __future__ import annotations

import json
import re

import pytest

from benchmarks.picture import PICTURES, Bars, label, medians
from tests.project.import_graph import ROOT

PAGE = (ROOT / "docs/performance.md").read_text()
FIGURES = json.loads((ROOT / "docs/bench.json").read_text())["rounds"]


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_the_picture_shows_the_figures(picture: Bars) -> None:
    drawn = (ROOT / f"docs/assets/bench-{picture.name}.svg").read_text()
    bars = medians(FIGURES, picture)
    assert len(bars) == len(picture.rows), "a row of this picture was not measured"
    shown = re.findall(r"<text[^>]*>([^<]+)</text>", drawn)
    assert {name for name, _, _ in bars} <= set(shown)
    labels = [text for text in shown if re.fullmatch(r"[\d,]+", text)]
    assert sorted(labels) == sorted(label(middle) for _, middle, _ in bars), "run python -m benchmarks.plot"


def test_each_picture_is_on_the_page() -> None:
    there = set(re.findall(r"\]\(assets/bench-([\w-]+)\.svg\)", PAGE))
    assert there == {picture.name for picture in PICTURES} | {"crowds"}
    kept = {path.stem.removeprefix("bench-") for path in (ROOT / "docs/assets").glob("bench-*.svg")}
    assert kept == there
