"""Everything that goes wrong is one line and a non-zero exit code."""

from __future__ import annotations

import subprocess
import sys

import pytest

from eventflux_node.cli import main


@pytest.mark.parametrize(
    ("arguments", "exit_code", "fault"),
    [
        (["nod"], 2, "No such command 'nod'. Did you mean 'node'?"),
        (["node"], 2, "Missing option '--listen'."),
        (["heartbeat"], 2, "Missing argument 'URL'."),
        (
            ["heartbeat", "tcp://127.0.0.1:1", "--timout", "3"],
            2,
            "No such option '--timout'. Did you mean '--timeout'?",
        ),
        (
            ["heartbeat", "tcp://127.0.0.1:1", "--loop", "gevent"],
            2,
            "'gevent' is not one of 'asyncio', 'uvloop', 'trio'",
        ),
        (["subscribe", "tcp://127.0.0.1:1", "--since", "yesterday"], 2, "'yesterday' is neither milliseconds"),
        (["subscribe", "tcp://127.0.0.1:1", "--count", "0"], 2, "0 is not in the range x>=1"),
        (["heartbeat", "tpc://127.0.0.1:1"], 1, "unknown scheme 'tpc'; did you mean tcp?"),
        (["heartbeat", "127.0.0.1:1"], 1, "'127.0.0.1:1'"),
        (["heartbeat", "tcp://127.0.0.1"], 1, "is not host:port"),
        (["heartbeat", "tcp://127.0.0.1:1"], 1, "UNAVAILABLE: cannot connect to tcp://127.0.0.1:1"),
        (["heartbeat", "grpc://127.0.0.1:1"], 1, "UNAVAILABLE: "),
        (["heartbeat", "unix:///nonexistent/socket"], 1, "UNAVAILABLE: "),
        (["node", "--listen", "tcp://127.0.0.1:0", "--cert-file", "/nonexistent"], 1, "cert_file"),
        (["node", "--listen", "unix:///nonexistent/socket"], 1, "cannot listen on unix:///nonexistent/socket"),
    ],
)
def test_each_failure_is_one_line(
    arguments: list[str], exit_code: int, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == exit_code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("eventflux: ")
    assert captured.err.count("\n") == 1
    assert fault in captured.err


WITHOUT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name == {package!r}:
            raise ModuleNotFoundError("there is no such package", name=name)

sys.meta_path.insert(0, Absent())
from eventflux_node.cli import main
sys.exit(main([{command!r}, "--help"]))
"""


def run_without(package: str, command: str) -> subprocess.CompletedProcess[str]:
    """A command's help in a process that finds everything but one package."""
    program = WITHOUT.format(package=package, command=command)
    arguments = [sys.executable, "-W", "error", "-c", program]
    return subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(("package", "command"), [("click", "heartbeat"), ("psutil", "node"), ("rich", "publish")])
def test_a_missing_extra_is_named_with_its_command(package: str, command: str) -> None:
    result = run_without(package, command)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        "eventflux: the eventflux command needs an extra: run pip install 'eventflux-transport[cli]'\n"
    )


def test_another_module_that_is_missing_is_no_missing_extra() -> None:
    result = run_without("anyio", "heartbeat")
    assert result.returncode == 1
    assert "Traceback" in result.stderr
    assert "pip install" not in result.stderr
