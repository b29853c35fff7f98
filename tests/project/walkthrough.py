"""Does what the README's reader does with an installed package, in the form that it is typed: run by ``nox -s build``.

Only the ports and the folder of the Unix socket are others, so that nothing of this machine is in the way.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
README: Final = (ROOT / "README.md").read_text("utf-8")
PATIENCE_S: Final = 60


def blocks(language: str) -> list[str]:
    """The texts of the fenced blocks of a language."""
    return [
        text
        for kind, text in re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
        if kind == language
    ]


def shell_lines(program: str) -> list[str]:
    """The lines of the shell blocks that start with a program, without their comments."""
    lines = [line.partition(" #")[0].strip() for text in blocks("sh") for line in text.splitlines()]
    return [line for line in lines if line.split()[:1] == [program]]


class Walk:
    """A folder of its own, ports that are free, and the processes that were started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[subprocess.Popen[str]] = []
        self._others = {"/tmp/": f"{folder}/"}
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in (7070, 50051)]
        for port, sock in zip((7070, 50051), sockets, strict=True):
            self._others[f":{port}"] = f":{sock.getsockname()[1]}"
            sock.close()

    def here(self, text: str) -> str:
        """A text of the README with this walk's ports and folder."""
        for there, here in self._others.items():
            text = text.replace(there, here)
        return text

    def start(self, line: str) -> subprocess.Popen[str]:
        """Starts a command that goes on until it is stopped."""
        process = subprocess.Popen(shlex.split(self.here(line)), cwd=self.folder, stdout=subprocess.PIPE, text=True)
        self._started.append(process)
        return process

    def run(self, line: str) -> str:
        """Runs a command to its end, which must be a good one; what it printed."""
        done = subprocess.run(
            shlex.split(self.here(line)),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
        if done.returncode != 0:
            sys.exit(f"{line}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def wait_for_port(self, port: int) -> None:
        """Returns when something listens where the README's port stands."""
        ends = time.monotonic() + PATIENCE_S
        address = ("127.0.0.1", int(self._others[f":{port}"].removeprefix(":")))
        while True:
            try:
                socket.create_connection(address).close()
            except ConnectionRefusedError:
                if time.monotonic() > ends:
                    raise
            else:
                return

    def stop(self, process: subprocess.Popen[str]) -> None:
        """Stops a process as an orchestrator does."""
        process.terminate()
        process.wait(PATIENCE_S)
        self._started.remove(process)

    def stop_all(self) -> None:
        """Stops what still runs, the last first."""
        for process in reversed(self._started[:]):
            self.stop(process)


def service_and_client(walk: Walk) -> None:
    """The contract, the two programs, and what the README says they print."""
    (walk.folder / "hello.proto").write_text(blocks("proto")[0], "utf-8")
    for line in shell_lines("eventflux-codegen"):
        walk.run(line)
    for text in blocks("python"):
        name = re.match(r"# (\w+\.py)\n", text)
        if name is not None:
            (walk.folder / name[1]).write_text(walk.here(text), "utf-8")
    service = walk.start("python service.py")
    walk.wait_for_port(7070)
    expect(walk.run("python client.py"), walk.here(blocks("text")[0]), "python client.py")
    walk.stop(service)


def node(walk: Walk) -> None:
    """Each line of the block about the node, all at the same time."""
    (walk.folder / "readings.csv").write_text("date,temp\n2010/01/01,39.4\n2010/01/02,40.1\n")
    lines = shell_lines("eventflux")
    walk.start(lines[0])
    walk.wait_for_port(7070)
    walk.wait_for_port(50051)
    subscriber, monitor = (
        walk.start(next(line for line in lines if f" {name} " in line)) for name in ("subscribe", "monitor")
    )
    beat = next(line for line in lines if " heartbeat " in line)
    while not re.search(r"^subscribers +1$", walk.run(beat), re.MULTILINE):
        continue  # each beat takes a while
    rest = [line for line in lines[1:] if not any(f" {name} " in line for name in ("subscribe", "monitor"))]
    said = "".join(walk.run(line) for line in rest)
    expect("published 2 events" in said, True, "eventflux publish")
    assert subscriber.stdout is not None
    assert monitor.stdout is not None
    expect(
        ["39.4" in subscriber.stdout.readline(), "40.1" in subscriber.stdout.readline()],
        [True] * 2,
        "eventflux subscribe",
    )
    expect(["HEALTHY" in monitor.stdout.readline() for _ in range(2)], [True] * 2, "eventflux monitor")


def generator(walk: Walk) -> None:
    """The README's commands for a service of one's own, on an IDL of the tests."""
    shutil.copytree(ROOT / "tests/idl", walk.folder / "idl")
    text = (walk.folder / "idl/inventory.yaml").read_text("utf-8")
    (walk.folder / "your.yaml").write_text(
        text.replace("../generated", "generated").replace("[inv", "[idl/inv"), "utf-8"
    )
    (walk.folder / "proto").mkdir()
    shutil.copy(ROOT / "tests/idl/inventory.proto", walk.folder / "proto")
    lines = [" ".join(line.split()) for line in re.findall(r"`(eventflux-codegen generate [^`]*)`", README)]
    expect(len(lines), 2, "ways to generate code")
    for line, folder, package in zip(lines, ("generated", "src"), ("inventory_sdk", "orders_rpc"), strict=True):
        walk.run(line)
        program = ["import sys", f"sys.path.insert(0, {folder!r})", f"import {package}", f"print({package}.Item())"]
        (walk.folder / "use.py").write_text("\n".join(program))
        expect(walk.run("python use.py").startswith("Item("), True, line)


def expect(found: object, expected: object, what: str) -> None:
    """Ends the process unless both are the same."""
    if found != expected:
        sys.exit(f"{what}: {found!r} where the README has {expected!r}")


def main(parts: Sequence[str]) -> None:
    """Walks through the parts that are named, or all, with the environment of this Python active."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for part in (service_and_client, node, generator):
        if parts and part.__name__ not in parts:
            continue
        with tempfile.TemporaryDirectory(
            dir="/tmp" if os.path.isdir("/tmp") else None
        ) as folder:  # short, for a socket
            walk = Walk(Path(folder))
            try:
                part(walk)
            finally:
                walk.stop_all()
        print(f"{part.__name__}: as the README says")


if __name__ == "__main__":
    main(sys.argv[1:])
