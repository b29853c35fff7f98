"""The TypeScript runtime: its own tests, some of which talk to a server in this Python."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.interop.conftest import ROOT, required

WEB = Path(required("EVENTFLUX_WEB", "the TypeScript runtime"))
SUITES = ("machine", "flow", "connection", "channel", "calls", "client")
"""The others start many servers, or whole programs: ``nox -s web`` runs them as well."""


@pytest.mark.parametrize("suite", SUITES)
def test_suite(suite: str) -> None:
    program = WEB / f"build/test/{suite}.test.js"
    ours = {"EVENTFLUX_ROOT": str(ROOT), "EVENTFLUX_PYTHON": sys.executable, "EVENTFLUX_WIRES": "tcp,ws"}
    command = ["node", "--test", "--test-reporter=spec", str(program)]
    done = subprocess.run(command, env={**os.environ, **ours}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
