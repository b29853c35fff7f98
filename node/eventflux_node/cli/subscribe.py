"""`eventflux subscribe`: a node's events as lines of JSON."""

from __future__ import annotations

import base64
from typing import Any

import click

from eventflux_node.cli.loop import run_async
from eventflux_node.cli.message_type import MESSAGE_TYPES
from eventflux_node.cli.option import Timestamp, client_config, client_options, node_id_option
from eventflux_node.cli.output import json_line, print_lines
from eventflux_runtime import ClientConfig, connect
from eventflux_transport import EventFilter, EventRequest, Message, TransportClient

__all__ = ["command"]


@click.command("subscribe")
@click.argument("url")
@click.option("--stream", "streams", multiple=True, help="A stream to listen to; repeatable [default: all].")
@click.option(
    "--type",
    "types",
    multiple=True,
    type=click.Choice(tuple(MESSAGE_TYPES)),
    help="A type of message to listen to; repeatable [default: all].",
)
@click.option(
    "--since",
    type=Timestamp(),
    default=0,
    help="The earliest timestamp: ISO 8601, or ms since the epoch. Events without one pass.",
)
@click.option("--until", type=Timestamp(), default=0, help="The latest timestamp [default: no end].")
@click.option("--count", type=click.IntRange(1), help="Stop after this many events [default: go on].")
@node_id_option("How we call ourselves.")
@client_options
def command(
    *,
    url: str,
    streams: tuple[str, ...],
    types: tuple[str, ...],
    since: int,
    until: int,
    count: int | None,
    node_id: str,
    loop: str,
    **options: Any,
) -> int:
    """Print the events of the node at URL as they come, each as a line of JSON."""
    config = client_config(options)
    request = EventRequest(
        node_id=node_id,
        filter=EventFilter(
            stream_names=list(streams),
            message_types=[MESSAGE_TYPES[name] for name in types],
            start_timestamp=since,
            end_timestamp=until,
        ),
    )
    return run_async(loop, lambda: _print_events(url, request, config, count), goes_on=True)


async def _print_events(url: str, request: EventRequest, config: ClientConfig, count: int | None) -> int:
    """Prints events as they come. Returns the exit code, 0, after `count` of them, or when the node ends the stream.

    Raises:
        TransportError: the node cannot be reached, or cut the subscription off.
    """
    async with connect(url, config=config) as channel, TransportClient(channel).stream_events(request) as events:
        await print_lines(events, _line, count)
    return 0


def _line(event: Message) -> str:
    """One line of JSON with every field that is set.

    The payload stands under ``payload`` as text where it is UTF-8, and otherwise under ``payload_base64``.
    """
    record: dict[str, Any] = {"id": event.id, "type": event.message_type.name}
    try:
        record["payload"] = event.payload.decode()
    except UnicodeDecodeError:
        record["payload_base64"] = base64.b64encode(event.payload).decode()
    for name in ("headers", "timestamp", "source_node", "target_node", "priority"):
        value = getattr(event, name)
        if value:
            record[name] = value
    if event.compression:
        record["compression"] = event.compression.name
    return json_line(record)
