"""A round trip on each wire that the command line names, with the installed package alone: run by ``nox -s build``."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import anyio

import eventflux_runtime
from eventflux_runtime import Context, connect, serve
from eventflux_transport import (
    EventRequest,
    HeartbeatRequest,
    HeartbeatResponse,
    Message,
    TransportClient,
    TransportService,
)


class Echo(TransportService):
    """Answers with what it gets."""

    async def send_message(self, request: Message, context: Context) -> Message:
        return request

    async def stream_messages(self, requests: AsyncIterator[Message], context: Context) -> AsyncIterator[Message]:
        async for request in requests:
            yield request

    async def stream_events(self, request: EventRequest, context: Context) -> AsyncIterator[Message]:
        for name in request.filter.stream_names if request.filter else ():
            yield Message.event(name.encode())

    async def heartbeat(self, request: HeartbeatRequest, context: Context) -> HeartbeatResponse:
        return HeartbeatResponse(server_timestamp=request.timestamp, server_node_id=request.node_id)


async def main(schemes: list[str]) -> None:
    """Makes the round trips and prints one line for each."""
    # Not where TMPDIR may say: a socket's path must be short.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        addresses = {
            "tcp": "tcp://127.0.0.1:0",
            "grpc": "grpc://127.0.0.1:0",
            "grpcio": "grpcio://127.0.0.1:0",
            "ws": "ws://127.0.0.1:0",
            "unix": f"unix://{folder}/socket",
            "grpc+unix": f"grpc+unix://{folder}/grpc",
            "memory": "memory://node",
            "grpc+memory": "grpc+memory://grpc",
        }
        async with serve([Echo()], *(addresses[scheme] for scheme in schemes)) as server:
            for url in server.endpoints:
                await round_trip(url)
                print(f"round trip over {url}: done")


async def round_trip(url: str) -> None:
    """A unary call and a stream each way."""
    sent = Message.event(b"event data").with_header("source_node", "node-1")
    async with connect(url) as channel:
        client = TransportClient(channel)
        assert await client.send_message(sent, timeout_s=10.0) == sent
        async with client.stream_messages(timeout_s=10.0) as stream:
            await stream.send(sent)
            assert await stream.receive() == sent
            await stream.end()


def installed_below(folder: str) -> bool:
    """Whether the package really comes from the environment that runs this, and not from a source tree."""
    return Path(folder).resolve() in Path(eventflux_runtime.__file__).resolve().parents


if __name__ == "__main__":
    assert installed_below(sys.prefix), f"eventflux_runtime is imported from {eventflux_runtime.__file__}"
    anyio.run(main, sys.argv[1:])
