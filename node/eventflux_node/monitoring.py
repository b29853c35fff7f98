"""`eventflux monitor`: how nodes are, a line of JSON whenever that changes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from eventflux_node.output import json_text
from eventflux_runtime import ClientConfig
from eventflux_transport import HealthChange, HeartbeatMonitor, MonitorConfig, NodeHealth

__all__ = ["print_changes"]


async def print_changes(
    urls: Sequence[str], node_id: str, client: ClientConfig, config: MonitorConfig, count: int | None
) -> int:
    """Prints changes as they happen, without end, or until `count` of them. Returns the exit code, 0.

    Raises:
        ConfigError: a URL is wrong, or stands twice.
    """
    left = count
    async with HeartbeatMonitor(urls, config=config, client=client, node_id=node_id) as monitor:
        async for change in monitor:
            # Each line leaves at once: whoever reads a pipe sees a change when it happens, not when a buffer fills.
            print(_line(change), flush=True)
            if left is not None:
                left -= 1
                if left <= 0:
                    break
    return 0


def _line(change: HealthChange) -> str:
    moment = datetime.fromtimestamp(change.time_ms / 1000, UTC)
    record: dict[str, Any] = {
        "time": moment.isoformat(timespec="milliseconds"),
        "url": change.url,
        "health": change.health.name,
    }
    if change.previous is not NodeHealth.UNKNOWN:
        record["previous"] = change.previous.name
    if change.answer is not None:
        record["node"] = change.answer.server_node_id
    record["reason"] = change.reason
    return json_text(record)
