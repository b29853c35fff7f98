"""Deadlines and cancellation: a slow service, an impatient client, and a service that calls another one.

    python examples/deadlines.py tcp://127.0.0.1:0

A call that a handler makes inherits the handler's own deadline, so that nobody works for a client that has given up.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator

import anyio

from eventflux_runtime import Context, DeadlineExceeded, connect, serve
from eventflux_transport import (
    EventRequest,
    HeartbeatRequest,
    HeartbeatResponse,
    Message,
    TransportClient,
    TransportService,
)


class Slow(TransportService):
    """Never answers, and tells when it is stopped."""

    def __init__(self) -> None:
        self.stopped = anyio.Event()

    async def send_message(self, request: Message, context: Context) -> Message:
        """Waits until somebody cancels it."""
        remaining_s = context.time_remaining_s()
        print("asked with a deadline" if remaining_s is not None and remaining_s < 1.0 else "asked without a deadline")
        try:
            await anyio.sleep_forever()
        finally:
            self.stopped.set()
        return request

    async def stream_messages(self, requests: AsyncIterator[Message], context: Context) -> AsyncIterator[Message]:
        """Treats each message as `send_message` does."""
        async for request in requests:
            yield await self.send_message(request, context)

    async def stream_events(self, request: EventRequest, context: Context) -> AsyncIterator[Message]:
        """Counts until the caller leaves."""
        try:
            number = 0
            while True:
                number += 1
                yield Message.event(str(number).encode())
        finally:
            self.stopped.set()

    async def heartbeat(self, request: HeartbeatRequest, context: Context) -> HeartbeatResponse:
        """Answers at once."""
        return HeartbeatResponse(server_node_id="slow")


class Relay(Slow):
    """Hands each message to another service, within the time that its own caller gave it."""

    def __init__(self, client: TransportClient) -> None:
        super().__init__()
        self._client = client

    async def send_message(self, request: Message, context: Context) -> Message:
        """Asks the other service; the deadline goes along by itself."""
        return await self._client.send_message(request)


async def main(url: str) -> None:
    """Runs both services and their client in one process."""
    slow = Slow()
    async with serve([slow], url) as back, connect(back.endpoints[0]) as inner:
        async with serve([Relay(TransportClient(inner))], url) as front, connect(front.endpoints[0]) as outer:
            try:
                await TransportClient(outer).send_message(Message.event(b""), timeout_s=0.2)
            except DeadlineExceeded:
                print("deadline exceeded")
            await slow.stopped.wait()
            print("the slow handler was stopped")

        slow.stopped = anyio.Event()
        async with TransportClient(inner).stream_events(EventRequest()) as events:
            async for event in events:
                if event.payload == b"3":
                    break
        await slow.stopped.wait()
        print("the stream was left after 3 events, and its handler was stopped")


if __name__ == "__main__":
    anyio.run(main, sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:0")
