"""`eventflux top`: what it prints once, again and again, and on a terminal."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from eventflux_node.cli import main
from eventflux_node.top.watch import NOT_SERVED
from tests.support.busy import busy_shop
from tests.support.node_command import COMMAND

GET_ITEM = "shop.inventory.v1.Inventory/GetItem"
SHORT = ("--interval", "0.2")


@pytest.fixture(scope="module")
def busy() -> Iterator[str]:
    with busy_shop() as url:
        yield url


def test_one_look_as_a_table(busy: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["top", busy, "--once", *SHORT]) == 0
    line, _, head, *rows = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{busy}  up ")
    assert head.split("  ")[0] == "method"
    (row,) = (row for row in rows if row.startswith(GET_ITEM))
    assert row.endswith(" NOT_FOUND")


def test_one_look_as_json(busy: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["top", busy, "--once", "--json", *SHORT]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["url"] == busy
    assert record["connections"] == 2
    method = record["methods"][GET_ITEM]
    assert 0 < method["failures_per_s"]["NOT_FOUND"] < method["calls_per_s"]
    assert 0 < method["latency_ms"]["p50"] <= method["latency_ms"]["p99"]
    assert method["sent_bytes_per_s"] > 0


def test_a_server_that_does_not_tell_says_what_to_set(
    busy: str, urls: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    for options in (["--once"], ["--json"], []):
        assert main(["top", urls["tcp"], *options, *SHORT]) == 1
        captured = capsys.readouterr()
        assert captured.err == f"eventflux: {urls['tcp']}: {NOT_SERVED}\n"
    assert main(["top", urls["tcp"], busy, "--once", *SHORT]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{urls['tcp']}  {NOT_SERVED}"
    assert any(line.startswith(f"{busy}  {GET_ITEM}") for line in lines)


def test_a_server_that_is_mute_is_not_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"tcp://127.0.0.1:{mute.getsockname()[1]}"
        assert main(["top", url, "--once", "--timeout", "0.1", *SHORT]) == 1
    assert capsys.readouterr().err.startswith(f"eventflux: {url}: DEADLINE_EXCEEDED")


def test_lines_come_until_ctrl_c(busy: str) -> None:
    command = [*COMMAND, "top", busy, "--json", *SHORT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        records = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert records[0]["instance"] == records[1]["instance"]
    assert records[0]["uptime_s"] < records[1]["uptime_s"]
    assert (process.returncode, errors.strip()) == (130, "")


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's")
def test_a_terminal_shows_a_page_and_keys_work(busy: str) -> None:
    import pty
    import termios

    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "160", "LINES": "30"}
    process = subprocess.Popen(
        [*COMMAND, "top", busy, *SHORT], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    )
    try:
        shown = _read_until(ours, "NOT_FOUND")
        os.write(ours, b"ne")
        shown += _read_until(ours, "sorted by errors")
        os.write(ours, b"q")
        shown += _read_until(ours, "\x1b[?1049l")  # the terminal's own screen is back
        assert process.wait(timeout=30) == 0
        assert termios.tcgetattr(theirs) == before
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)
    assert GET_ITEM in shown
    assert "sorted by calls" in shown


def _read_until(descriptor: int, text: str) -> str:
    found = ""
    while text not in found:
        found += os.read(descriptor, 65536).decode(errors="replace")
    return found
