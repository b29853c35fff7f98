"""`eventflux subscribe`: a node's events as lines of JSON."""

from __future__ import annotations

from eventflux_node.jsonline import json_line
from eventflux_runtime import ClientConfig, connect
from eventflux_transport import EventRequest, TransportClient

__all__ = ["print_events"]


async def print_events(target: str, request: EventRequest, config: ClientConfig, count: int | None) -> int:
    """Prints events as they come. Returns the exit code, 0, after `count` of them, or when the node ends the stream.

    Raises:
        TransportError: the node cannot be reached, or cut the subscription off.
    """
    left = count
    async with connect(target, config=config) as channel, TransportClient(channel).stream_events(request) as events:
        async for event in events:
            # Each line leaves at once: whoever reads a pipe sees an event when it happens, not when a buffer fills.
            print(json_line(event), flush=True)
            if left is not None:
                left -= 1
                if left <= 0:
                    break
    return 0
