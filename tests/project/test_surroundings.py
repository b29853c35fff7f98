"""The suite passes wherever it is started: in the background, with signals ignored, or with a test that hangs."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tests.project.import_graph import ROOT

STOPPED = """
import signal, subprocess, sys

def test_a_child_is_stopped_by_ctrl_c():
    program = "import time; print('ready', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        child.stdout.readline()
        child.send_signal(signal.SIGINT)
        assert child.wait(timeout=30) == -signal.SIGINT
"""

PLACED = """
import os, pathlib

def test_here():
    assert pathlib.Path("pyproject.toml").exists()
    assert "FORCE_COLOR" not in os.environ
"""

HANGING = """
import threading

def test_that_hangs():
    threading.Event().wait()
"""


def run_suite(folder: Path, text: str, *options: str, shell: str = 'exec "$@"') -> subprocess.CompletedProcess[str]:
    """Runs a suite of one module under the project's own configuration and conftest, started by a shell."""
    (folder / "conftest.py").write_bytes((ROOT / "tests/conftest.py").read_bytes())
    (folder / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    (folder / "test_it.py").write_text(text)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:randomly",
        "-q",
        str(folder / "test_it.py"),
        *options,
    ]
    return subprocess.run(
        ["sh", "-c", shell, "sh", *command],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_children_are_started_with_the_signals_of_the_foreground(tmp_path: Path) -> None:
    done = run_suite(tmp_path, STOPPED, shell='trap "" INT TERM HUP QUIT; exec "$@"')
    assert done.returncode == 0, done.stdout


def test_it_runs_in_its_folder_and_without_the_terminals_variables(tmp_path: Path) -> None:
    done = run_suite(tmp_path, PLACED, shell=f'cd /; export FORCE_COLOR=1; exec "$@" --rootdir {tmp_path}')
    assert done.returncode == 0, done.stdout


def test_a_test_that_hangs_ends_with_the_stacks_of_all_threads(tmp_path: Path) -> None:
    done = run_suite(tmp_path, HANGING, "-o", "faulthandler_timeout=1")
    assert done.returncode not in {0, -signal.SIGKILL}
    assert "Timeout (0:00:01)!" in done.stderr
    assert "in test_that_hangs" in done.stderr
