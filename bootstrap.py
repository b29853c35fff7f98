"""Runs nox sessions on a machine that has only Python: brings nox into a private environment first.

    python3 bootstrap.py demo
    python3 bootstrap.py tests -- -k tcp

Each word before ``--`` is a nox session; what follows goes to the session. Nothing outside this folder is touched but
the caches of pip and uv.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
HOME = ROOT / ".bootstrap"
NOX = "nox>=2026.4"
UV = "uv>=0.9"
LIKE_PIP = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "timeout": "UV_HTTP_TIMEOUT",
    "proxy": "HTTPS_PROXY",
}
"""What pip may be told about where packages come from, and the variable that tells uv the same."""


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
    return subprocess.call(command + options, cwd=ROOT, env=os.environ | _backend(python))


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:cut], arguments[cut:]


def _environment() -> Path:
    """The Python of an environment that has nox, made at the first use."""
    python = HOME / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    done = HOME / "installed"
    wanted = f"{NOX} {UV}"
    if done.is_file() and done.read_text() == wanted:
        return python
    print(f"bootstrap.py: installing nox into {HOME.name}/", file=sys.stderr)
    # Debian keeps ensurepip in a package of its own, so the environment is made without pip, and the pip that
    # is there installs into it; it may do so even where the system's Python is marked as externally managed.
    subprocess.check_call([sys.executable, "-m", "venv", "--clear", "--without-pip", str(HOME)])
    pip = [sys.executable, "-m", "pip", "--python", str(python)]
    if not _succeeds([*pip, "--version"]):
        subprocess.check_call([str(python), "-m", "ensurepip", "--default-pip"], stdout=subprocess.DEVNULL)
        pip = [str(python), "-m", "pip"]
    install = [*pip, "install", "--quiet", "--disable-pip-version-check"]
    subprocess.check_call([*install, NOX])
    _succeeds([*install, UV])  # installs for nox in a tenth of pip's time; nox does without where it cannot be had
    done.write_text(wanted)
    return python


def _backend(python: Path) -> dict[str, str]:
    """Variables by which nox installs with uv, if that gets packages from where pip gets them, or else with pip."""
    told = _told_to_pip(python)
    variables = {name: told[option] for option, name in LIKE_PIP.items() if option in told and name not in os.environ}
    uv = [str(python), "-m", "uv", "pip", "install", "--python", str(python)]
    if _succeeds([*uv, "--dry-run", "--reinstall", "--no-deps", NOX], variables):
        return variables
    return {"NOX_DEFAULT_VENV_BACKEND": "virtualenv"}


def _told_to_pip(python: Path) -> dict[str, str]:
    """The options that pip has from its files and variables; the latter count most."""
    told: dict[str, str] = {}
    for program in (sys.executable, str(python)):
        shown = subprocess.run([program, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
        for section in ("global", "install", ":env:"):
            for name, _, value in (line.partition("=") for line in shown.stdout.splitlines()):
                if name.startswith(f"{section}."):
                    option = name.removeprefix(f"{section}.").removeprefix("default-")
                    separator = "," if option == "find-links" else " "
                    told[option] = separator.join(value.strip("'\"").replace("\\n", " ").split())
        if not shown.returncode:
            break
    return told


def _succeeds(command: list[str], variables: dict[str, str] | None = None) -> bool:
    environment = os.environ | (variables or {})
    silent = subprocess.DEVNULL
    return subprocess.call(command, env=environment, stdout=silent, stderr=silent) == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
