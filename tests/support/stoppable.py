"""A program that serves one service until it is told to stop, and says how it ended."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator

import anyio

from eventflux_runtime import Context, Server, ServerConfig, TlsConfig, serve_forever
from eventflux_transport import EventRequest, HeartbeatRequest, HeartbeatResponse, Message, TransportService


class Stoppable(TransportService):
    """A message takes as long as its header says; a heartbeat takes no time."""

    async def send_message(self, request: Message, context: Context) -> Message:
        print("begun", flush=True)
        try:
            await anyio.sleep(float(request.headers["seconds"]))
        except anyio.get_cancelled_exc_class():
            print("cancelled", flush=True)
            raise
        return request

    async def stream_messages(self, requests: AsyncIterator[Message], context: Context) -> AsyncIterator[Message]:
        async for request in requests:
            yield request

    async def stream_events(self, request: EventRequest, context: Context) -> AsyncIterator[Message]:
        for _ in range(request.batch_size):
            yield Message()

    async def heartbeat(self, request: HeartbeatRequest, context: Context) -> HeartbeatResponse:
        return HeartbeatResponse()


async def main(grace_s: float, url: str, tls: TlsConfig | None) -> None:
    """Serves until a signal comes."""

    def started(server: Server) -> None:
        print(server.endpoints[0], flush=True)

    await serve_forever(
        [Stoppable()],
        url,
        config=ServerConfig(drain_grace_s=grace_s, tls=tls),
        on_started=started,
        on_draining=lambda: print("draining", flush=True),
    )
    print("stopped", flush=True)


if __name__ == "__main__":
    loop, grace, address, *files = sys.argv[1:]
    options = {"use_uvloop": loop == "uvloop"} if loop != "trio" else {}
    anyio.run(
        main,
        float(grace),
        address,
        TlsConfig(cert_file=files[0], key_file=files[1]) if files else None,
        backend="trio" if loop == "trio" else "asyncio",
        backend_options=options,
    )
