"""Each example runs on each wire, and prints the same on all of them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.project.import_graph import ROOT

OUTPUT = {
    "request_reply": [
        "ACKNOWLEDGMENT",
        "ACKNOWLEDGMENT",
        "STATE 6.3",
        "NOT_FOUND: no reading of 'Lima' yet - streams known: 2",
    ],
    "deadlines": [
        "asked with a deadline",
        "deadline exceeded",
        "the slow handler was stopped",
        "the stream was left after 3 events, and its handler was stopped",
    ],
}


def test_every_example_is_tested() -> None:
    assert {path.stem for path in (ROOT / "examples").glob("*.py")} == set(OUTPUT)


@pytest.mark.parametrize("scheme", ["tcp", "grpc"])
@pytest.mark.parametrize("name", sorted(OUTPUT))
def test_an_example_prints_the_same_on_each_wire(name: str, scheme: str) -> None:
    command = [sys.executable, "-W", "error", str(ROOT / "examples" / f"{name}.py"), f"{scheme}://127.0.0.1:0"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert result.stderr == ""
    # The order of what both sides print at one moment is theirs.
    assert sorted(result.stdout.splitlines()) == sorted(OUTPUT[name])
