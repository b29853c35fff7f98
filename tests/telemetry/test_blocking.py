"""The stats of a server, asked for without an event loop."""

from __future__ import annotations

from contextlib import closing

import pytest

from eventflux_runtime import ConfigError, blocking
from eventflux_runtime.blocking import BlockingStatsClient
from tests.support.busy import busy_shop

PATH = "/shop.inventory.v1.Inventory/GetItem"


def test_a_blocking_client_sees_the_same() -> None:
    with busy_shop() as url, blocking.connect(url) as channel:
        client = BlockingStatsClient(channel)
        first = client.get(timeout_s=20)
        with closing(client.watch(0.1, timeout_s=20)) as reports:
            later = next(reports), next(reports)
        with pytest.raises(ConfigError, match="interval_s"):
            next(client.watch(0))
    assert {report.instance for report in later} == {first.instance}
    assert first.uptime_s < later[0].uptime_s < later[1].uptime_s
    assert later[1].stats.methods[PATH].started > 0
