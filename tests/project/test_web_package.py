"""The npm package in web/: what has to agree with the rest of the project."""

from __future__ import annotations

import json
import tomllib

from tests.project.import_graph import ROOT

WEB = ROOT / "web"


def test_its_version_is_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    package = json.loads((WEB / "package.json").read_text("utf-8"))
    lock = json.loads((WEB / "package-lock.json").read_text("utf-8"))
    assert package["version"] == project["version"] == lock["version"] == lock["packages"][""]["version"]


def test_its_lock_names_no_registry() -> None:
    assert "http" not in (WEB / "package-lock.json").read_text("utf-8")


def test_it_needs_nothing_at_run_time() -> None:
    package = json.loads((WEB / "package.json").read_text("utf-8"))
    assert package.keys().isdisjoint({"dependencies", "peerDependencies", "optionalDependencies"})
