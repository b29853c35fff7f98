"""The `eventflux` command in processes of its own: a node, a subscriber, and a run from start to end."""

from __future__ import annotations

import contextlib
import io
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from eventflux_node.cli import main

COMMAND = (sys.executable, "-W", "error", "-m", "eventflux_node")


@dataclass
class Node:
    """A node in a process of its own."""

    process: subprocess.Popen[str]
    urls: list[str]

    def heartbeat(self) -> dict[str, object]:
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            assert main(["heartbeat", self.urls[0], "--json"]) == 0
        answer: dict[str, object] = json.loads(output.getvalue())
        return answer


@contextlib.contextmanager
def running_node(folder: Path, *options: str, log: Path | None = None) -> Iterator[Node]:
    """A node on TCP, gRPC and a Unix socket, stopped by SIGTERM in the end; it must then end well.

    And in silence, unless what it says on standard error goes to `log`.
    """
    listen = ["tcp://127.0.0.1:0", "grpc://127.0.0.1:0", f"unix://{folder}/node.sock"]
    arguments = [part for url in listen for part in ("--listen", url)]
    process = subprocess.Popen(
        [*COMMAND, "node", "--node-id", "node-1", *arguments, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in listen]
        if all(line.startswith("listening on ") for line in lines):
            yield Node(process, [line.split()[-1] for line in lines])
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    if log is not None:
        log.write_text(errors)
        errors = ""
    assert (process.returncode, errors) == (0, "")


def eventflux(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=60)


@contextlib.contextmanager
def running_subscriber(node: Node, url: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """`eventflux subscribe` in a process of its own, once the node counts it among its subscribers."""
    process = subprocess.Popen(
        [*COMMAND, "subscribe", url, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        try:
            while node.heartbeat()["subscribers"] != "1":
                assert process.poll() is None
            yield process
        finally:
            process.kill()
