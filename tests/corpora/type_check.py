"""What type checkers say of generated packages in an environment that has the runtime, and no stubs of others."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Final

__all__ = ["bare_python", "has_pyright", "run_mypy", "run_pyright"]

_SOURCES: Final = Path(__file__).parents[2] / "runtime"
_NEEDED: Final = (
    "anyio",
    "google.protobuf",
    "grpc",
    "idna",
    "librt",
    "msgspec",
    "mypy_extensions",
    "typing_extensions",
)
"""What the runtime imports, with its extra ``grpc``; none of it is a package of stubs."""


def bare_python(folder: Path) -> Path:
    """The Python of an environment in a new directory. Nothing is fetched: what it has are links."""
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "runtime.pth").write_text(f"{_SOURCES}\n")
    for name in _NEEDED:
        found = importlib.util.find_spec(name)
        assert found is not None, name
        origin = Path(found.submodule_search_locations[0] if found.submodule_search_locations else str(found.origin))
        link = site.joinpath(*name.split(".")).with_name(origin.name)
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(origin)
    return folder / "bin/python"


def has_pyright() -> bool:
    """Whether pyright is installed here."""
    return importlib.util.find_spec("pyright") is not None


def run_mypy(packages: Sequence[str], folder: Path, python: Path) -> str:
    """What mypy's strict mode says of packages in a directory; empty if nothing."""
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--python-executable", str(python)]
    return _said([*command, *(argument for package in packages for argument in ("-p", package))], folder)


def run_pyright(packages: Sequence[str], folder: Path, python: Path) -> str:
    """The same of pyright's."""
    settings = {"include": list(packages), "typeCheckingMode": "strict"}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    return _said([sys.executable, "-m", "pyright", "--pythonpath", str(python)], folder)


def _said(command: Sequence[str], folder: Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    return "" if done.returncode == 0 else done.stdout + done.stderr
