"""The book is whole: each page has its place, each link its file, each public name its entry."""

from __future__ import annotations

import importlib
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.support.page import ROOT

DOCS = ROOT / "docs"
NAV = YAML(typ="safe").load(ROOT / "mkdocs.yml")["nav"]
FROM_THE_ROOT = ("index.md", "project/")
"""What docs/hook.py adds."""
PUBLIC = (
    "eventflux_runtime",
    "eventflux_runtime.blocking",
    "eventflux_runtime.error_details",
    "eventflux_runtime.otel",
    "eventflux_runtime.testing",
    "eventflux_runtime.well_known",
    "eventflux_transport",
)


def pages(entry: Any) -> Iterator[str]:
    if isinstance(entry, str):
        yield entry
        return
    for below in entry.values() if isinstance(entry, dict) else entry:
        yield from pages(below)


def test_each_page_has_one_place() -> None:
    placed = Counter(page for page in pages(NAV) if not page.startswith(FROM_THE_ROOT))
    written = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    assert written - set(placed) == set(), "a page below docs/ needs a line in `nav` of mkdocs.yml"
    assert set(placed) - written == set(), "`nav` of mkdocs.yml names what is not there"
    assert [page for page, times in placed.items() if times > 1] == []


@pytest.mark.parametrize("page", sorted(str(path.relative_to(ROOT)) for path in DOCS.rglob("*.md")))
def test_links_lead_to_files(page: str) -> None:
    links = re.findall(r"\]\((?![a-z]+:)([\w./-]+)", (ROOT / page).read_text())
    assert [link for link in links if not (ROOT / page).parent.joinpath(link).exists()] == []


def documented() -> set[str]:
    """The names that the reference has. A function that is called as its module is stands there behind that."""
    found = (re.findall(r"^::: ([\w.]+)$", path.read_text(), re.MULTILINE) for path in DOCS.glob("reference/*.md"))
    return {re.sub(r"\.(?:connect|serve)(\.\w+)$", r"\1", name) for names in found for name in names}


@pytest.mark.parametrize("module", PUBLIC)
def test_each_public_name_is_documented(module: str) -> None:
    names = {f"{module}.{name}" for name in importlib.import_module(module).__all__}
    assert names - documented() == set(), "each needs a line `::: NAME` on a page below docs/reference/"


def test_what_is_documented_is_public() -> None:
    public = {f"{module}.{name}" for module in PUBLIC for name in importlib.import_module(module).__all__}
    assert documented() - public == set()
