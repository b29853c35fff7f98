"""`eventflux demo`: the demo's options."""

from __future__ import annotations

import click

from eventflux_node.cli.loop import run_async
from eventflux_node.cli.option import loop_option
from eventflux_node.demo.run import run_demo

__all__ = ["command"]


@click.command("demo")
@click.option("--limit", type=click.IntRange(12), help="Publish only the first readings [default: all].")
@loop_option
def command(limit: int | None, loop: str) -> int:
    """Publish a real data set over every wire, check what subscribers get, and show figures and a chart."""
    return run_async(loop, lambda: run_demo(limit, loop))
