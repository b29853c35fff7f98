"""`eventflux monitor`: a line of JSON for each change, silence on Ctrl-C, and one line for what is wrong."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.fleet import fleet

COMMAND = (sys.executable, "-W", "error", "-m", "eventflux_node", "monitor")


def next_line(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line: dict[str, Any] = json.loads(process.stdout.readline())
    return line


@pytest.mark.slow
@pytest.mark.parametrize("wire", ["tcp", "grpc", "grpcio"])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop", "trio"])
def test_changes_are_printed_until_ctrl_c(wire: str, loop: str, tmp_path: Path) -> None:
    with fleet(wire, 2, tmp_path) as nodes:
        options = ["--interval", "0.2", "--timeout", "10", "--slow", "10", "--loop", loop]
        with subprocess.Popen(
            [*COMMAND, *nodes.urls, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                lines = [next_line(process), next_line(process)]
                assert {(line["url"], line["node"], line["health"]) for line in lines} == {
                    (nodes.urls[0], "0", "HEALTHY"),
                    (nodes.urls[1], "1", "HEALTHY"),
                }
                nodes.kill(1)
                lines = [next_line(process) for _ in range(3)]
                assert [line["health"] for line in lines] == ["DEGRADED", "UNHEALTHY", "OFFLINE"]
                assert {(line["url"], line["node"]) for line in lines} == {(nodes.urls[1], "1")}
                assert "UNAVAILABLE" in lines[2]["reason"]
                process.send_signal(signal.SIGINT)
                output, errors = process.communicate(timeout=30)
            finally:
                process.kill()
        assert (process.returncode, output, errors.strip()) == (130, "", "")


@pytest.mark.parametrize(
    ("arguments", "exit_code", "fault"),
    [
        ([], 2, "Missing argument 'URL...'."),
        (["tpc://127.0.0.1:1"], 1, "unknown scheme 'tpc'; did you mean tcp?"),
        (["tcp://127.0.0.1:1", "127.0.0.1:2"], 1, "'127.0.0.1:2'"),
        (["tcp://127.0.0.1:1", "tcp://127.0.0.1:1"], 1, "'tcp://127.0.0.1:1' is monitored already"),
        (["tcp://127.0.0.1:1", "--interval", "0"], 2, "0.0 is not in the range x>0"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], exit_code: int, fault: str) -> None:
    result = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert (result.returncode, result.stdout) == (exit_code, "")
    assert fault in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_count_ends_it() -> None:
    arguments = ["tcp://127.0.0.1:1", "--interval", "0.05", "--count", "2"]
    result = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert (result.returncode, result.stderr) == (0, "")
    assert [json.loads(line)["health"] for line in result.stdout.splitlines()] == ["DEGRADED", "UNHEALTHY"]
