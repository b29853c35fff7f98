"""`eventflux monitor`: how nodes are, a line of JSON whenever that changes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import click

from eventflux_node.cli.loop import run_async
from eventflux_node.cli.option import client_config, client_options, node_id_option, seconds_option
from eventflux_node.cli.output import json_line, print_lines
from eventflux_runtime import ClientConfig
from eventflux_transport import HealthChange, HeartbeatMonitor, MonitorConfig, NodeHealth

__all__ = ["command"]

_DEFAULT: Final = MonitorConfig()


@click.command("monitor")
@click.argument("urls", nargs=-1, required=True, metavar="URL...")
@seconds_option("--interval", _DEFAULT.interval_s, "How often each node is asked.", is_zero_allowed=False)
@seconds_option("--timeout", _DEFAULT.timeout_s, "How long to wait for each answer.", is_zero_allowed=False)
@seconds_option("--slow", _DEFAULT.slow_s, "An answer that takes longer counts as degraded.", is_zero_allowed=False)
@click.option("--count", type=click.IntRange(1), help="Stop after this many changes [default: go on].")
@node_id_option("How we call ourselves.")
@client_options
def command(
    *,
    urls: tuple[str, ...],
    interval_s: float,
    timeout_s: float,
    slow_s: float,
    count: int | None,
    node_id: str,
    loop: str,
    **options: Any,
) -> int:
    """Ask the nodes at URL... how they are, and print a line of JSON whenever one changes."""
    client = client_config(options)
    config = MonitorConfig(interval_s=interval_s, timeout_s=timeout_s, slow_s=min(slow_s, timeout_s))
    return run_async(loop, lambda: _print_changes(urls, node_id, client, config, count), goes_on=True)


async def _print_changes(
    urls: Sequence[str], node_id: str, client: ClientConfig, config: MonitorConfig, count: int | None
) -> int:
    """Prints changes as they happen, without end, or until `count` of them. Returns the exit code, 0.

    Raises:
        ConfigError: a URL is wrong, or stands twice.
    """
    async with HeartbeatMonitor(urls, config=config, client=client, node_id=node_id) as monitor:
        await print_lines(monitor, _line, count)
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
    return json_line(record)
