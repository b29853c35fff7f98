"""The `eventflux` command: what it prints, and one line with a non-zero exit code for everything that goes wrong."""

from __future__ import annotations

import contextlib
import io
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

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
def running_node(folder: Path, *options: str) -> Iterator[Node]:
    """A node on TCP, gRPC and a Unix socket, stopped by SIGTERM in the end; it must then end well and in silence."""
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


@pytest.mark.parametrize("wire", [0, 1, 2], ids=["tcp", "grpc", "unix"])
def test_what_is_published_is_printed_by_a_subscriber(tmp_path: Path, wire: int) -> None:
    data = tmp_path / "readings.csv"
    data.write_text("date,temp\n2010/01/01,39.4\n2010/01/02,40.1\n2010/01/03,38.9\n")
    with running_node(tmp_path) as node:
        url = node.urls[wire]
        with running_subscriber(node, url, "--count", "3", "--stream", "readings") as subscriber:
            published = eventflux("publish", url, str(data), "--type", "state", "--node-id", "tester")
            assert (published.returncode, published.stderr) == (0, "")
            assert published.stdout.startswith("published 3 events in ")
            output, _ = subscriber.communicate(timeout=30)
            assert subscriber.returncode == 0
    events = [json.loads(line) for line in output.splitlines()]
    assert [json.loads(event["payload"])["temp"] for event in events] == ["39.4", "40.1", "38.9"]
    assert {event["type"] for event in events} == {"STATE"}
    assert {event["source_node"] for event in events} == {"tester"}
    assert all(event["headers"] == {"stream": "readings"} for event in events)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop", "trio"])
def test_a_node_runs_on_every_loop_and_ends_its_subscribers(tmp_path: Path, loop: str) -> None:
    with running_node(tmp_path, "--loop", loop) as node, running_subscriber(node, node.urls[0], "--loop", loop):
        figures = node.heartbeat()
    assert figures["node"] == "node-1"
    assert figures["health"] in ("HEALTHY", "DEGRADED")


def test_a_node_that_stops_ends_a_subscriber_with_one_line(tmp_path: Path) -> None:
    with running_node(tmp_path) as node, running_subscriber(node, node.urls[0]) as subscriber:
        node.process.send_signal(signal.SIGTERM)
        output, errors = subscriber.communicate(timeout=30)
        assert node.process.wait(timeout=30) == 0
    assert (subscriber.returncode, output) == (1, "")
    assert errors == ("eventflux: UNAVAILABLE: the node is stopping: connect to another, or again once it is back\n")


@pytest.mark.parametrize("loop", ["asyncio", "uvloop", "trio"])
def test_a_subscriber_is_stopped_by_ctrl_c_in_silence(tmp_path: Path, loop: str) -> None:
    with running_node(tmp_path) as node, running_subscriber(node, node.urls[0], "--loop", loop) as subscriber:
        subscriber.send_signal(signal.SIGINT)
        output, errors = subscriber.communicate(timeout=30)
    # The line end moves the prompt off the line that the terminal wrote ^C on.
    assert (subscriber.returncode, output, errors) == (130, "", "\n")


def test_a_subscriber_ends_in_silence_when_nobody_reads_its_output(tmp_path: Path) -> None:
    data = tmp_path / "lines.txt"
    data.write_text("a\n" * 10)
    with running_node(tmp_path) as node, running_subscriber(node, node.urls[0]) as subscriber:
        assert subscriber.stdout is not None
        subscriber.stdout.close()
        assert eventflux("publish", node.urls[0], str(data)).returncode == 0
        assert subscriber.stderr is not None
        assert subscriber.stderr.read() == ""
        assert subscriber.wait(timeout=30) == 1


def test_a_heartbeat_is_readable(tmp_path: Path) -> None:
    with running_node(tmp_path, "--cluster-id", "cluster-1") as node:
        result = eventflux("heartbeat", node.urls[2])
    assert (result.returncode, result.stderr) == (0, "")
    figures = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert figures["node"] == "node-1"
    assert figures["cluster_nodes"] == "1 healthy of 1"
    assert float(figures["answered_in_ms"]) > 0


def test_a_wrong_line_is_named_after_what_came_before_it(tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl"
    data.write_text('{"a":1}\n{"a":2}\n{"a":\n{"a":4}\n')
    with running_node(tmp_path) as node:
        result = eventflux("publish", node.urls[0], str(data))
        assert node.heartbeat()["events_total"] == "2"
        missing = eventflux("publish", node.urls[0], str(tmp_path / "missing.csv"))
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"eventflux: {data}, line 3: not JSON: ")
    assert result.stderr.endswith("(2 events before it were published)\n")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr == f"eventflux: cannot read {tmp_path}/missing.csv: no such file or directory\n"


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for scheme in ("tcp", "grpc"):
            url = f"{scheme}://127.0.0.1:{taken.getsockname()[1]}"
            result = eventflux("node", "--listen", url)
            assert result.returncode == 1
            assert result.stderr.startswith(f"eventflux: cannot listen on {url}")
            assert result.stderr.count("\n") == 1


def test_no_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    for command in ("node", "publish", "subscribe", "heartbeat", "monitor", "demo"):
        assert f"\n  {command} " in captured.err


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


def test_a_missing_extra_is_named_with_its_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith("eventflux_node.")]:
        if name != "eventflux_node.cli":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "click", None)
    assert main(["node"]) == 1
    assert capsys.readouterr().err == (
        "eventflux: the eventflux command needs an extra: run pip install 'eventflux-transport[cli]'\n"
    )
