"""Compiles the hot modules with mypyc: into a wheel when asked to, or into a copy of the packages.

    EVENTFLUX_COMPILE=1 python -m pip install .    a wheel of this machine's own, with machine code beside the sources
    python hatch_build.py build/compiled           a copy of the packages, compiled, to be put on PYTHONPATH

Without that variable a wheel is pure Python. The same sources run either way, and
`eventflux_runtime.compiled_modules` tells which form is in use.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT: Final = Path(__file__).resolve().parent
VARIABLE: Final = "EVENTFLUX_COMPILE"
LEVEL_VARIABLE: Final = "EVENTFLUX_COMPILE_LEVEL"
"""The C compiler's optimisation level: 3 unless told otherwise; 0 compiles in half the time, for tests."""
PACKAGES: Final = ("runtime/eventflux_runtime", "generated/eventflux_transport")
HOT: Final = (
    "eventflux_transport/codec.py",
    "eventflux_runtime/wire/*.py",
    "eventflux_runtime/native/client*.py",
    "eventflux_runtime/native/server*.py",
    "eventflux_runtime/native/session.py",
    "eventflux_runtime/native/*box.py",
    "eventflux_runtime/native/encoding.py",
    "eventflux_runtime/native/decoding.py",
    "eventflux_runtime/call_head.py",
    "eventflux_runtime/net/runner.py",
    "eventflux_runtime/net/wheel.py",
    "eventflux_runtime/server/dispatch.py",
    "eventflux_runtime/server/context.py",
    "eventflux_runtime/channel/channel.py",
    "eventflux_runtime/channel/pool.py",
    "eventflux_runtime/channel/subchannel.py",
)
"""What runs for each message or call on the native wire."""
REQUIREMENTS: Final = ("mypy>=2.4", "setuptools>=80")
GROUP: Final = "eventflux"
"""mypyc puts the code of all modules into one library, ``eventflux__mypyc``."""


def compile_into(folder: Path) -> list[Path]:
    """Makes `folder` a copy of the packages with the hot modules compiled, and returns the libraries.

    What was compiled there before is kept where it is of the same sources, by the same Python.

    Raises:
        RuntimeError: mypyc or the C compiler failed; what they said is on standard error.
    """
    libraries = folder / "libraries"
    for package in PACKAGES:
        target = folder / Path(package).name
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(ROOT / package, target, ignore=shutil.ignore_patterns("__pycache__", "*.so", "*.pyd"))
    sources = sorted(path for pattern in HOT for path in folder.glob(pattern) if path.name != "__init__.py")
    digest = hashlib.sha256(sys.version.encode())
    for source in sources:
        digest.update(source.read_bytes())
    stamp = libraries / "digest"
    if not stamp.is_file() or stamp.read_text() != digest.hexdigest():
        shutil.rmtree(libraries, ignore_errors=True)
        _run_mypyc(folder, [str(source.relative_to(folder)) for source in sources], libraries)
        stamp.write_text(digest.hexdigest())
    built = []
    for library in sorted(path for path in libraries.rglob("*") if path.suffix in {".so", ".pyd"}):
        target = folder / library.relative_to(libraries)
        shutil.copy2(library, target)
        built.append(target)
    return built


def _run_mypyc(folder: Path, sources: list[str], libraries: Path) -> None:
    script = folder / "setup.py"
    script.write_text(
        "from mypyc.build import mypycify\n"
        "from setuptools import setup\n"
        f"options = ['--config-file=', '--follow-imports=silent', *{sources!r}]\n"
        f"modules = mypycify(options, opt_level={os.environ.get(LEVEL_VARIABLE, '3')!r}, group_name={GROUP!r})\n"
        "setup(name='hot', packages=[], ext_modules=modules)\n"
    )
    command = [sys.executable, script.name, "--quiet", "build_ext"]
    command += [f"--build-lib={libraries.resolve()}", f"--build-temp={(folder / 'objects').resolve()}"]
    environment = {**os.environ, "MYPYPATH": str(folder.resolve())}
    result = subprocess.run(command, cwd=folder, env=environment, check=False)
    if result.returncode != 0:
        raise RuntimeError(
            f"compiling the hot modules failed: it needs a C compiler and the headers of this Python; "
            f"unset {VARIABLE} for the pure form"
        )


class CompileHook(BuildHookInterface[Any]):
    """Puts the compiled modules into a wheel when the variable is set; does nothing otherwise."""

    def _is_on(self) -> bool:
        return os.environ.get(VARIABLE, "") not in {"", "0"}

    def dependencies(self) -> list[str]:
        """What mypyc needs: itself, and what the sources import, to check their types."""
        return [*REQUIREMENTS, *self.metadata.core.dependencies] if self._is_on() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compiles before the wheel is put together; an editable install stays pure."""
        if not self._is_on() or version != "standard":
            return
        folder = ROOT / "build" / "wheel"
        for library in compile_into(folder):
            build_data["force_include"][str(library)] = library.relative_to(folder).as_posix()
        build_data["pure_python"] = False
        build_data["infer_tag"] = True


if __name__ == "__main__":
    for path in compile_into(Path(sys.argv[1])):
        print(path)
