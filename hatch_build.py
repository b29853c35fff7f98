"""Compiles the hot modules with mypyc: into a wheel, or into a copy of the packages.

    EVENTFLUX_COMPILE=1 python -m pip install .    a wheel of this machine's own, with machine code beside the sources
    python hatch_build.py build/compiled           a copy of the packages, compiled, to be put on PYTHONPATH

`Form` says what else the variable may be, and what is built without it. The same sources run either way, and
`eventflux_runtime.compiled_modules` tells which form is in use.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from enum import Enum
from pathlib import Path
from typing import Any, Final, NoReturn

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT: Final = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "codegen"))
from eventflux_codegen.compilation import (  # noqa: E402 - nothing of the project is installed where this runs
    REQUIREMENTS,
    CompileError,
    find_lack,
    find_libraries,
    optimisation_level,
    run_mypyc,
)

VARIABLE: Final = "EVENTFLUX_COMPILE"
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
    "eventflux_runtime/carrier/websocket/frame.py",
    "eventflux_runtime/carrier/websocket/mask.py",
    "eventflux_runtime/carrier/websocket/pipe.py",
    "eventflux_runtime/protocol/sniff.py",
    "eventflux_runtime/rpc/call_head.py",
    "eventflux_runtime/rpc/call_tally.py",
    "eventflux_runtime/rpc/rate_limit.py",
    "eventflux_runtime/rpc/record.py",
    "eventflux_runtime/net/runner.py",
    "eventflux_runtime/net/waiting.py",
    "eventflux_runtime/net/wheel.py",
    "eventflux_runtime/server/dispatch.py",
    "eventflux_runtime/server/failure.py",
    "eventflux_runtime/rpc/context.py",
    "eventflux_runtime/client/pool/balancer.py",
    "eventflux_runtime/client/channel.py",
    "eventflux_runtime/client/pool/pool.py",
    "eventflux_runtime/client/pool/queue.py",
    "eventflux_runtime/client/pool/subchannel.py",
)
"""What runs for each message or call."""
GROUP: Final = "eventflux"
"""mypyc puts the code of all modules into one library, ``eventflux__mypyc``."""


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
        names = [source.relative_to(folder).as_posix() for source in sources]
        run_mypyc(folder, names, libraries, group=GROUP, own=[Path(package).name for package in PACKAGES])
        stamp.write_text(digest.hexdigest())
    built = []
    for library in find_libraries(libraries):
        target = folder / library.relative_to(libraries)
        shutil.copy2(library, target)
        built.append(target)
    return built


class Form(Enum):
    """What a build is to make; the value is what the variable has to be for it."""

    PURE = "0"
    """Python alone."""
    COMPILED = "1"
    """Machine code; where that cannot be made, the build fails."""
    EITHER = "auto"
    """Machine code; where that cannot be made, Python alone, and a line that says why."""

    @classmethod
    def wanted(cls) -> Form:
        """The form that the variable asks for.

        Without it, a checkout makes the pure form, at once and without a compiler, and an unpacked sdist either: who
        builds from that wants what fits the machine.

        Raises:
            ValueError: the variable is something else.
        """
        asked = os.environ.get(VARIABLE, "")
        if not asked:
            return cls.EITHER if (ROOT / "PKG-INFO").is_file() else cls.PURE
        try:
            return cls(asked)
        except ValueError:
            values = ", ".join(form.value for form in cls)
            raise ValueError(f"{VARIABLE} is one of {values}, not {asked!r}") from None


class CompileHook(BuildHookInterface[Any]):
    """Puts the compiled modules into a wheel, unless the pure form is wanted."""

    def dependencies(self) -> list[str]:
        """What mypyc needs: itself, and the packages whose types it reads."""
        form = self._wanted()
        if form is Form.PURE or (form is Form.EITHER and find_lack()):
            return []
        return [*REQUIREMENTS, *self.metadata.core.dependencies]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compiles before the wheel is put together; an editable install stays pure."""
        form = self._wanted()
        if form is Form.PURE or version != "standard":
            return
        folder = ROOT / "build" / "compiled"
        if form is Form.EITHER and (lack := find_lack()):
            self._stay_pure(lack)
            return
        try:
            libraries = compile_into(folder)
        except CompileError as error:
            if form is Form.EITHER:
                self._stay_pure(" ".join([f"{error.reason}:", *error.said[:1]]))  # the log goes with pip's folder
                return
            self._abort(f"{error}; {VARIABLE}={Form.PURE.value} builds the pure form")
        for library in libraries:
            build_data["force_include"][str(library)] = library.relative_to(folder).as_posix()
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def _wanted(self) -> Form:
        try:
            return Form.wanted()
        except ValueError as error:
            self._abort(str(error))

    def _stay_pure(self, reason: str) -> None:
        self.app.display_warning(
            f"eventflux-transport is built as pure Python, which is slower: {reason}; "
            f"{VARIABLE}={Form.COMPILED.value} makes that an error"
        )

    def _abort(self, reason: str) -> NoReturn:
        self.app.abort(reason)
        raise SystemExit(1)  # `abort` ends the process, but does not say so in its type


if __name__ == "__main__":
    try:
        print(*compile_into(Path(sys.argv[1])), sep="\n")
    except CompileError as error:
        sys.exit(str(error))
