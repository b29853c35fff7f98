"""`eventflux node --workers`: one node to those who use it, whichever of its processes they meet."""

from __future__ import annotations

import json
from pathlib import Path

from eventflux_node.cli import main
from tests.support.node_command import running_node, running_subscriber

PUBLISHERS = 8


def test_subscribers_of_one_worker_get_what_others_are_given(tmp_path: Path) -> None:
    lines = tmp_path / "events.jsonl"
    log = tmp_path / "log"
    wanted = ("--workers", "2", "--log-format", "json", "--access-log", "--log-level", "info")
    with running_node(tmp_path, *wanted, log=log) as node:
        tcp, grpc, unix = node.urls
        with running_subscriber(node, grpc, "--count", str(PUBLISHERS)) as subscriber:
            for number in range(PUBLISHERS):
                lines.write_text(json.dumps({"number": number}) + "\n")
                assert main(["publish", (tcp, unix)[number % 2], str(lines)]) == 0
            output, errors = subscriber.communicate(timeout=30)
        assert (subscriber.returncode, errors) == (0, "")
    got = [json.loads(line) for line in output.splitlines()]
    assert len(got) == PUBLISHERS
    told = [json.loads(line) for line in log.read_text().splitlines()]
    calls = [line for line in told if line["logger"] == "eventflux_runtime.access"]
    assert sum(line["method"].endswith("/StreamMessages") for line in calls) == PUBLISHERS
