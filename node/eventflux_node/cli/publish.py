"""`eventflux publish`: the records of a file sent to a node, with a progress bar."""

from __future__ import annotations

import sys
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any, get_args

import click

from eventflux_node.cli.explained import ExplainedCommand
from eventflux_node.cli.loop import run_async
from eventflux_node.cli.message_type import MESSAGE_TYPES
from eventflux_node.cli.option import client_config, client_options, node_id_option
from eventflux_node.cli.progress import progress_bar
from eventflux_node.event_file import STANDARD_INPUT, EventFile, FileFormat, UnreadableFileError
from eventflux_node.publisher import publish
from eventflux_runtime import ClientConfig, connect
from eventflux_transport import TransportClient

__all__ = ["command"]


@click.command(
    "publish",
    cls=ExplainedCommand,
    examples=(
        "eventflux publish tcp://127.0.0.1:7070 readings.csv",
        "tail -f app.log | eventflux publish tcp://127.0.0.1:7070 - --stream app",
        "eventflux publish tcp://127.0.0.1:7070 events.jsonl --skip-bad-lines",
    ),
)
@click.argument("url")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--skip-bad-lines", is_flag=True, help="Leave out lines that are wrong, and say how many there were.")
@click.option(
    "--format",
    "file_format",
    type=click.Choice(get_args(FileFormat)),
    help="What the file holds [default: what its name says: .csv, .jsonl, .ndjson, else plain lines].",
)
@click.option(
    "--stream", help="The stream that the events belong to [default: the file's name without its suffix, or stdin]."
)
@click.option(
    "--type",
    "type_name",
    type=click.Choice(tuple(MESSAGE_TYPES)),
    default="event",
    show_default=True,
    help="The type of the messages.",
)
@node_id_option("The sender that the events name.")
@client_options
def command(
    *,
    url: str,
    file: Path,
    skip_bad_lines: bool,
    file_format: FileFormat | None,
    stream: str | None,
    type_name: str,
    node_id: str,
    loop: str,
    **options: Any,
) -> int:
    """Send each record of FILE to the node at URL, and see it acknowledged. FILE may be -, for standard input."""
    config = client_config(options)
    events = EventFile(
        path=file,
        stream=stream if stream is not None else "stdin" if file == STANDARD_INPUT else file.stem,
        message_type=MESSAGE_TYPES[type_name],
        source_node=node_id,
        file_format=file_format,
    )
    return run_async(loop, lambda: _publish_file(url, events, config, skip_bad_lines))


async def _publish_file(url: str, events: EventFile, config: ClientConfig, skip_bad_lines: bool) -> int:
    """Publishes every record, shows how far it is, and prints what came of it. Returns the exit code, 0.

    Raises:
        UnreadableFileError: the file cannot be read to its end; what came before is published.
        TransportError: the node cannot be reached, or the call failed.
    """
    started = time.perf_counter()
    done = 0
    bad: list[UnreadableFileError] = []
    bad_count = 0

    def on_bad(error: UnreadableFileError) -> None:
        nonlocal bad_count
        bad_count += 1
        if not bad:
            bad.append(error)

    with progress_bar(events.path.name, events.line_count, "events") as show:

        def on_acknowledged() -> None:
            nonlocal done
            done += 1
            show(done)

        try:
            async with (
                connect(url, config=config) as channel,
                aclosing(events.messages(on_bad if skip_bad_lines else None)) as messages,
            ):
                await publish(TransportClient(channel), messages, on_acknowledged)
        except UnreadableFileError as error:
            if not done:
                raise
            raise UnreadableFileError(f"{error} ({done} events before it were published)") from error
    seconds = time.perf_counter() - started
    print(f"published {done} events in {seconds:.2f} s, each acknowledged: {done / seconds:.0f} a second")
    if bad:
        print(f"eventflux: left out {bad_count} bad line{'s' if bad_count > 1 else ''}: {bad[0]}", file=sys.stderr)
    return 0
