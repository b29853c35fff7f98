"""`eventflux publish`: every record reaches a subscriber, and a wrong one is named."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.node_command import COMMAND, eventflux, running_node, running_subscriber


@pytest.mark.slow
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


def test_standard_input_is_published_and_bad_lines_are_left_out(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        command = [*COMMAND, "publish", node.urls[0], "-", "--format", "jsonl"]
        text = '1\nno json\n2\n{"a":\n3\n'
        done = subprocess.run(
            [*command, "--skip-bad-lines"], input=text, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0
        assert done.stdout.startswith("published 3 events in ")
        assert done.stderr.startswith("eventflux: left out 2 bad lines: standard input, line 2: not JSON: ")
        assert done.stderr.count("\n") == 1
        strict = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=60)
        assert strict.returncode == 1
        assert strict.stderr.startswith("eventflux: standard input, line 2: not JSON: ")
        assert node.heartbeat()["events_total"] == "4"


def test_input_that_does_not_end_keeps_nobody_from_ending(tmp_path: Path) -> None:
    with running_node(tmp_path) as node, running_subscriber(node, node.urls[0], "--count", "1") as subscriber:
        command = [*COMMAND, "publish", node.urls[0], "-", "--stream", "log"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as publisher:
            assert publisher.stdin is not None
            publisher.stdin.write("first\n")
            publisher.stdin.flush()
            output, _ = subscriber.communicate(timeout=30)  # it is published while more may come
            publisher.send_signal(signal.SIGINT)
            assert publisher.wait(timeout=30) == 130
    event = json.loads(output)
    assert (event["payload"], event["headers"]) == ("first", {"stream": "log"})
