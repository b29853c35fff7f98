"""What Prometheus reads: judged by the parser of its client library."""

from __future__ import annotations

import math
import pickle
import urllib.error
import urllib.request
from itertools import pairwise
from typing import Any

import anyio
import anyio.to_thread
import pytest
from prometheus_client.parser import text_string_to_metric_families

from eventflux_runtime import (
    PROMETHEUS_CONTENT_TYPE,
    AddressStats,
    CallStats,
    ChannelStats,
    ConfigError,
    EndpointStats,
    LatencyHistogram,
    Page,
    ServerConfig,
    ServerStats,
    StatusCode,
    WebConfig,
    connect,
    prometheus_text,
    serve,
)
from eventflux_runtime.telemetry.process import process_text
from eventflux_runtime.testing import memory_endpoint
from eventflux_transport import Message, TransportClient
from tests.support.probe import Probe

BUCKETS = len(LatencyHistogram.BOUNDS_S) + 1
CALLS = CallStats(
    started=7,
    ended={StatusCode.OK: 4, StatusCode.NOT_FOUND: 2},
    retries=1,
    latency=LatencyHistogram((1,) * 3 + (0,) * (BUCKETS - 4) + (3,), 1.5),
    sent_messages=5,
    received_messages=6,
    sent_bytes=500,
    received_bytes=600,
)
SERVER = ServerStats(
    methods={"/shop.v1.Items/Get": CALLS, "(others)": CallStats(started=1)},
    refused_calls=3,
    endpoints=(EndpointStats(endpoint="tcp://[::1]:7070", connections=2, accepted=5, refused=1),),
)
CHANNEL = ChannelStats(
    target="tcp://a:1",
    queued_calls=2,
    methods={"/shop.v1.Items/Get": CALLS},
    addresses=(
        AddressStats(
            address="tcp://10.0.0.1:1", ready=2, draining=1, connect_attempts=9, connect_failures=4, is_ejected=True
        ),
    ),
)


