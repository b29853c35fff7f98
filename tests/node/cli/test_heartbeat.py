"""`eventflux heartbeat`: what a node says is readable."""

from __future__ import annotations

from pathlib import Path

from tests.support.node_command import eventflux, running_node


def test_a_heartbeat_is_readable(tmp_path: Path) -> None:
    with running_node(tmp_path, "--cluster-id", "cluster-1") as node:
        result = eventflux("heartbeat", node.urls[2])
    assert (result.returncode, result.stderr) == (0, "")
    figures = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert figures["node"] == "node-1"
    assert figures["cluster_nodes"] == "1 healthy of 1"
    assert float(figures["answered_in_ms"]) > 0
