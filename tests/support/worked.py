"""A program whose workers say which of them answered, and fail as they are told."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import anyio
import anyio.lowlevel

from eventflux_runtime import ConfigError, Context, ServerConfig, Service, Workers, serve_forever
from eventflux_transport import EventRequest, HeartbeatRequest, HeartbeatResponse, Message, TransportService
from tests.support.wires import server_config


def say(text: str) -> None:
    """Writes a line, in one piece: other workers write to the same pipe."""
    os.write(1, f"{text}\n".encode())


class Worker(TransportService):
    """Answers with the number of its process. A message takes as long as its header says, or ends the worker."""

    async def send_message(self, request: Message, context: Context) -> Message:
        if "exit" in request.headers:
            os._exit(int(request.headers["exit"]))
        if "seconds" in request.headers:
            say("begun")
            await anyio.sleep(float(request.headers["seconds"]))
        return Message(id=str(os.getpid()))

    async def stream_messages(self, requests: AsyncIterator[Message], context: Context) -> AsyncIterator[Message]:
        async for request in requests:
            yield request

    async def stream_events(self, request: EventRequest, context: Context) -> AsyncIterator[Message]:
        for _ in range(request.batch_size):
            yield Message()

    async def heartbeat(self, request: HeartbeatRequest, context: Context) -> HeartbeatResponse:
        return HeartbeatResponse(server_node_id=str(os.getpid()))


@asynccontextmanager
async def services() -> AsyncIterator[Sequence[Service]]:
    """One service, on the event loop that serves it."""
    await anyio.lowlevel.checkpoint()
    yield [Worker()]
    say("left")


def no_services() -> Sequence[Service]:
    """Fails in the worker."""
    raise ConfigError(f"there is no database on {sys.platform}")


def drained() -> None:
    """Called in each worker."""
    say("draining")


def started(workers: Workers) -> None:
    """Says who serves, and where."""
    print(*workers.pids, *workers.endpoints, flush=True)


def main(loop: str, count: str, grace_s: str, source: str, *urls: str) -> None:
    """Serves by workers until a signal comes."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stdout)
    run = partial(
        serve_forever,
        globals()[source],
        config=server_config(ServerConfig(drain_grace_s=float(grace_s)), *urls),
        on_started=started,
        on_draining=drained,
        workers=int(count),
    )
    options = {"use_uvloop": loop == "uvloop"} if loop != "trio" else {}
    try:
        anyio.run(run, *urls, backend="trio" if loop == "trio" else "asyncio", backend_options=options)
    except ConfigError as error:
        sys.exit(f"refused: {error}")
    print("stopped", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
