"""`eventflux node`: it runs on every event loop, ends well, and names what it cannot listen on."""

from __future__ import annotations

import json
import signal
import socket
import urllib.request
from pathlib import Path

import pytest

from eventflux_node.cli import main
from tests.support.node_command import eventflux, running_node, running_subscriber


@pytest.mark.slow
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


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for scheme in ("tcp", "grpc"):
            url = f"{scheme}://127.0.0.1:{taken.getsockname()[1]}"
            result = eventflux("node", "--listen", url)
            assert result.returncode == 1
            assert result.stderr.startswith(f"eventflux: cannot listen on {url}")
            assert result.stderr.count("\n") == 1


def test_a_node_tells_its_stats_and_shows_metrics_where_it_is_told_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_node(tmp_path, "--stats", "--metrics") as node:
        assert main(["top", *node.urls, "--once", "--json", "--interval", "0.1"]) == 0
        with urllib.request.urlopen(node.urls[0].replace("tcp", "http") + "/metrics", timeout=10) as page:
            text = page.read().decode()
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["url"] for record in records] == node.urls
    assert 'eventflux_server_calls_total{service="eventflux.stats.v1.Stats",method="Get",code="OK"} 6' in text
