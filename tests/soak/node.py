"""The serving process of a soak: answers each call with what belongs to it, and says how many tasks it has."""

from __future__ import annotations

import argparse
import sys
from collections.abc import AsyncIterator

import anyio

from benchmarks.loop import LOOPS, run_on
from eventflux_runtime import Context, DataLoss, ServerConfig, TlsConfig, serve
from eventflux_transport import (
    EventRequest,
    HeartbeatRequest,
    HeartbeatResponse,
    Message,
    NodeStatus,
    TransportService,
)
from tests.soak.content import request_of, response_of


class SoakNode(TransportService):
    """`send_message` checks what it got; `heartbeat` counts the tasks of the process."""

    async def send_message(self, request: Message, context: Context) -> Message:
        call = int(request.id)
        if request.payload != request_of(call):
            raise DataLoss(f"the request of call {call} is not what was sent")
        return Message(id=request.id, payload=response_of(call))

    async def heartbeat(self, request: HeartbeatRequest, context: Context) -> HeartbeatResponse:
        tasks = len(anyio.get_running_tasks())
        return HeartbeatResponse(server_status=NodeStatus(active_connections=tasks))

    async def stream_events(self, request: EventRequest, context: Context) -> AsyncIterator[Message]:
        yield Message()

    async def stream_messages(self, requests: AsyncIterator[Message], context: Context) -> AsyncIterator[Message]:
        async for request in requests:
            yield request


async def _serve(url: str, tls: TlsConfig | None) -> None:
    async with serve([SoakNode()], url, config=ServerConfig(tls=tls)) as server:
        print(server.endpoints[0], flush=True)
        await anyio.sleep_forever()


def main() -> None:
    """Serves one endpoint and prints its URL; ends by being killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--loop", choices=LOOPS, required=True)
    parser.add_argument("--cert-file")
    parser.add_argument("--key-file")
    options = parser.parse_args()
    tls = TlsConfig(cert_file=options.cert_file, key_file=options.key_file) if options.cert_file else None
    try:
        run_on(options.loop, _serve, options.url, tls)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
