"""docs/testing.md: its modules are a project of a user, whose tests pass with each plugin for async tests."""

from __future__ import annotations

import re

import pytest

from tests.project.import_graph import ROOT
from tests.testing.test_pytest_plugin import run

pytest_plugins = ["pytester"]

PAGE = (ROOT / "docs/testing.md").read_text()
MODULES = dict(re.findall(r"^```python\n# (\w+\.py)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
PLUGIN = (ROOT / "runtime/eventflux_runtime/testing/pytest_plugin.py").read_text()


@pytest.mark.parametrize("mode", ["anyio", "asyncio"])
def test_the_modules_of_the_page(pytester: pytest.Pytester, mode: str) -> None:
    if mode == "asyncio":
        pytest.importorskip("pytest_asyncio", reason="the group of the tests has it")
    settings = f"{mode}_mode = auto\n" + (
        "asyncio_default_fixture_loop_scope = function\n" if mode == "asyncio" else ""
    )
    pytester.makeini(f"[pytest]\nfilterwarnings = error\npythonpath = .\n{settings}")
    assert set(MODULES) > {"loud.py", "test_loud.py", "test_time.py"}
    for name, text in MODULES.items():
        (pytester.path / name).write_text(text)
    (shown,) = re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (pytester.path / "loud.jsonl").write_text(shown)
    if mode == "asyncio":
        (hook,) = re.findall(r"^`(def pytest_asyncio_loop_factories.*)`\.$", PAGE, re.MULTILINE)
        (pytester.path / "conftest.py").write_text(f"from eventflux_runtime.testing import AutojumpEventLoop\n{hook}\n")
    run(pytester, "-p", "no:asyncio" if mode == "anyio" else "no:anyio").assert_outcomes(
        passed=18 if mode == "anyio" else 11
    )
    if mode == "anyio":
        recorded = next(pytester.path.glob("*/*/loud.jsonl"))
        assert recorded.read_text().startswith(shown)


def test_each_fixture_and_each_mark_is_named() -> None:
    rows = re.findall(r"^\| `(eventflux_\w+)` \|", PAGE, re.MULTILINE)
    assert sorted(rows) == sorted(re.findall(r"^def (eventflux_\w+)", PLUGIN, re.MULTILINE))
    (mark,) = re.findall(r'^_MARKER: Final = "(\w+)"', PLUGIN, re.MULTILINE)
    assert f"`{mark}`" in PAGE


def test_each_public_name_is_named() -> None:
    names = re.findall(
        r" as (\w+)$", (ROOT / "runtime/eventflux_runtime/testing/__init__.pyi").read_text(), re.MULTILINE
    )
    plain = {"FakeAnswer", "SeenCall"}  # types of what others take and give
    assert "Replay" in names
    assert [name for name in names if name not in PAGE and name not in plain] == []
