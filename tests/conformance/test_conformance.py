"""What protobuf's own conformance runner says of our codecs, and random messages of the IDLs that it tests with."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

import pytest

from tests.conformance.loader import RunnerMissingError, include_folder, runner_command
from tests.conformance.package import JUDGED, JudgedMessage, generate_packages
from tests.corpora.random_object import random_object
from tests.corpora.trial import check_object
from tests.corpora.type_check import bare_python, run_mypy

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = os.environ.get("EVENTFLUX_CONFORMANCE", "")
OBJECTS: Final = 300
"""How many random messages of each class go through all encodings."""

pytestmark = [
    pytest.mark.skipif(not FOLDER, reason="what these need is fetched by a session of nox: run nox -s conformance"),
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def folder() -> Path:
    """Where packages are generated, and fetched libraries kept."""
    folder = Path(FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def packages(folder: Path) -> Path:
    """The folder, with the packages of the runner's IDLs in it."""
    try:
        generate_packages(include_folder(), folder)
    except RunnerMissingError as error:
        pytest.skip(str(error))
    return folder


@pytest.fixture(scope="module")
def runner(folder: Path) -> list[str]:
    """What starts the runner."""
    try:
        return runner_command(folder)
    except RunnerMissingError as error:
        pytest.skip(str(error))


def run_suite(runner: Sequence[str], packages: Path) -> subprocess.CompletedProcess[str]:
    """Runs all tests of protobuf's encoding and of JSON."""
    expected = ROOT / "tests/conformance/expected_failures.txt"
    options = ("--enforce_recommended", "--maximum_edition", "2023", "--failure_list", str(expected))
    command = [*runner, *options, "--output_dir", str(packages), sys.executable, "-m", "tests.conformance.testee"]
    path = os.pathsep.join([str(packages), str(ROOT), *sys.path])
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        env=environment,
    )


def test_the_runner_finds_the_faults_that_are_listed_and_no_other(
    runner: list[str], packages: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = run_suite(runner, packages)
    # The first line of this kind; the next one is about protobuf's text format.
    counts = re.search(r"(\d+) successes, (\d+) skipped, .*", done.stdout)
    assert done.returncode == 0, done.stdout[-5000:]
    assert counts is not None
    with capsys.disabled():
        print(f"\nprotobuf's conformance runner: {counts[0]}")
    assert int(counts[1]) > 5_600
    assert int(counts[2]) < 10  # of an edition that is not finished


@pytest.mark.parametrize("judged", JUDGED, ids=lambda judged: judged.package)
def test_random_messages_come_back_in_all_encodings(
    packages: Path, judged: JudgedMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(packages)
    kind = getattr(import_module(judged.package), judged.class_name)
    source = random.Random(judged.package)
    for _ in range(OBJECTS):
        check_object(kind, random_object(type(kind().to_proto()), source))


def test_the_packages_pass_type_checkers(packages: Path, tmp_path: Path) -> None:
    names = [judged.package for judged in JUDGED]
    assert run_mypy(names, packages, bare_python(tmp_path / "bare")) == ""
