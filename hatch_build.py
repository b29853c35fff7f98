"""Compiles the hot modules with mypyc: into a wheel when asked to, or into a copy of the packages.

    EVENTFLUX_COMPILE=1 python -m pip install .    a wheel of this machine's own, with machine code beside the sources
    python hatch_build.py build/compiled           a copy of the packages, compiled, to be put on PYTHONPATH

Without that variable a wheel is pure Python. The same sources run either way, and
`eventflux_runtime.compiled_modules` tells which form is in use.
"""

from __future__ import annotations

import ast
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
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
    "eventflux_transport/protobuf.py",
    "eventflux_runtime/message/scalar.py",
    "eventflux_runtime/message/unknown.py",
    "eventflux_runtime/message/varint.py",
    "eventflux_runtime/well_known/codec.py",
    "eventflux_runtime/well_known/protobuf.py",
    "eventflux_runtime/well_known/wrapper.py",
    "eventflux_runtime/well_known/struct/codec.py",
    "eventflux_runtime/well_known/struct/protobuf.py",
    "eventflux_runtime/protocol/core/*.py",
    "eventflux_runtime/protocol/native/core/*.py",
    "eventflux_runtime/protocol/native/driver/client*.py",
    "eventflux_runtime/protocol/native/driver/server*.py",
    "eventflux_runtime/protocol/native/driver/encoding.py",
    "eventflux_runtime/protocol/grpc/http2/*.py",
    "eventflux_runtime/protocol/grpc/driver/client.py",
    "eventflux_runtime/protocol/grpc/driver/server.py",
    "eventflux_runtime/protocol/grpc/driver/encoding.py",
    "eventflux_runtime/protocol/driver/client*.py",
    "eventflux_runtime/protocol/driver/server*.py",
    "eventflux_runtime/protocol/driver/session.py",
    "eventflux_runtime/protocol/driver/inbox.py",
    "eventflux_runtime/protocol/driver/outbox.py",
    "eventflux_runtime/protocol/driver/reserve.py",
    "eventflux_runtime/protocol/driver/encoding.py",
    "eventflux_runtime/protocol/driver/decoding.py",
    "eventflux_runtime/protocol/eventflux/frame.py",
    "eventflux_runtime/protocol/sniff.py",
    "eventflux_runtime/rpc/call_head.py",
    "eventflux_runtime/rpc/rate_limit.py",
    "eventflux_runtime/rpc/record.py",
    "eventflux_runtime/net/runner.py",
    "eventflux_runtime/net/waiting.py",
    "eventflux_runtime/net/wheel.py",
    "eventflux_runtime/server/dispatch.py",
    "eventflux_runtime/rpc/context.py",
    "eventflux_runtime/client/pool/balancer.py",
    "eventflux_runtime/client/channel.py",
    "eventflux_runtime/client/pool/pool.py",
    "eventflux_runtime/client/pool/queue.py",
    "eventflux_runtime/client/pool/subchannel.py",
)
"""What runs for each message or call."""
REQUIREMENTS: Final = ("mypy==2.4.1", "setuptools>=80")
"""mypyc is pinned: the next one may refuse what this one takes, and nobody could install the compiled form."""
TYPED: Final = frozenset({"anyio", "librt", "msgspec", "mypy_extensions", "typing_extensions"})
"""The packages of others whose types mypyc reads: those that every installation has, and what mypy brings."""
GROUP: Final = "eventflux"
"""mypyc puts the code of all modules into one library, ``eventflux__mypyc``."""
SHOWN_LINES: Final = 20
"""So much of what a compiler said stands in the error; all of it is in the log that the error names."""
REFUSED: Final = 3
"""The exit code of the script below where mypyc itself refuses the sources."""
SCRIPT: Final = """\
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


def compile_into(folder: Path) -> list[Path]:
    """Makes `folder` a copy of the packages with the hot modules compiled, and returns the libraries.

    What was compiled there before is kept where it is of the same sources, by the same Python.

    Raises:
        CompileError: mypyc or the C compiler failed.
    """
    libraries = folder / "libraries"
    for package in PACKAGES:
        target = folder / Path(package).name
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(ROOT / package, target, ignore=shutil.ignore_patterns("__pycache__", "*.so", "*.pyd"))
    sources = sorted(path for pattern in HOT for path in folder.glob(pattern) if path.name != "__init__.py")
    digest = hashlib.sha256(f"{sys.version} {REQUIREMENTS} {optimisation_level()}".encode())
    for source in sorted(
        folder.glob("eventflux_*/**/*.py")
    ):  # mypyc binds to classes of modules that it does not compile
        digest.update(source.read_bytes())
    stamp = libraries / "digest"
    if not stamp.is_file() or stamp.read_text() != digest.hexdigest():
        shutil.rmtree(libraries, ignore_errors=True)
        run_mypyc(folder, [source.relative_to(folder).as_posix() for source in sources], libraries)
        stamp.write_text(digest.hexdigest())
    built = []
    for library in sorted(path for path in libraries.rglob("*") if path.suffix in {".so", ".pyd"}):
        target = folder / library.relative_to(libraries)
        shutil.copy2(library, target)
        built.append(target)
    return built


def optimisation_level() -> str:
    """The C compiler's, as the environment asks for it."""
    return os.environ.get(LEVEL_VARIABLE, "3")


