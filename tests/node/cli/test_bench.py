"""`eventflux bench`: what it counts is what the server had, and its figures have stable names."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from eventflux_node.cli import main
from tests.support.node_command import COMMAND
from tests.support.shop import SERVICE, WATCHING

GET = f"{SERVICE}/GetItem"


def bench(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    assert main(["bench", *arguments, "--json"]) == code
    captured = capsys.readouterr()
    assert captured.err == ""
    record: dict[str, Any] = json.loads(captured.out)
    return record


@pytest.mark.parametrize("server", ["tcp", "unix", "grpc", "ws", "grpcio-v1alpha"])
def test_calls_are_counted(server: str, urls: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    record = bench(capsys, urls[server], GET, '{"sku": "bolt"}', "--count", "40", "-c", "4")
    assert (record["calls"], record["failed"], record["unfinished"]) == (40, 0, 0)
    assert (record["sent_messages"], record["received_messages"]) == (40, 40)
    assert sum(row["calls"] for row in record["histogram"]) == 40
    latency = record["latency_ms"]
    assert 0 < latency["min"] <= latency["p50"] <= latency["p99"] <= latency["max"]
    assert record["calls_per_s"] == pytest.approx(40 / record["seconds"], rel=0.01)


def test_the_native_layout_is_spoken_with_a_package(urls: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    by_package = bench(capsys, urls["tcp"], GET, "-n", "10", "--package", "inventory_sdk")
    by_reflection = bench(capsys, urls["tcp"], GET, "-n", "10")
    assert (by_package["calls"], by_reflection["calls"]) == (10, 10)
    assert by_package["received_bytes"] > by_reflection["received_bytes"] > 0  # bincode has fixed widths


@pytest.mark.parametrize(
    ("method", "data", "sent", "received"),
    [
        ("WatchItems", '{"skus": ["a", "b", "c"]}', 6, 18),
        ("RecordChanges", '{"sku": "a"}', 60, 6),
        ("Reserve", '{"sku": "a"}', 60, 60),
    ],
)
@pytest.mark.parametrize("server", ["tcp", "grpc"])
def test_messages_of_streams_are_counted(
    server: str,
    method: str,
    data: str,
    sent: int,
    received: int,
    urls: dict[str, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    record = bench(capsys, urls[server], f"{SERVICE}/{method}", data, "-n", "6", "-c", "2", "--messages", "10")
    assert (record["calls"], record["sent_messages"], record["received_messages"]) == (6, sent, received)
    assert record["received_messages_per_s"] == pytest.approx(received / record["seconds"], rel=0.01)


def test_a_stream_without_end_is_left_at_the_end(urls: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--duration", "0.2", "-c", "3", "--warm-up", "0"]
    record = bench(capsys, urls["tcp"], f"{SERVICE}/WatchItems", '{"skus": ["a", "forever"]}', *options)
    assert (record["calls"], record["unfinished"], record["received_messages"]) == (0, 3, 6)
    assert record["seconds"] == pytest.approx(0.2, abs=0.5)


def test_a_rate_is_kept(urls: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    record = bench(capsys, urls["tcp"], GET, "--rate", "100", "-n", "20", "--connections", "2")
    assert record["calls"] == 20
    assert record["seconds"] >= 0.19
    assert (record["rate"], record["connections"]) == (100.0, 2)


def test_failures_are_counted_by_code(urls: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    record = bench(capsys, urls["grpc"], GET, '{"sku": "missing"}', "-n", "10", code=1)
    assert (record["calls"], record["failed"]) == (0, 10)
    assert record["failures"] == {"NOT_FOUND": {"calls": 10, "example": "NOT_FOUND: no such ïtem"}}


def test_a_run_that_cannot_succeed_is_given_up(urls: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", urls["tcp"], GET, '{"sku": "missing"}', "--duration", "60"]) == 1
    assert capsys.readouterr().err == "eventflux: NOT_FOUND: no such ïtem\n"


def test_the_page_for_people(urls: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", urls["tcp"], GET, "-n", "20", "-c", "2"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(
        f"{GET} at {urls['tcp']}\n  load        2 in flight at most, 1 connection\n  calls       20 in "
    )
    for part in ("\nlatency of a call, ms\n  min ", "\n  p99.9 ", "\ncalls by latency, up to so many ms\n", "█"):
        assert part in out


@pytest.mark.parametrize(("name", "start"), [("plot.png", b"\x89PNG"), ("plot.svg", b"<?xml")])
def test_a_plot_is_drawn(
    name: str, start: bytes, urls: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench(capsys, urls["tcp"], GET, "-n", "20", "--plot", f"{tmp_path}/{name}")
    assert (tmp_path / name).read_bytes().startswith(start)


@pytest.mark.parametrize(
    ("arguments", "code", "fault"),
    [
        (["--count", "1", "--duration", "1"], 2, "a run ends by --duration or by --count"),
        (["--plot", "a.pdf"], 2, "a.pdf is neither .png nor .svg"),
        (["--rate", "0"], 2, "0.0 is not in the range x>0"),
        (["nonsense"], 1, "shop.inventory.v1.GetItemRequest: "),
        (["@/dev/null"], 1, "shop.inventory.v1.GetItemRequest: "),
    ],
)
def test_each_mistake_is_one_line(
    arguments: list[str], code: int, fault: str, urls: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", urls["tcp"], GET, *arguments]) == code
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert fault in captured.err


@pytest.mark.slow
@pytest.mark.parametrize("loop", ["asyncio", "uvloop", "trio"])
def test_ctrl_c_shows_what_was_measured(loop: str, urls: dict[str, str]) -> None:
    options = ["--duration", "60", "--warm-up", "0", "--json", "--loop", loop, "-c", "2"]
    command = [*COMMAND, "bench", urls["tcp"], f"{SERVICE}/WatchItems", '{"skus": ["a", "forever"]}', *options]
    while WATCHING.acquire(blocking=False):
        pass  # of other tests
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert all(WATCHING.acquire(timeout=30) for _ in range(2))
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=30)
    record = json.loads(out)
    assert (record["interrupted"], record["unfinished"], record["calls"]) == (True, 2, 0)
    # Messages may be on their way still.
    assert (process.returncode, errors) == (0 if record["received_messages"] else 1, "")


def test_a_missing_extra_is_named_before_the_run(
    urls: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "matplotlib" else find(name))
    assert main(["bench", urls["tcp"], GET, "--plot", "a.png"]) == 1
    assert capsys.readouterr().err == (
        "eventflux: --plot needs an extra: run pip install 'eventflux-transport[plot]'\n"
    )
