"""A program that starts servers of methods worth attacking, each in a process of its own."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import AsyncIterator
from typing import Any

import anyio

from eventflux_runtime import Context, KeepaliveConfig, ServerConfig, serve_forever
from eventflux_transport import EventRequest, HeartbeatRequest, HeartbeatResponse, Message, TransportService


class Target(TransportService):
    """Each method holds on to what a hostile client would like a server to hold on to."""

    async def heartbeat(self, request: HeartbeatRequest, context: Context) -> HeartbeatResponse:
        """Answers at once: what everybody else calls meanwhile."""
        return HeartbeatResponse(server_node_id="target")

    async def send_message(self, request: Message, context: Context) -> Message:
        """Lingers until the client leaves, its request in hand."""
        await anyio.sleep_forever()
        return request

    async def stream_events(self, request: EventRequest, context: Context) -> AsyncIterator[Message]:
        """Sends messages of ``batch_size`` bytes for ever."""
        payload = bytes(request.batch_size)
        while True:
            yield Message(payload=payload)

    async def stream_messages(self, requests: AsyncIterator[Message], context: Context) -> AsyncIterator[Message]:
        """Takes one message, and then none."""
        async for request in requests:
            yield request
            await anyio.sleep_forever()


def config_of(options: dict[str, Any]) -> ServerConfig:
    """A configuration from fields that JSON can carry."""
    keepalive = options.pop("keepalive", None)
    if keepalive is not None:
        options["keepalive"] = KeepaliveConfig(interval_s=keepalive[0], timeout_s=keepalive[1])
    return ServerConfig(**options)


async def main(url: str, config: ServerConfig) -> None:
    """Serves until SIGTERM; says which process it is, and where it serves."""
    await serve_forever(
        [Target()],
        url,
        config=config,
        on_started=lambda server: print(os.getpid(), server.endpoints[0], flush=True),
    )


def serve_in_child(order: dict[str, Any]) -> None:
    """Forks a process that serves as it was ordered, and does not return in it."""
    if os.fork():
        return
    code = 1
    try:
        os.dup2(os.open(order["errors"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), sys.stderr.fileno())
        loop = order["loop"]
        anyio.run(
            main,
            order["url"],
            config_of(order["options"]),
            backend="trio" if loop == "trio" else "asyncio",
            backend_options={"use_uvloop": loop == "uvloop"} if loop != "trio" else {},
        )
        code = 0
    except BaseException:  # noqa: BLE001 - whatever it was, the child must not go on as if it were its parent
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    # Each line orders a server, or is the process whose end is to be waited for. Forking saves a start for each.
    for line in sys.stdin:
        asked = json.loads(line)
        if isinstance(asked, int):
            print(os.waitstatus_to_exitcode(os.waitpid(asked, 0)[1]), flush=True)
        else:
            serve_in_child(asked)
