"""What docs/observability.md says of stats and Prometheus: its code runs, and its table has every metric."""

from __future__ import annotations

import re
import urllib.request
from typing import Any

import anyio
import anyio.to_thread
import pytest

from eventflux_runtime import (
    AddressStats,
    CallStats,
    ChannelStats,
    EndpointStats,
    ServerStats,
    connect,
    prometheus_text,
)
from eventflux_runtime.telemetry.process import process_text
from eventflux_runtime.testing import memory_endpoint
from eventflux_transport import Message, TransportClient
from tests.project.import_graph import ROOT
from tests.support.probe import Probe

PAGE = (ROOT / "docs/observability.md").read_text().partition("\n## Stats\n")[2].partition("\n## eventflux top\n")[0]
PATH = "/eventflux.transport.Transport/SendMessage"


@pytest.fixture
def page() -> dict[str, Any]:
    """The names that the code makes, all of it in one module."""
    names: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        exec(block, names)
    return names


async def test_the_recipes(page: dict[str, Any]) -> None:
    url = memory_endpoint()
    with anyio.fail_after(20):
        async with page["open_server"](Probe(), url) as server, connect(url) as channel:
            await TransportClient(channel).send_message(Message())
            assert await page["slowest"](channel) == PATH
            pages = page["metrics_of"](server, channel).pages
            async with page["serve"](
                [], "tcp://127.0.0.1:0", config=page["ServerConfig"](web=page["WebConfig"](pages=pages))
            ) as inward:
                there = f"http://{inward.endpoints[0].removeprefix('tcp://')}/metrics"
                text = await anyio.to_thread.run_sync(lambda: urllib.request.urlopen(there, timeout=10).read().decode())
    assert "eventflux_server_calls_total{" in text
    assert "eventflux_client_attempts_total{" in text
    assert page["scraped"].web.metrics == "/metrics"


def test_every_metric_is_in_the_table() -> None:
    calls = {"/a.B/C": CallStats(started=1)}
    stats = (
        ServerStats(methods=calls, endpoints=(EndpointStats(endpoint="tcp://a:1"),)),
        ChannelStats(target="tcp://a:1", methods=calls, addresses=(AddressStats(address="tcp://a:1"),)),
    )
    made = set(re.findall(r"^# TYPE (\S+)", prometheus_text(*stats) + process_text(), re.MULTILINE))
    prose = re.sub(r"^```.*?^```$", "", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"`((?:eventflux|process)_\w+)`", prose)) - {"eventflux_runtime"} == made
