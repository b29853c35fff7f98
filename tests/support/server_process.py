"""A service that says which server answered, and fails as it is told; also a program that serves it in a process."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator

import anyio

from eventflux_runtime import Context, RpcError, ServerConfig, StatusCode, serve_forever
from eventflux_transport import (
    EventRequest,
    HeartbeatRequest,
    HeartbeatResponse,
    Message,
    TransportService,
)
from tests.support.wires import server_config

WORK_S = 0.005
"""How long a call in a server process takes, so that some are in flight whenever it dies."""


class Node(TransportService):
    """Answers with its name. `failures` are the codes of the next calls, one each; `asked` counts all calls.

    `reached` is set by the first call, `started` by one that lingers until `release`.
    """

    def __init__(self, name: str, work_s: float = 0.0) -> None:
        self.name = name
        self.asked = 0
        self.failures: list[StatusCode] = []
        self.trailers: dict[str, str] = {}
        self.previous_attempts: list[str] = []
        self.release = anyio.Event()
        self.reached = anyio.Event()
        self.started = anyio.Event()
        self.peers: list[str] = []
        self._work_s = work_s

    async def _work(self, context: Context) -> None:
        self.asked += 1
        self.peers.append(context.peer.address)
        self.reached.set()
        self.previous_attempts.append(str(context.metadata.get("grpc-previous-rpc-attempts", "")))
        if self.failures:
            raise RpcError("as asked", code=self.failures.pop(0), metadata=self.trailers)
        if self._work_s:
            await anyio.sleep(self._work_s)

    async def heartbeat(self, request: HeartbeatRequest, context: Context) -> HeartbeatResponse:
        await self._work(context)
        return HeartbeatResponse(server_node_id=self.name)

    async def send_message(self, request: Message, context: Context) -> Message:
        await self._work(context)
        if request.headers.get("do") == "linger":
            self.started.set()
            await self.release.wait()
        return Message(id=self.name)

    async def stream_events(self, request: EventRequest, context: Context) -> AsyncIterator[Message]:
        await self._work(context)
        yield Message(id=self.name)
        if request.node_id == "fail-later":
            raise RpcError("too late to try again", code=StatusCode.UNAVAILABLE)
        if request.node_id == "linger":
            self.started.set()
            await self.release.wait()

    async def stream_messages(self, requests: AsyncIterator[Message], context: Context) -> AsyncIterator[Message]:
        await self._work(context)
        async for _ in requests:
            yield Message(id=self.name)


async def main(name: str, url: str) -> None:
    """Serves until SIGTERM, and says where."""
    await serve_forever(
        [Node(name, WORK_S)],
        url,
        config=server_config(ServerConfig(drain_grace_s=5.0), url),
        on_started=lambda server: print(server.endpoints[0], flush=True),
    )


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2])
