"""What the command writes on terminals of any encoding, and to nobody."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

COMMAND = (sys.executable, "-W", "error", "-m", "eventflux_node")
NAME = "漢 é \U0001f600"
ASCII = {"PYTHONIOENCODING": "ascii"}
LATIN = {"PYTHONIOENCODING": "iso-8859-1"}
FULL = Path("/dev/full")


@contextmanager
def node() -> Iterator[str]:
    """The URL of a node whose name few terminals can show."""
    command = [*COMMAND, "node", "--listen", "tcp://127.0.0.1:0", "--node-id", NAME, "--drain-grace", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


def run(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        encoding="latin-1" if environment == LATIN else "utf-8",
        env={**os.environ, **(environment or {})},
        check=False,
        timeout=60,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "environment", [ASCII, LATIN, {"PYTHONIOENCODING": "utf-8"}], ids=["ascii", "latin-1", "utf-8"]
)
def test_json_is_json_in_every_encoding(environment: dict[str, str]) -> None:
    with node() as url:
        beat = run("heartbeat", url, "--json", environment=environment)
        change = run("monitor", url, "--count", "1", environment=environment)
    for done in (beat, change):
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout)["node"] == NAME


def test_a_table_shows_what_the_terminal_lacks_as_escapes() -> None:
    with node() as url:
        done = run("heartbeat", url, environment=ASCII)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split("\n")[0].split(maxsplit=1)[1] == r"\u6f22 \xe9 \U0001f600"


def test_an_error_shows_them_too() -> None:
    done = run("heartbeat", "漢://127.0.0.1:1", environment=ASCII)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(r"eventflux: ")
    assert r"\u6f22" in done.stderr
    assert done.stderr.count("\n") == 1


def test_who_reads_nothing_costs_one_exit_code_and_no_word() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with node() as url, os.fdopen(writing) as output:
        done = subprocess.run(
            [*COMMAND, "heartbeat", url], stdout=output, stderr=subprocess.PIPE, check=False, timeout=60
        )
    assert (done.returncode, done.stderr) == (141, b"")  # as a shell has it for SIGPIPE


@pytest.mark.slow
@pytest.mark.parametrize("loop", ["asyncio", "uvloop", "trio"])
def test_a_reader_that_leaves_ends_what_goes_on(loop: str) -> None:
    with node() as url:
        monitor = [*COMMAND, "monitor", url, "--loop", loop]
        with subprocess.Popen(monitor, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.readline()  # the only one: nothing changes
            process.stdout.close()
            assert process.wait(timeout=30) == 141
            assert process.stderr.read() == b""


@pytest.mark.skipif(not FULL.exists(), reason="only Linux has a device that is always full")
def test_a_full_disk_is_one_line() -> None:
    with node() as url, FULL.open("w") as output:
        done = subprocess.run(
            [*COMMAND, "heartbeat", url], stdout=output, stderr=subprocess.PIPE, text=True, check=False, timeout=60
        )
    assert done.returncode == 1
    assert done.stderr == "eventflux: [Errno 28] No space left on device\n"


def test_a_process_without_an_output_works() -> None:
    with node() as url:
        line = 'exec "$@" >&-'
        done = subprocess.run(["sh", "-c", line, "sh", *COMMAND, "heartbeat", url], check=False, timeout=60)
    assert done.returncode == 0
