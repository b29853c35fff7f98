"""Publishes events to a node at a rate, for a time: ``python -m tests.browser.flood URL EVENTS_PER_S SECONDS``.

Prints how many were acknowledged.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator

import anyio

from eventflux_node.publisher import publish
from eventflux_runtime import connect
from eventflux_transport import Message, MessageType, TransportClient

_TURNS_PER_S = 50


async def _events(events_per_s: int, seconds: float) -> AsyncIterator[Message]:
    """As many in each turn as are due by then; a node that holds the publisher up gets fewer."""
    started = anyio.current_time()
    made = 0
    while (passed := anyio.current_time() - started) < seconds:
        for _ in range(min(events_per_s, int(passed * events_per_s) - made)):
            made += 1
            payload = json.dumps({"number": made, "text": "x" * (made % 200)}).encode()
            headers = {"stream": f"flood-{made % 7}"}
            yield Message(id=f"{made:032x}", message_type=MessageType.EVENT, payload=payload, headers=headers)
        made = max(made, int(passed * events_per_s) - events_per_s)
        await anyio.sleep(1 / _TURNS_PER_S)


async def _flood(url: str, events_per_s: int, seconds: float) -> None:
    async with connect(url) as channel:
        print(await publish(TransportClient(channel), _events(events_per_s, seconds)), flush=True)


if __name__ == "__main__":
    anyio.run(_flood, sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
