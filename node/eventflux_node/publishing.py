"""`eventflux publish`: the records of a file as messages, with a progress bar."""

from __future__ import annotations

import time

from eventflux_node.event_file import EventFile, UnreadableFileError
from eventflux_node.progress import progress_bar
from eventflux_node.publisher import publish
from eventflux_runtime import ClientConfig, connect
from eventflux_transport import TransportClient

__all__ = ["publish_file"]


async def publish_file(target: str, events: EventFile, config: ClientConfig) -> int:
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
            async with connect(target, config=config) as channel:
                await publish(TransportClient(channel), events.messages(), on_acknowledged)
        except UnreadableFileError as error:
            if not done:
                raise
            raise UnreadableFileError(f"{error} ({done} events before it were published)") from error
    seconds = time.perf_counter() - started
    print(f"published {done} events in {seconds:.2f} s, each acknowledged: {done / seconds:.0f} a second")
    return 0
