"""The demo from its first line to its exit code."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from eventflux_node.demo.chart import bar, chart
from eventflux_node.demo.dataset import Reading, readings
from eventflux_node.demo.drift import compare_with_fresh, idl_config
from eventflux_node.demo.exercise import WireReport, exercise
from eventflux_node.demo.node_process import NodeProcess, start_node

__all__ = ["run_demo"]

WIRES = ("tcp", "grpc", "unix")


async def run_demo(limit: int | None, loop: str) -> int:
    """Runs the demo, prints what it does, and returns the exit code: 1 if any check failed.

    Args:
        limit: publish only this many readings; None: all of them.
        loop: the event loop that the node runs on.

    Raises:
        MissingExtraError: the data set or the generator is not installed.
        TransportError: the node did not start.
    """
    console = Console(highlight=False, soft_wrap=True)
    faults = _check_code(console)
    data = readings()[:limit]
    console.print(f"data   {len(data):,} hourly temperatures of Seattle, as messages of six types")
    with tempfile.TemporaryDirectory(prefix="eventflux-") as folder:
        listen = ("tcp://127.0.0.1:0", "grpc://127.0.0.1:0", f"unix://{folder}/node.sock")
        async with start_node(listen, loop) as node:
            console.print(f"node   process {node.pid} on {', '.join(node.endpoints)}")
            reports = await _exercise_all(node, data)
    has_blocks = not console.options.ascii_only
    console.print(_table(reports, has_blocks=has_blocks))
    if has_blocks:
        console.print(f"the year as the subscriber on {reports[-1].wire} was given it, mean temperatures:")
        console.print("\n".join(chart(reports[-1].received)))
    faults += [fault for report in reports for fault in report.faults]
    if node.exit_code != 0:
        faults.append(f"the node ended with exit code {node.exit_code} where 0 was due")
    for fault in faults:
        console.print(f"failed: {fault}")
    if not faults:
        console.print("each event arrived once, unchanged and in order; the node drained and ended with exit code 0")
    return 1 if faults else 0


def _check_code(console: Console) -> list[str]:
    config = idl_config()
    if config is None:
        console.print("code   not compared: this is an installed package, and its IDL is not with it")
        return []
    count, differences = compare_with_fresh(config)
    if not differences:
        console.print(f"code   {count} files generated afresh from {config.parent.name}/, equal to those in use")
    return differences


async def _exercise_all(node: NodeProcess, data: Sequence[Reading]) -> list[WireReport]:
    # One after the other: side by side they would take each other's time.
    return [await exercise(wire, url, data) for wire, url in zip(WIRES, node.endpoints, strict=True)]


def _table(reports: Sequence[WireReport], *, has_blocks: bool) -> Table:
    table = Table()
    table.add_column("wire")
    for heading in ("events", "call p50, µs", "p99, µs", "events/s"):
        table.add_column(heading, justify="right")
    if has_blocks:
        table.add_column("")
    most = max(report.events_per_second for report in reports)
    for report in reports:
        figures = (report.events, report.p50_us, report.p99_us, report.events_per_second)
        bars = [bar(report.events_per_second, most)] if has_blocks else []
        table.add_row(report.wire, *(f"{figure:,.0f}" for figure in figures), *bars)
    return table
