"""The tree in ARCHITECTURE.md is the tree."""

from __future__ import annotations

import re

from tests.project.import_graph import ROOT, SOURCE_ROOTS

RUNTIME = SOURCE_ROOTS["eventflux_runtime"] / "eventflux_runtime"
PACKAGES_BELOW = {
    "carrier": {"quic", "rdma", "websocket"},
    "client": {"pool"},
    "protocol": {"core", "driver", "native", "grpc", "eventflux", "http1"},
    "well_known": {"struct"},
}
"""Packages inside packages; `protocol/native` has two more, which its own line names."""


def drawn() -> dict[str, set[str]]:
    """The names at the top of the tree, and below each."""
    page = (ROOT / "ARCHITECTURE.md").read_text()
    (block,) = re.findall(r"^```\neventflux_runtime/\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    top: dict[str, set[str]] = {}
    parent = ""
    for line in block.splitlines():
        indent = len(line) - len(line.lstrip())
        names = re.match(r"\s*((?:[\w.]+/?  ?)*[\w.]+/?)(?:   |$)", line)
        assert names is not None, line
        for name in names[1].split():
            if indent == 2:
                parent = name.rstrip("/")
                top[parent] = set()
            else:
                top[parent].add(name.rstrip("/"))
    return top


def test_the_tree_names_every_room_and_no_other() -> None:
    folders = {path.name for path in RUNTIME.iterdir() if (path / "__init__.py").exists()}
    modules = {path.name for path in RUNTIME.glob("*.py")} - {"__init__.py"}
    assert set(drawn()) == folders | modules


def test_the_tree_names_the_packages_inside_packages() -> None:
    found = {
        package.name: {path.name for path in package.iterdir() if (path / "__init__.py").exists()}
        for package in RUNTIME.iterdir()
        if package.is_dir()
    }
    assert {name: below for name, below in found.items() if below} == PACKAGES_BELOW
    assert {name: below for name, below in drawn().items() if below} == PACKAGES_BELOW
