"""`eventflux publish`: every record reaches a subscriber, and a wrong one is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.node_command import eventflux, running_node, running_subscriber


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
