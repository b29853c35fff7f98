"""One service and one client, over whichever wire the command line names.

    python examples/request_reply.py tcp://127.0.0.1:0
    python examples/request_reply.py grpc://127.0.0.1:0

The program is the same on every wire: only the URL differs.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator

import anyio

from eventflux_runtime import Context, InvalidArgument, NotFound, connect, serve
from eventflux_transport import (
    EventRequest,
    HeartbeatRequest,
    HeartbeatResponse,
    Message,
    MessageType,
    NodeHealth,
    NodeStatus,
    TransportClient,
    TransportService,
)


class Thermometer(TransportService):
    """Keeps the last temperature of each stream, and answers queries for it."""

    def __init__(self) -> None:
        self._readings: dict[str, bytes] = {}

    async def send_message(self, request: Message, context: Context) -> Message:
        """Takes a reading (EVENT), or answers with the last one (QUERY)."""
        stream = request.headers.get("stream")
        if stream is None:
            raise InvalidArgument("the header 'stream' is missing: name the thermometer")
        if request.message_type == MessageType.QUERY:
            if stream not in self._readings:
                raise NotFound(f"no reading of {stream!r} yet", metadata={"known-streams": str(len(self._readings))})
            return Message.state(self._readings[stream])
        self._readings[stream] = request.payload
        return Message(message_type=MessageType.ACKNOWLEDGMENT)

    async def stream_messages(self, requests: AsyncIterator[Message], context: Context) -> AsyncIterator[Message]:
        """Treats each message as `send_message` does."""
        async for request in requests:
            yield await self.send_message(request, context)

    async def stream_events(self, request: EventRequest, context: Context) -> AsyncIterator[Message]:
        """Every reading that is known, as a STATE."""
        for stream, reading in self._readings.items():
            yield Message.state(reading).with_header("stream", stream)

    async def heartbeat(self, request: HeartbeatRequest, context: Context) -> HeartbeatResponse:
        """Says that all is well."""
        return HeartbeatResponse(server_node_id="thermometer", server_status=NodeStatus(health=NodeHealth.HEALTHY))


async def ask(url: str) -> None:
    """Sends two readings, asks for one, and for one that is not there."""
    async with connect(url) as channel:
        client = TransportClient(channel)
        async with client.stream_messages(timeout_s=5.0) as stream:
            for city, celsius in (("Seattle", b"11.4"), ("Oslo", b"6.3")):
                await stream.send(Message.event(celsius).with_header("stream", city))
            await stream.end()
            async for answer in stream:
                print(answer.message_type.name)
        reply = await client.send_message(Message.query(b"").with_header("stream", "Oslo"), timeout_s=5.0)
        print(reply.message_type.name, reply.payload.decode())
        try:
            await client.send_message(Message.query(b"").with_header("stream", "Lima"), timeout_s=5.0)
        except NotFound as error:
            print(error, "- streams known:", error.metadata["known-streams"])


async def main(url: str) -> None:
    """Serves and asks in one process; a real client would have its own."""
    async with serve([Thermometer()], url) as server:
        await ask(server.endpoints[0])


if __name__ == "__main__":
    anyio.run(main, sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:0")
