"""`eventflux heartbeat`: how a node says it is."""

from __future__ import annotations

import time
from typing import Any

import click

from eventflux_node.cli.loop import run_async
from eventflux_node.cli.option import client_config, client_options, node_id_option, seconds_option
from eventflux_node.cli.output import json_line
from eventflux_runtime import ClientConfig, connect
from eventflux_transport import HeartbeatRequest, HeartbeatResponse, NodeStatus, TransportClient

__all__ = ["command"]


@click.command("heartbeat")
@click.argument("url")
@seconds_option("--timeout", 5.0, "How long to wait for the answer.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
@node_id_option("How we call ourselves.")
@client_options
def command(*, url: str, timeout_s: float, as_json: bool, node_id: str, loop: str, **options: Any) -> int:
    """Ask the node at URL how it is."""
    config = client_config(options)
    return run_async(loop, lambda: _print_heartbeat(url, node_id, config, timeout_s, as_json))


async def _print_heartbeat(url: str, node_id: str, config: ClientConfig, timeout_s: float, as_json: bool) -> int:
    """Asks a node once and prints its answer. Returns the exit code, 0.

    Raises:
        TransportError: the node cannot be reached, or did not answer in time.
    """
    started = time.perf_counter()
    async with connect(url, config=config) as channel:
        request = HeartbeatRequest(node_id=node_id, timestamp=time.time_ns() // 1_000_000)
        answer = await TransportClient(channel).heartbeat(request, timeout_s=timeout_s)
    milliseconds = (time.perf_counter() - started) * 1000
    figures = {**_figures(answer), "answered_in_ms": round(milliseconds, 1)}
    if as_json:
        print(json_line(figures))
        return 0
    width = max(len(name) for name in figures)
    for name, value in figures.items():
        print(f"{name:<{width}}  {value}")
    return 0


def _figures(answer: HeartbeatResponse) -> dict[str, Any]:
    status = answer.server_status if answer.server_status is not None else NodeStatus()
    figures: dict[str, Any] = {
        "node": answer.server_node_id,
        "health": status.health.name,
        "version": status.version,
        "cpu_percent": round(status.cpu_usage, 1),
        "memory_percent": round(status.memory_usage, 1),
        "active_connections": status.active_connections,
        "events_per_second": status.events_per_second,
        **status.metadata,
    }
    if answer.cluster_info is not None:
        cluster = answer.cluster_info
        figures["cluster"] = cluster.cluster_id
        figures["cluster_nodes"] = f"{cluster.healthy_nodes} healthy of {cluster.total_nodes}"
    return figures
