"""A program that calls a service by its xDS name, a few times at once; run by test_xds."""

from __future__ import annotations

import asyncio
import sys

from eventflux_runtime import connect
from eventflux_transport import EventRequest, HeartbeatRequest, Message, TransportClient

CALLS = 40


async def main(url: str) -> None:
    """Calls of three kinds, and says what came back."""
    async with connect(url) as channel:
        client = TransportClient(channel)
        replies = await asyncio.gather(
            *(client.heartbeat(HeartbeatRequest(node_id="x"), timeout_s=20) for _ in range(CALLS))
        )
        print("heard from", *sorted({reply.server_node_id for reply in replies}))
        async with client.stream_events(EventRequest(node_id="some", batch_size=3), timeout_s=20) as events:
            print("events", len([event async for event in events]))
        async with client.stream_messages(timeout_s=20) as chat:
            await chat.send(Message(id="a"))
            print("echo", (await chat.receive()).id)
        print("1 ready" if ": 1 ready," in repr(channel) else repr(channel))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
