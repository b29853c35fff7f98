"""Compiles Python modules with mypyc: those of the runtime for its wheel, and those of a user's generated package.

It stands on nothing but Python, because the build of a wheel imports it before anything is installed.
"""

from __future__ import annotations

import ast
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

__all__ = [
    "LEVEL_VARIABLE",
    "LIBRARY_SUFFIXES",
    "REQUIREMENTS",
    "TYPED",
    "CompileError",
    "find_lack",
    "find_libraries",
    "mypy_configuration",
    "optimisation_level",
    "run_mypyc",
]

LEVEL_VARIABLE: Final = "EVENTFLUX_COMPILE_LEVEL"
"""The C compiler's optimisation level: 3 unless told otherwise; 0 compiles in half the time, for tests."""
REQUIREMENTS: Final = ("mypy==2.4.1", "setuptools>=80")
"""mypyc is pinned: the next one may refuse what this one takes, and nobody could install the compiled form."""
TYPED: Final = frozenset({"anyio", "librt", "msgspec", "mypy_extensions", "typing_extensions"})
"""The packages of others whose types mypyc reads: those that every installation has, and what mypy brings."""
LIBRARY_SUFFIXES: Final = frozenset({".so", ".pyd"})
"""How the files end that mypyc makes."""

_SHOWN_LINES: Final = 20
"""So much of what a compiler said stands in the error; all of it is in the log that the error names."""
_REFUSED: Final = 3
"""The exit code of the script below where mypyc itself refuses the sources."""
_SCRIPT: Final = """\
import os
import sys
from mypyc.build import mypycify
from setuptools import setup
try:
    modules = mypycify({options!r}, opt_level={level!r}, group_name={group!r})
except SystemExit as end:
    print(end)
    sys.exit({refused})
if os.name == "posix":
    for module in modules:
        module.extra_compile_args.append("-Wno-all")
setup(name="hot", packages=[], ext_modules=modules)
"""
"""Python's own flags ask for warnings; to look for them in the code that mypyc writes takes gcc minutes."""


def optimisation_level() -> str:
    """The C compiler's, as the environment asks for it."""
    return os.environ.get(LEVEL_VARIABLE, "3")


def run_mypyc(
    folder: Path,
    sources: Sequence[str],
    libraries: Path,
    *,
    group: str = "hot",
    own: Iterable[str] = (),
    paths: Iterable[str] = (),
) -> None:
    """Compiles sources, given relative to `folder`, into libraries below `libraries`.

    Args:
        folder: where the sources lie, and where the log is written.
        sources: the modules to compile together.
        libraries: where to put what comes of it.
        group: mypyc puts the code of all modules into one library, ``GROUP__mypyc``.
        own: the packages whose types mypyc reads, besides those of `TYPED`.
        paths: further directories in which those are found.

    Raises:
        CompileError: mypyc or the C compiler failed.
    """
    configuration = folder / "mypy.ini"
    configuration.write_text(mypy_configuration(folder, own))
    options = [f"--config-file={configuration.name}", *sources]
    script = folder / "setup.py"
    script.write_text(_SCRIPT.format(options=options, level=optimisation_level(), group=group, refused=_REFUSED))
    command = [sys.executable, script.name, "--quiet", "build_ext"]
    command += [f"--build-lib={libraries.resolve()}", f"--build-temp={(folder / 'objects').resolve()}"]
    log = folder / "compile.log"
    environment = {**os.environ, "MYPYPATH": os.pathsep.join([str(folder.resolve()), *paths])}
    with log.open("wb") as output:
        done = subprocess.run(
            command, cwd=folder, env=environment, check=False, stdout=output, stderr=subprocess.STDOUT
        )
    if done.returncode != 0:
        raise CompileError(_reason(is_refused=done.returncode == _REFUSED), log)


def find_libraries(folder: Path) -> list[Path]:
    """The libraries below a directory, sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix in LIBRARY_SUFFIXES)


def mypy_configuration(folder: Path, own: Iterable[str]) -> str:
    """mypy's: what only an extra brings is unknown to it, whether it is there or not.

    So the same machine code comes of the same sources everywhere, and no stubs are needed that are not there.
    """
    known = set(own)
    sources = (path for package in known for path in folder.glob(f"{package}/**/*.py*"))
    roots = {root for path in sources for root in _imported_roots(path)}
    unknown = sorted(roots - known - TYPED - sys.stdlib_module_names)
    skipped = "".join(f"[mypy-{root}.*]\nfollow_imports = skip\nignore_missing_imports = True\n" for root in unknown)
    return f"[mypy]\nfollow_imports = silent\nexplicit_package_bases = True\n{skipped}"


def _imported_roots(path: Path) -> set[str]:
    if path.suffix not in {".py", ".pyi"}:
        return set()
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


def find_lack() -> str:
    """What this machine lacks of what compiles C, and how to come by it; empty if nothing is seen to be missing."""
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "")
    if compiler and shutil.which(compiler[0]) is None:
        return f"there is no C compiler {compiler[0]!r}; install one, or name another in CC"
    header = Path(sysconfig.get_path("include"), "Python.h")
    if not header.is_file():
        return f"this Python's headers are not there, {header} is missing; install them (Debian: python3-dev)"
    return ""


def _reason(*, is_refused: bool) -> str:
    """Why it failed, as far as this machine shows it."""
    return "mypyc refuses the sources" if is_refused else find_lack() or "mypyc or the C compiler failed"


class CompileError(RuntimeError):
    """The modules cannot be compiled; the text says why and what the compilers said.

    Attributes:
        reason: why, in a few words.
        said: the lines of the log that tell most.
        log: the file with all of them.
    """

    def __init__(self, reason: str, log: Path) -> None:
        lines = log.read_text(errors="replace").splitlines()
        telling = [line for line in lines if "error" in line.lower()] or lines[-_SHOWN_LINES:]
        self.reason = reason
        self.said = tuple(telling[:_SHOWN_LINES])
        self.log = log
        shown = "\n".join(f"    {line}" for line in self.said)
        super().__init__(f"compiling the hot modules failed: {reason}\n{shown}\nall {len(lines)} lines are in {log}")
