"""`eventflux bench`: load on one method, and the figures that come of it."""

from __future__ import annotations

import gc
import importlib.util
import signal
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import anyio
import click

from eventflux_node.bench.load import run_load
from eventflux_node.bench.order import BenchOrder
from eventflux_node.bench.raw import ReceivedBytes, raw_method
from eventflux_node.bench.report import record_of, text_of
from eventflux_node.bench.tally import Tally
from eventflux_node.cli.explained import ExplainedCommand
from eventflux_node.cli.header import header_option
from eventflux_node.cli.loop import run_async
from eventflux_node.cli.option import client_config, client_options, seconds_option
from eventflux_node.cli.output import can_show, json_line
from eventflux_node.cli.progress import Show, progress_bar
from eventflux_node.cli.schema_option import schema_choice, schema_options
from eventflux_node.request_text import request_texts
from eventflux_node.schema.opening import SchemaChoice, open_schema
from eventflux_runtime import (
    CallOptions,
    ClientConfig,
    Metadata,
    MetadataValue,
    MissingExtraError,
    TransportError,
    connect,
)

__all__ = ["command"]

_LOOK_UP_S: Final = 10.0
_BEAT_S: Final = 0.1
"""From one look at how far a run is to the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """A run, and what is made of its figures."""

    url: str
    name: str
    data: Sequence[str]
    config: ClientConfig
    choice: SchemaChoice
    order: BenchOrder
    connections: int
    as_json: bool
    plot: Path | None


def _plot_path(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
    if value is not None and value.suffix.lower() not in {".png", ".svg"}:
        raise click.BadParameter(f"{value} is neither .png nor .svg", ctx, param)
    return value


@click.command(
    "bench",
    cls=ExplainedCommand,
    examples=(
        'eventflux bench grpc://127.0.0.1:50051 shop.v1.Items/Get \'{"sku": "bolt"}\' --duration 10',
        "eventflux bench tcp://127.0.0.1:7070 shop.v1.Items/Get --package shop_rpc --rate 5000 --json",
        "eventflux bench tcp://127.0.0.1:7070 shop.v1.Items/Get --count 100000 --plot latency.svg",
    ),
    exit_codes={
        "0": "at least one call ended with OK, or brought a message",
        "1": "none did, or it could not be begun",
        "2": "the command line is wrong",
    },
)
@click.argument("url")
@click.argument("method", metavar="SERVICE/METHOD")
@click.argument("data", nargs=-1, metavar="[DATA]...")
@click.option(
    "--concurrency",
    "-c",
    type=click.IntRange(1, 100_000),
    default=64,
    show_default=True,
    help="Calls in flight at most.",
)
@seconds_option(
    "--duration", None, "How long calls are begun [default: 5, unless --count is given].", is_zero_allowed=False
)
@click.option("--count", "-n", type=click.IntRange(1), help="How many calls to make, instead of --duration.")
@click.option(
    "--rate",
    type=click.FloatRange(0, min_open=True),
    metavar="CALLS/S",
    help="Begin so many calls a second, however long they take [default: as many as come back].",
)
@click.option(
    "--connections",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="Connections to spread the calls over.",
)
@seconds_option("--warm-up", None, "Calls ahead of the run that do not count [default: 0.5, with --count 0].")
@click.option(
    "--messages",
    type=click.IntRange(0),
    default=100,
    show_default=True,
    help="Requests of each call of a method that streams them; DATA in turn.",
)
@seconds_option("--timeout", 20.0, "The deadline of each call.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as one line of JSON.")
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    callback=_plot_path,
    metavar="FILE.png|svg",
    help="Draw the latencies into a file.",
)
@header_option
@schema_options
@client_options
def command(  # noqa: PLR0913 - click hands over each option as a parameter
    *,
    url: str,
    method: str,
    data: tuple[str, ...],
    concurrency: int,
    duration_s: float | None,
    count: int | None,
    rate: float | None,
    connections: int,
    warm_up_s: float | None,
    messages: int,
    timeout_s: float,
    as_json: bool,
    plot: Path | None,
    headers: tuple[tuple[str, MetadataValue], ...],
    loop: str,
    **options: Any,
) -> int:
    """Call SERVICE/METHOD of the server at URL again and again, and show calls a second and latencies.

    Requests are encoded once, responses are counted and not decoded. Of methods that stream, messages a second are
    shown too; a stream that has no end is left when the run is over. Ctrl-C shows what was measured until then.

    With --rate, a call that cannot begin when it is due, because --concurrency are in flight, is timed from when it
    was due: a server that stalls is charged for all calls that it held up.
    """
    if count is not None and duration_s is not None:
        raise click.UsageError("a run ends by --duration or by --count")
    if plot is not None and importlib.util.find_spec("matplotlib") is None:
        raise MissingExtraError("--plot", "plot")
    order = BenchOrder(
        concurrency=concurrency if count is None else min(concurrency, count),
        duration_s=5.0 if duration_s is None and count is None else duration_s,
        count=count,
        rate=rate,
        warm_up_s=warm_up_s if warm_up_s is not None else 0.5 if count is None else 0.0,
        messages=messages,
        timeout_s=timeout_s,
        metadata=Metadata(headers),
    )
    task = _Task(
        url=url,
        name=method,
        data=data or ("{}",),
        choice=schema_choice(options),
        config=client_config(options),
        order=order,
        connections=connections,
        as_json=as_json,
        plot=plot,
    )
    return run_async(loop, lambda: _bench(task))


async def _bench(task: _Task) -> int:
    """Runs the load and shows what came of it. Returns the exit code.

    Raises:
        TransportError: the method is not known, DATA is none of its requests, or no call gets through.
    """
    async with AsyncExitStack() as stack:
        channels = [
            await stack.enter_async_context(connect(task.url, config=task.config)) for _ in range(task.connections)
        ]
        look_up = CallOptions(timeout_s=_LOOK_UP_S, metadata=task.order.metadata)
        callee = await open_schema(task.choice, channels[0], look_up).callee(task.name)
        texts = request_texts(task.data, by_line=callee.method.kind.streams_requests)
        async with aclosing(texts):
            requests = [await callee.read(request.text) async for request in texts]
        if not requests:
            raise TransportError("there is no request to send: DATA is empty")
        received = ReceivedBytes()
        method, raw = raw_method(callee.method, requests, received)
        tally = Tally(received)
        async with _interruptible() as interrupt:
            if task.order.warm_up_s:
                warm_up = replace(task.order, duration_s=task.order.warm_up_s, count=None)
                await run_load(channels, method, raw, warm_up, Tally(received))
            gc.collect()
            gc.freeze()  # what is there by now is not looked at during the run
            tally = Tally(received)
            with progress_bar(task.name, lambda: task.order.count or task.order.duration_s, "calls") as show:
                async with _shown(task.order, tally, show):
                    await run_load(channels, method, raw, task.order, tally)
    record = record_of(
        tally,
        task.order,
        method,
        url=task.url,
        connections=task.connections,
        is_interrupted=interrupt.cancelled_caught,
    )
    print(json_line(record) if task.as_json else text_of(record, bar="█" if can_show("█") else "#"))
    if task.plot is not None and tally.calls:
        from eventflux_node.bench.plot import draw  # noqa: PLC0415 - needs matplotlib, which few have

        draw(record, tally.latencies, task.plot)
    return 0 if tally.calls or tally.received_messages else 1


@asynccontextmanager
async def _interruptible() -> AsyncGenerator[anyio.CancelScope]:
    """A scope that Ctrl-C cancels, and nothing else does."""
    async with anyio.create_task_group() as tasks:
        with anyio.CancelScope() as scope:

            async def listen() -> None:
                with anyio.open_signal_receiver(signal.SIGINT) as signals:
                    async for _ in signals:
                        scope.cancel()

            tasks.start_soon(listen)
            yield scope
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def _shown(order: BenchOrder, tally: Tally, show: Show) -> AsyncGenerator[None]:
    """Tells a progress bar now and then how far a run is."""

    async def beat() -> None:
        while True:
            await anyio.sleep(_BEAT_S)
            calls = tally.calls + tally.failed_calls
            show(calls if order.count is not None else tally.elapsed_s(), calls)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(beat)
        yield
        tasks.cancel_scope.cancel()