def read(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """The samples of a page, as Prometheus' own parser reads them."""
    found: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation, family
        assert family.type in {"counter", "gauge", "histogram"}, family
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, f"{key} stands twice"
            found[key] = sample.value
    return found


def key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return (f"eventflux_{name}", frozenset(labels.items()))


METHOD = {"service": "shop.v1.Items", "method": "Get"}


def test_what_a_server_counts_is_on_the_page() -> None:
    found = read(prometheus_text(SERVER))
    assert found[key("server_calls_started_total", **METHOD)] == 7
    assert found[key("server_calls_started_total", service="", method="(others)")] == 1
    assert found[key("server_calls_total", **METHOD, code="OK")] == 4
    assert found[key("server_calls_total", **METHOD, code="NOT_FOUND")] == 2
    assert found[key("server_calls_total", service="", method="(others)", code="OK")] == 0
    assert found[key("server_calls_in_flight", **METHOD)] == 1
    assert found[key("server_sent_messages_total", **METHOD)] == 5
    assert found[key("server_received_messages_total", **METHOD)] == 6
    assert found[key("server_sent_bytes_total", **METHOD)] == 500
    assert found[key("server_received_bytes_total", **METHOD)] == 600
    assert found[key("server_refused_calls_total")] == 3
    assert found[key("server_connections", endpoint="tcp://[::1]:7070")] == 2
    assert found[key("server_accepted_connections_total", endpoint="tcp://[::1]:7070")] == 5
    assert found[key("server_refused_connections_total", endpoint="tcp://[::1]:7070")] == 1


def test_a_histogram_is_cumulative_and_ends_with_all_calls() -> None:
    found = read(prometheus_text(SERVER))
    buckets = {
        float(dict(labels)["le"]): value
        for (name, labels), value in found.items()
        if name == "eventflux_server_call_duration_seconds_bucket" and ("method", "Get") in labels
    }
    assert buckets[1e-5] == 1
    assert buckets[2e-5] == 3
    assert buckets[100] == 3
    assert buckets[math.inf] == 6
    assert all(below[1] <= above[1] for below, above in pairwise(sorted(buckets.items())))
    assert sorted(buckets)[:5] == [1e-5, 2e-5, 5e-5, 1e-4, 2e-4]
    assert len(buckets) == 23
    assert found[key("server_call_duration_seconds_sum", **METHOD)] == 1.5
    assert found[key("server_call_duration_seconds_count", **METHOD)] == 6


def test_what_a_channel_counts_is_on_the_page() -> None:
    found = read(prometheus_text(CHANNEL))
    target = {"target": "tcp://a:1"}
    address = {**target, "address": "tcp://10.0.0.1:1"}
    assert found[key("client_attempts_total", **target, **METHOD, code="NOT_FOUND")] == 2
    assert found[key("client_attempts_started_total", **target, **METHOD)] == 7
    assert found[key("client_attempts_in_flight", **target, **METHOD)] == 1
    assert found[key("client_attempt_duration_seconds_count", **target, **METHOD)] == 6
    assert found[key("client_retries_total", **target, **METHOD)] == 1
    assert found[key("client_queued_calls", **target)] == 2
    states = {state: found[key("client_connections", **address, state=state)] for state in ("ready", "draining")}
    assert states == {"ready": 2, "draining": 1}
    assert found[key("client_connect_attempts_total", **address)] == 9
    assert found[key("client_connect_failures_total", **address)] == 4
    assert found[key("client_ejections_total", **address)] == 0
    assert found[key("client_address_ejected", **address)] == 1


def test_stats_of_several_are_added_up_where_they_are_of_one_thing() -> None:
    found = read(prometheus_text(SERVER, CHANNEL, SERVER, replace_target("tcp://b:1"), CHANNEL))
    assert found[key("server_calls_started_total", **METHOD)] == 14
    assert found[key("server_call_duration_seconds_count", **METHOD)] == 12
    assert found[key("client_attempts_started_total", target="tcp://a:1", **METHOD)] == 14
    assert found[key("client_attempts_started_total", target="tcp://b:1", **METHOD)] == 7
    assert prometheus_text() == ""


def replace_target(target: str) -> ChannelStats:
    return ChannelStats(target=target, methods=CHANNEL.methods)


def test_whatever_a_label_holds_can_be_read_again() -> None:
    nasty = 'a"b\\c\nd\\n'
    found = read(prometheus_text(ChannelStats(target=nasty, methods={f"/{nasty}/ümlaut": CallStats(started=1)})))
    assert found[key("client_attempts_started_total", target=nasty, service=nasty, method="ümlaut")] == 1


@pytest.mark.parametrize("wrong", [None, "x", CALLS])
def test_other_things_are_refused(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="prometheus_text takes what"):
        prometheus_text(wrong)


def test_the_process_is_described_as_client_libraries_do() -> None:
    found = read(process_text())
    values = {name: value for (name, labels), value in found.items()}
    assert values["process_cpu_seconds_total"] > 0
    assert 1e9 < values["process_start_time_seconds"] < 1e11
    assert 1e6 < values["process_resident_memory_bytes"] < values["process_virtual_memory_bytes"]
    assert 0 < values["process_open_fds"] < 1e6


def test_a_process_without_proc_is_described_as_far_as_it_goes(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr("eventflux_runtime.telemetry.process._PROC", tmp_path)
    assert [name for name, _ in read(process_text())] == ["process_cpu_seconds_total"]


def get(url: str) -> tuple[int, str, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, "", error.read().decode()


@pytest.mark.usefixtures("anyio_backend")
async def test_a_port_shows_its_servers_stats_where_it_is_told_to() -> None:
    config = ServerConfig(web=WebConfig(metrics="/-/metrics", pages={"/": Page(body=b"hi")}), drain_grace_s=0)
    with anyio.fail_after(20):
        async with serve([Probe()], "tcp+grpc://127.0.0.1:0", config=config) as server:
            port = server.endpoints[0].rpartition(":")[2]
            async with connect(f"grpc://127.0.0.1:{port}") as channel:
                await TransportClient(channel).send_message(Message.event(b"x"))
            status, kind, text = await anyio.to_thread.run_sync(get, f"http://127.0.0.1:{port}/-/metrics")
            home = await anyio.to_thread.run_sync(get, f"http://127.0.0.1:{port}/")
            elsewhere = await anyio.to_thread.run_sync(get, f"http://127.0.0.1:{port}/metrics")
    assert (status, kind) == (200, PROMETHEUS_CONTENT_TYPE)
    found = read(text)
    labels = {"service": "eventflux.transport.Transport", "method": "SendMessage"}
    assert found[key("server_calls_total", **labels, code="OK")] == 1
    assert found[key("server_accepted_connections_total", endpoint=server.endpoints[0])] >= 1
    assert "process_cpu_seconds_total" in text
    assert home[2] == "hi"
    assert elsewhere[0] == 404


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("metrics", "no path: it begins with a slash"),
        ("/a?b", "neither"),
        ("/healthz", "choose another path"),
        ("/", "one of the pages already"),
    ],
)
def test_a_path_that_cannot_be_is_refused(path: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as raised:
        WebConfig(metrics=path, pages={"/": Page()})
    assert str(raised.value).startswith("metrics: ")


def test_a_page_that_nobody_could_see_is_refused(tmp_path: Any) -> None:
    config = ServerConfig(web=WebConfig(metrics="/metrics"))
    for url in (memory_endpoint(), f"unix://{tmp_path}/a.sock"):
        with pytest.raises(ConfigError, match=r"no endpoint shows pages: add one of tcp, .*ws"):
            serve([Probe()], url, config=config)
    serve([Probe()], memory_endpoint(), "tcp://127.0.0.1:0", config=config)


def test_a_worker_is_told_of_the_page() -> None:
    web = WebConfig(metrics="/metrics", origins=("same-origin",), pages={"/": Page()})
    assert pickle.loads(pickle.dumps(web)) == web