def run_mypyc(folder: Path, sources: list[str], libraries: Path) -> None:
    """Compiles sources, given relative to `folder`, into libraries below `libraries`.

    Raises:
        CompileError: mypyc or the C compiler failed.
    """
    configuration = folder / "mypy.ini"
    configuration.write_text(mypy_configuration(folder))
    options = [f"--config-file={configuration.name}", *sources]
    script = folder / "setup.py"
    script.write_text(SCRIPT.format(options=options, level=optimisation_level(), group=GROUP, refused=REFUSED))
    command = [sys.executable, script.name, "--quiet", "build_ext"]
    command += [f"--build-lib={libraries.resolve()}", f"--build-temp={(folder / 'objects').resolve()}"]
    log = folder / "compile.log"
    with log.open("wb") as output:
        environment = {**os.environ, "MYPYPATH": str(folder.resolve())}
        done = subprocess.run(
            command, cwd=folder, env=environment, check=False, stdout=output, stderr=subprocess.STDOUT
        )
    if done.returncode != 0:
        raise CompileError(_reason(is_refused=done.returncode == REFUSED), log)


def mypy_configuration(folder: Path) -> str:
    """mypy's: what only an extra brings is unknown to it, whether it is there or not.

    So the same machine code comes of the same sources everywhere, and no stubs are needed that are not there.
    """
    roots = {root for path in folder.glob("eventflux_*/**/*.py*") for root in _imported_roots(path)}
    own = {Path(package).name for package in PACKAGES}
    unknown = sorted(roots - own - TYPED - sys.stdlib_module_names)
    skipped = "".join(f"[mypy-{root}.*]\nfollow_imports = skip\nignore_missing_imports = True\n" for root in unknown)
    return f"[mypy]\nfollow_imports = silent\n{skipped}"


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


def _reason(*, is_refused: bool) -> str:
    """Why it failed, as far as this machine shows it."""
    if is_refused:
        return "mypyc refuses the sources"
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "")
    if compiler and shutil.which(compiler[0]) is None:
        return f"there is no C compiler {compiler[0]!r}; install one, or name another in CC"
    header = Path(sysconfig.get_path("include"), "Python.h")
    if not header.is_file():
        return f"this Python's headers are not there, {header} is missing; install them (Debian: python3-dev)"
    return "mypyc or the C compiler failed"


class CompileError(RuntimeError):
    """The hot modules cannot be compiled; the text says why and what the compilers said."""

    def __init__(self, reason: str, log: Path) -> None:
        lines = log.read_text(errors="replace").splitlines()
        telling = [line for line in lines if "error" in line.lower()] or lines[-SHOWN_LINES:]
        said = "\n".join(f"    {line}" for line in telling[:SHOWN_LINES])
        super().__init__(
            f"compiling the hot modules failed: {reason}\n{said}\n"
            f"all {len(lines)} lines are in {log}; unset {VARIABLE} for the pure form"
        )


class CompileHook(BuildHookInterface[Any]):
    """Puts the compiled modules into a wheel when the variable is set; does nothing otherwise."""

    def _is_on(self) -> bool:
        return os.environ.get(VARIABLE, "") not in {"", "0"}

    def dependencies(self) -> list[str]:
        """What mypyc needs: itself, and the packages whose types it reads."""
        return [*REQUIREMENTS, *self.metadata.core.dependencies] if self._is_on() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compiles before the wheel is put together; an editable install stays pure."""
        if not self._is_on() or version != "standard":
            return
        folder = ROOT / "build" / "compiled"
        try:
            libraries = compile_into(folder)
        except CompileError as error:
            self.app.abort(str(error))
            raise  # `abort` ends the process, but does not say so in its type
        for library in libraries:
            build_data["force_include"][str(library)] = library.relative_to(folder).as_posix()
        build_data["pure_python"] = False
        build_data["infer_tag"] = True


if __name__ == "__main__":
    try:
        print(*compile_into(Path(sys.argv[1])), sep="\n")
    except CompileError as error:
        sys.exit(str(error))
