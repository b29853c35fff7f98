"""`eventflux publish`: the records of a file sent to a node, with a progress bar."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, get_args

import click

from eventflux_node.cli.loop import run_async
from eventflux_node.cli.option import MESSAGE_TYPES, client_config, client_options, node_id_option
from eventflux_node.cli.progress import progress_bar
from eventflux_node.event_file import EventFile, FileFormat, UnreadableFileError
from eventflux_node.publisher import publish
from eventflux_runtime import ClientConfig, connect
from eventflux_transport import TransportClient

__all__ = ["command"]


@click.command("publish")
@click.argument("url")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "file_format",
    type=click.Choice(get_args(FileFormat)),
    help="What the file holds [default: what its name says: .csv, .jsonl, .ndjson, else plain lines].",
)
@click.option("--stream", help="The stream that the events belong to [default: the file's name without its suffix].")
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
    file_format: FileFormat | None,
    stream: str | None,
    type_name: str,
    node_id: str,
    loop: str,
    **options: Any,
) -> int:
    """Send each record of FILE to the node at URL, and see it acknowledged."""
    config = client_config(options)
    events = EventFile(
        path=file,
        stream=stream if stream is not None else file.stem,
        message_type=MESSAGE_TYPES[type_name],
        source_node=node_id,
        file_format=file_format,
    )
    return run_async(loop, lambda: _publish_file(url, events, config))


async def _publish_file(url: str, events: EventFile, config: ClientConfig) -> int:
    """Publishes every record, shows how far it is, and prints what came of it. Returns the exit code, 0.

    Raises:
        UnreadableFileError: the file cannot be read to its end; what came before is published.
        TransportError: the node cannot be reached, or the call failed.
    """
    started = time.perf_counter()
    done = 0
    with progress_bar(events.path.name, events.line_count) as show:

        def on_acknowledged() -> None:
            nonlocal done
            done += 1
            show(done)

        try:
            async with connect(url, config=config) as channel:
                await publish(TransportClient(channel), events.messages(), on_acknowledged)
        except UnreadableFileError as error:
            if not done:
                raise
            raise UnreadableFileError(f"{error} ({done} events before it were published)") from error
    seconds = time.perf_counter() - started
    print(f"published {done} events in {seconds:.2f} s, each acknowledged: {done / seconds:.0f} a second")
    return 0
