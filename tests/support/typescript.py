"""Generated TypeScript: how it is made and compiled for tests, and a Node process that reads and writes by it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Final

from eventflux_codegen.order import Order
from eventflux_codegen.pipeline import targets_of
from eventflux_codegen.typescript.option import TypeScriptOptions

__all__ = ["COMPILER", "DRIVER", "ROOT", "WEB", "Driver", "compile_project", "lacking", "typescript_of"]

ROOT: Final = Path(__file__).resolve().parents[2]
WEB: Final = ROOT / "web"
COMPILER: Final = WEB / "node_modules/typescript/bin/tsc"
DRIVER: Final = ROOT / "tests/typescript/driver.ts"
_RUNTIME: Final = "../../src/codegenv1.ts"


def lacking() -> str:
    """Why there is no TypeScript on this machine; empty if there is."""
    if shutil.which("node") is None:
        return "there is no node"
    return "" if COMPILER.is_file() else "there is no TypeScript: run npm install in web/"


def typescript_of(order: Order) -> Mapping[str, str]:
    """The TypeScript of an order, whose runtime lies in ``src`` two levels above."""
    section: dict[str, Any] = {"typescript": TypeScriptOptions(output=".", runtime=_RUNTIME)}
    (target,) = targets_of(replace(order, options=replace(order.options, **section)))
    return target.files


def compile_project(folder: Path, packages: Mapping[str, Mapping[str, str]], programs: Iterable[Path] = ()) -> str:
    """Compiles packages and programs below a folder, strictly, to ``out`` in it; what the compiler says is returned.

    The runtime is put into ``src``, each package into ``gen``, and the programs into ``test``.
    """
    shutil.copytree(WEB / "src", folder / "src")
    for name, files in packages.items():
        for path, text in files.items():
            target = folder / "gen" / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, "utf-8")
    for program in programs:
        (folder / "test").mkdir(exist_ok=True)
        shutil.copy(program, folder / "test")
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "node_modules").symlink_to(WEB / "node_modules")
    project = json.loads((WEB / "tsconfig.json").read_text("utf-8"))
    project["compilerOptions"] |= {"outDir": "out", "rootDir": "."}
    (folder / "tsconfig.json").write_text(json.dumps({**project, "include": ["gen", "test"]}))
    done = subprocess.run(["node", str(COMPILER), "-p", str(folder)], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@dataclass(frozen=True)
class Driver:
    """A process that answers a line by a line."""

    folder: Path
    process: subprocess.Popen[str]

    @staticmethod
    def start(folder: Path) -> Driver:
        """Runs the driver that was compiled below a folder."""
        command = ["node", str(folder / "out/test/driver.js")]
        return Driver(
            folder, subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        )

    def ask(self, module: str, type_name: str, encoding: str, data: bytes) -> dict[str, Any]:
        """What TypeScript makes of bytes: the value and its bytes in each encoding, or why they are refused."""
        path = self.folder / "out" / module
        request = {"module": str(path), "type": type_name, "encoding": encoding, "bytes": data.hex()}
        stdin, stdout = _streams(self.process)
        stdin.write(f"{json.dumps(request)}\n")
        stdin.flush()
        line = stdout.readline()
        assert line, "the driver has died: its error stands above"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """Lets the process end."""
        stdin, stdout = _streams(self.process)
        stdin.close()
        self.process.wait()
        stdout.close()


def _streams(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout
