"""The wheel holds the four packages whole, and nothing else; that it works is shown by ``nox -s build``."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.project.import_graph import ROOT, SOURCE_ROOTS


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    environment = {**os.environ, "EVENTFLUX_COMPILE": "0"}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_has_every_source_file_and_no_other(wheel: zipfile.ZipFile) -> None:
    expected = {
        path.relative_to(root).as_posix()
        for package, root in SOURCE_ROOTS.items()
        for path in (root / package).rglob("*")
        if path.suffix in (".py", ".pyi", ".j2", ".html", ".css", ".js", ".svg") or path.name == "py.typed"
    }
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == expected
    assert {f"{package}/py.typed" for package in SOURCE_ROOTS} <= packed


def test_the_wheel_says_what_it_is(wheel: zipfile.ZipFile) -> None:
    (folder,) = {Path(name).parts[0] for name in wheel.namelist() if ".dist-info/" in name}
    metadata = wheel.read(f"{folder}/METADATA").decode()
    assert "Name: eventflux-transport\n" in metadata
    assert "License-Expression: Apache-2.0\n" in metadata
    assert "Requires-Python: >=3.11\n" in metadata
    assert "Project-URL: EventFlux, https://github.com/eventflux-io/engine\n" in metadata
    assert "Classifier: Typing :: Typed\n" in metadata
    required = [line.split()[1].split(">")[0] for line in metadata.splitlines() if line.startswith("Requires-Dist:")]
    extras = [line for line in metadata.splitlines() if line.startswith("Requires-Dist:") and "extra ==" in line]
    brought = [line for line in metadata.splitlines() if line.startswith("Requires-Dist: typing-extensions")]
    assert [line.partition("; ")[2] for line in brought] == ["python_version < '3.13'"], "where anyio asks for it, too"
    assert len(required) - len(extras) - len(brought) == 3, "the base install stays small"
    scripts = wheel.read(f"{folder}/entry_points.txt").decode()
    assert "eventflux = eventflux_node.cli:main" in scripts
    assert "eventflux-codegen = eventflux_codegen.cli:main" in scripts
    assert f"{folder}/licenses/LICENSE" in wheel.namelist()


def test_the_pythons_that_are_named_are_those_that_are_tested_and_released() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    classifiers = project["project"]["classifiers"]
    named = [name.rpartition(" ")[2] for name in classifiers if re.search(r":: 3\.\d+$", name)]
    (tested,) = re.findall(r"^PYTHONS = (\[.*\])$", (ROOT / "noxfile.py").read_text(), re.MULTILINE)
    assert named == ast.literal_eval(tested)
    assert project["tool"]["cibuildwheel"]["build"].split() == [f"cp{name.replace('.', '')}-*" for name in named]
