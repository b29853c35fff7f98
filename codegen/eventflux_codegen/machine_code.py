"""Compiles the hot modules of a generated package with mypyc, beside their sources or into a wheel."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from eventflux_codegen.compilation import (
    REQUIREMENTS,
    CompileError,
    find_lack,
    find_libraries,
    run_mypyc,
)
from eventflux_codegen.error import GenerationError, Place
from eventflux_codegen.foreign import MODULE as NAMES_MODULE
from eventflux_codegen.foreign import names_in
from eventflux_codegen.output import MARK

__all__ = ["Target", "build_wheel", "compile_in_place", "find_package"]

_HOT: Final = re.compile(r"(codec|protobuf)(_\d+)?\.py")
"""The names of the modules that run for each message."""

_IMPORT: Final = re.compile(r"^from (\S+)\.(?:messages|codec)(?:_\d+)? import ", re.MULTILINE)
"""What hot modules import of their own package."""
_RUNTIME: Final = "eventflux_runtime"
_WHEEL_SCRIPT: Final = """\
from setuptools import Distribution, setup


class Compiled(Distribution):
    def has_ext_modules(self):
        return True


setup(
    name={name!r},
    version={version!r},
    packages={packages!r},
    package_data={{"": ["*.pyi", "py.typed", "*.so", "*.pyd"]}},
    install_requires=["eventflux-transport"],
    python_requires=">=3.11",
    distclass=Compiled,
)
"""


@dataclass(frozen=True, slots=True)
class Target:
    """A generated package that is there."""

    name: str
    """Its name in Python."""
    folder: Path

    @property
    def place(self) -> Place:
        """What an error is about."""
        return Place(str(self.folder))


def find_package(package: str) -> Target:
    """A generated package by its directory, or by its name in the directory at hand, in ``src``, or where Python looks.

    Raises:
        GenerationError: there is none, or it is not the generator's.
    """
    candidates = [Path(package), *(path / package.replace(".", "/") for path in _search_path())]
    folder = next((path for path in candidates if (path / "__init__.py").is_file()), None)
    if folder is None:
        raise GenerationError("no such package here, in src or on Python's path: name its directory", Place(package))
    if not (folder / "__init__.py").read_bytes().startswith(MARK.encode()):
        raise GenerationError("eventflux-codegen has not made this package, so it has no codecs", Place(str(folder)))
    return Target(_name_of(folder), folder)


def compile_in_place(target: Target) -> list[Path]:
    """Puts the compiled modules beside their sources, where Python prefers them, and returns them.

    Raises:
        GenerationError: a tool is missing, or refuses the package.
    """
    with tempfile.TemporaryDirectory() as scratch:
        built = _compile(target, Path(scratch))
        for path in find_libraries(target.folder):
            path.unlink()
        return [Path(shutil.copy2(library, target.folder / place)) for place, library in built.items()]


def build_wheel(target: Target, folder: Path, version: str) -> Path:
    """Makes a wheel of the package with its compiled modules, for this machine's kind and Python, and returns it.

    Raises:
        GenerationError: a tool is missing, or refuses the package.
    """
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        home = root / target.name.replace(".", "/")
        for place, library in _compile(target, root).items():
            shutil.copy2(library, home / place)
        name = target.name.replace("_", "-").replace(".", "-")
        script = root / "setup.py"
        packages = [path.parent.relative_to(root).as_posix().replace("/", ".") for path in home.rglob("__init__.py")]
        script.write_text(_WHEEL_SCRIPT.format(name=name, version=version, packages=sorted(packages)))
        command = [sys.executable, script.name, "--quiet", "bdist_wheel", f"--dist-dir={root / 'dist'}"]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, errors="replace", check=False)
        made = list((root / "dist").glob("*.whl"))
        if done.returncode != 0 or not made:
            said = (done.stderr or done.stdout).strip().splitlines() or ["setuptools says nothing"]
            raise GenerationError(f"no wheel could be made: {said[-1]}", target.place)
        folder.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy2(made[0], folder))


def _compile(target: Target, root: Path) -> dict[Path, Path]:
    """The libraries by where they belong in the package, made of a copy of it in `root`."""
    for module in ("mypyc", "setuptools"):
        if importlib.util.find_spec(module) is None:
            wanted = " ".join(f"'{requirement}'" for requirement in REQUIREMENTS)
            raise GenerationError(f"compiling needs {module}: run pip install {wanted}", target.place)
    if lack := find_lack():
        raise GenerationError(lack, target.place)
    home = root / target.name.replace(".", "/")
    shutil.copytree(target.folder, home, ignore=shutil.ignore_patterns("__pycache__", "*.so", "*.pyd"))
    sources = [path.relative_to(root).as_posix() for path in _hot(home)]
    top = target.name.partition(".")[0]
    others = sorted(_others(home) - {top})
    try:
        run_mypyc(
            root,
            sources,
            root / "libraries",
            group=f"{target.name}._compiled",
            own=(top, _RUNTIME, *others),
            paths=_paths_of((_RUNTIME, *others), target),
        )
    except CompileError as error:
        raise GenerationError(f"compiling failed: {error.reason}: {_kept(error)}", target.place) from None
    made = root / "libraries" / target.name.replace(".", "/")
    return {library.relative_to(made): library for library in find_libraries(made)}


def _others(home: Path) -> set[str]:
    """The packages, by the first part of their names, whose classes those in a directory take."""
    texts = [path.read_text("utf-8") for path in home.rglob(f"{NAMES_MODULE}.py")]
    return {package.partition(".")[0] for text in texts for package in names_in(text, home.name).elsewhere.values()}


def _kept(error: CompileError) -> str:
    """What the compilers said first, and where all of it is: the directory it lies in is about to go."""
    number, log = tempfile.mkstemp(prefix="eventflux-compile-", suffix=".log")
    os.close(number)
    shutil.copyfile(error.log, log)
    first = error.said[0] if error.said else "not a word"
    return f"{first} (all of it is in {log})"


def _paths_of(packages: Iterable[str], target: Target) -> Iterator[str]:
    """Where mypy finds packages: beside the target, or where Python does, if mypy does not look there by itself."""
    beside = target.folder.resolve().parents[target.name.count(".")]
    places = [sysconfig.get_path(name) for name in ("purelib", "platlib")]
    for package in packages:
        if (beside / package).is_dir():
            yield str(beside)
            continue
        found = importlib.util.find_spec(package)
        for location in (found.submodule_search_locations if found is not None else None) or ():
            if str(Path(location).parent) not in places:
                yield str(Path(location).parent)


def _search_path() -> Iterator[Path]:
    yield from (Path(), Path("src"))
    yield from (Path(entry) for entry in sys.path)


def _name_of(folder: Path) -> str:
    """The package's name: its modules import one another by it, whatever directories are above."""
    for source in _hot(folder):
        found = _IMPORT.search(source.read_text("utf-8"))
        if found is not None:
            below = source.relative_to(folder).parent.as_posix().replace("/", ".")
            return found[1].removesuffix(f".{below}")
    return folder.resolve().name


def _hot(folder: Path) -> list[Path]:
    """The hot modules of a package and of those in it, sorted."""
    return sorted(path for path in folder.rglob("*.py") if _HOT.fullmatch(path.name))
