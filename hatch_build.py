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
import sys
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT: Final = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "codegen"))
from eventflux_codegen.compilation import (  # noqa: E402 - nothing of the project is installed where this runs
    REQUIREMENTS,
    CompileError,
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
    "eventflux_runtime/carrier/websocket_frame.py",
    "eventflux_runtime/carrier/websocket_mask.py",
    "eventflux_runtime/carrier/websocket_pipe.py",
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
            self.app.abort(f"{error}; unset {VARIABLE} for the pure form")
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
