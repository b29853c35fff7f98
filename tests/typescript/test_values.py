"""The tests that are written in TypeScript, beside what they are about."""

from __future__ import annotations

import subprocess
from pathlib import Path


def test_those_in_typescript_pass(typescript_folder: Path) -> None:
    tests = sorted(str(path) for path in (typescript_folder / "out/test").glob("*.test.js"))
    assert tests
    done = subprocess.run(["node", "--test", *tests], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
