"""Runs nox sessions on a machine that has only Python: brings nox into a private environment first.

    python3 bootstrap.py demo
    python3 bootstrap.py tests -- -k tcp

Each word before ``--`` is a nox session; what follows goes to the session. Nothing outside this folder is touched.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
HOME = ROOT / ".bootstrap"
NOX = "nox>=2026.4"


def main(arguments: list[str]) -> int:
    """Runs the sessions named and returns nox's exit code."""
    if sys.version_info < (3, 11):  # noqa: UP036 - run by whatever Python is there, before any package checks it
        print(f"bootstrap.py needs Python 3.11 or later, this is {sys.version.split()[0]}", file=sys.stderr)
        return 2
    sessions, options = _split(arguments)
    python = _environment()
    command = [str(python), "-m", "nox", "--noxfile", str(ROOT / "noxfile.py")]
    if sessions:
        command += ["--sessions", *sessions]
    return subprocess.call(command + options, cwd=ROOT)


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:cut], arguments[cut:]


def _environment() -> Path:
    """The Python of an environment that has nox, made at the first use."""
    python = HOME / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    done = HOME / "installed"
    if done.is_file() and done.read_text() == NOX:
        return python
    print(f"bootstrap.py: installing nox into {HOME.name}/", file=sys.stderr)
    # Debian keeps ensurepip in a package of its own, so the environment is made without pip, and the pip that
    # is there installs into it; it may do so even where the system's Python is marked as externally managed.
    subprocess.check_call([sys.executable, "-m", "venv", "--clear", "--without-pip", str(HOME)])
    pip = [sys.executable, "-m", "pip", "--python", str(python)]
    if subprocess.call([*pip, "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) != 0:
        subprocess.check_call([str(python), "-m", "ensurepip", "--default-pip"], stdout=subprocess.DEVNULL)
        pip = [str(python), "-m", "pip"]
    subprocess.check_call([*pip, "install", "--quiet", "--disable-pip-version-check", NOX])
    done.write_text(NOX)
    return python


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
