"""`eventflux top`: what servers do now, by the stats that they serve."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import anyio
import click
from rich.console import Console
from rich.live import Live

from eventflux_node.cli.explained import ExplainedCommand
from eventflux_node.cli.header import header_option
from eventflux_node.cli.keyboard import keys
from eventflux_node.cli.loop import run_async
from eventflux_node.cli.option import client_config, client_options, seconds_option
from eventflux_node.cli.output import json_line
from eventflux_node.failure import CommandFailure
from eventflux_node.top.rate import SORT_KEYS, record_of
from eventflux_node.top.table import Screen, page_of
from eventflux_node.top.watch import ServerView, Watch
from eventflux_runtime import Metadata, MetadataValue

__all__ = ["command"]

_KEYS: Final = {"c": "calls", "e": "errors", "f": "in-flight", "p": "p99", "b": "bytes", "n": "name"}
_FOOTER: Final = "q quits; sorted by {}: c calls, e errors, f in flight, p p99, b bytes, n name"
_WIDE: Final = 1000
"""Columns where no terminal says how many there are: lines are as long as they have to be."""


@dataclass(slots=True, kw_only=True)
class _Top:
    """The servers that are looked at, and how."""

    views: Sequence[ServerView]
    watch: Watch
    sort: str
    as_json: bool


@click.command(
    "top",
    cls=ExplainedCommand,
    examples=(
        "eventflux top tcp://127.0.0.1:7070",
        "eventflux top grpc://shop-1:50051 grpc://shop-2:50051 --sort p99",
        "eventflux top tcp://127.0.0.1:7070 --once --json",
    ),
    exit_codes={
        "0": "it was left by q; with --once: every server answered",
        "1": "no server tells its stats; with --once: one did not answer",
        "2": "the command line is wrong",
    },
)
@click.argument("urls", nargs=-1, required=True, metavar="URL...")
@click.option(
    "--interval",
    "interval_s",
    type=click.FloatRange(0.1, 3600),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="From one look at a server to the next; rates are those between.",
)
@click.option(
    "--sort", type=click.Choice(list(SORT_KEYS)), default="calls", show_default=True, help="What comes first."
)
@click.option("--once", is_flag=True, help="Look for one interval, print what there was, and end.")
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each server and interval.")
@seconds_option("--timeout", 5.0, "How long a server may take to answer.", is_zero_allowed=False)
@header_option
@client_options
def command(
    *,
    urls: tuple[str, ...],
    interval_s: float,
    sort: str,
    once: bool,
    as_json: bool,
    timeout_s: float,
    headers: tuple[tuple[str, MetadataValue], ...],
    loop: str,
    **options: Any,
) -> int:
    """Show what the servers at URL... do now: calls a second, latencies, errors, bytes and connections.

    They have to serve their stats: ServerConfig(stats=True), or eventflux node --stats. On a terminal the page renews
    itself, and keys sort it; elsewhere a page is printed after each interval.
    """
    watch = Watch(config=client_config(options), metadata=Metadata(headers), interval_s=interval_s, timeout_s=timeout_s)
    views = [ServerView(url) for url in dict.fromkeys(urls)]
    top = _Top(views=views, watch=watch, sort=sort, as_json=as_json)
    return run_async(loop, lambda: _look_once(top) if once else _look_on(top), goes_on=not once)


async def _look_once(top: _Top) -> int:
    """Prints what there was in one interval. Returns the exit code.

    Raises:
        CommandFailure: no server answered.
    """
    async with anyio.create_task_group() as tasks:
        for view in top.views:
            tasks.start_soon(top.watch.look_once, view)
    troubled = [view for view in top.views if view.trouble]
    if len(troubled) == len(top.views):
        raise CommandFailure("; ".join(f"{view.url}: {view.trouble}" for view in troubled))
    if top.as_json:
        for view in top.views:
            _print_record(view)
    else:
        _print_page(top)
    return 1 if troubled else 0


async def _look_on(top: _Top) -> int:
    """Shows the servers until somebody ends it. Returns the exit code.

    Raises:
        CommandFailure: none of them serves stats.
    """
    if top.as_json:
        await _follow(top, _print_record)
    elif sys.stdout.isatty() and not Console().is_dumb_terminal:
        return await _show(top)
    else:
        await _print_pages(top)
    raise _nothing_told(top)


def _nothing_told(top: _Top) -> CommandFailure:
    return CommandFailure("; ".join(f"{view.url}: {view.trouble}" for view in top.views))


async def _follow(top: _Top, changed: Callable[[ServerView], None]) -> None:
    """Keeps the views up to date; returns when no server is left that serves stats."""
    async with anyio.create_task_group() as tasks:
        for view in top.views:
            tasks.start_soon(top.watch.follow, view, changed)


async def _print_pages(top: _Top) -> None:
    """Prints a page after each interval, as long as there is a server that serves stats."""

    async def print_on() -> None:
        while True:
            await anyio.sleep(top.watch.interval_s)
            if any(view.rates is not None or view.trouble for view in top.views):
                _print_page(top)
                print(flush=True)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(print_on)
        await _follow(top, lambda view: None)
        tasks.cancel_scope.cancel()


async def _show(top: _Top) -> int:
    """Shows a page that renews itself on the terminal until ``q`` is pressed. Returns the exit code.

    Raises:
        CommandFailure: none of the servers serves stats.
    """
    console = Console()
    with Live(console=console, screen=True, auto_refresh=False) as live:

        def show(_: ServerView | None = None) -> None:
            screen = Screen(console.width, console.height)
            live.update(page_of(top.views, top.sort, screen=screen, footer=_FOOTER.format(top.sort)), refresh=True)

        async def listen() -> None:
            async with aclosing(keys()) as pressed:
                async for key in pressed:
                    if key == "q":
                        tasks.cancel_scope.cancel()
                    top.sort = _KEYS.get(key, top.sort)
                    show()

        async with anyio.create_task_group() as tasks:
            show()
            tasks.start_soon(listen)
            await _follow(top, show)
            tasks.cancel_scope.cancel()
    if all(view.is_silent for view in top.views):
        raise _nothing_told(top)
    return 0


def _print_page(top: _Top) -> None:
    console = Console(width=None if sys.stdout.isatty() else _WIDE)
    with console.capture() as captured:
        console.print(page_of(top.views, top.sort))
    print("\n".join(line.rstrip() for line in captured.get().splitlines()), flush=True)


def _print_record(view: ServerView) -> None:
    """Prints a line of JSON, unless there is nothing to tell yet."""
    told = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "url": view.url}
    if view.trouble:
        print(json_line(told | {"error": view.trouble}), flush=True)
    elif view.rates is not None:
        print(json_line(told | record_of(view.rates)), flush=True)
