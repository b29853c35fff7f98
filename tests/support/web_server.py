"""What the tests of the TypeScript runtime talk to: a program that serves the probe and gRPC's test service.

``python -m tests.support.web_server URL ...`` prints the URLs that it has bound, one a line, and an empty line. SIGTERM
drains it. Under TLS, ``EVENTFLUX_AUTHORITY`` is the directory for its certificates, where it leaves ``ca.pem``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import anyio

from eventflux_runtime import Context, Server, ServerConfig, TlsConfig, serve_forever
from eventflux_transport import EventRequest, HeartbeatRequest, HeartbeatResponse, Message, NodeStatus
from tests.support.interop_service import Interop
from tests.support.probe import Probe


class WebProbe(Probe):
    """A probe that tells by its heartbeat what became of the calls before, since its clients are in other processes."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = 0
        self.cancelled_calls = 0

    async def send_message(self, request: Message, context: Context) -> Message:
        """As the probe; counts calls that were cancelled."""
        try:
            return await super().send_message(request, context)
        except anyio.get_cancelled_exc_class():
            self.cancelled_calls += 1
            raise

    async def stream_events(self, request: EventRequest, context: Context) -> AsyncIterator[Message]:
        """As the probe; counts what was sent, and calls that were left."""
        try:
            async for message in super().stream_events(request, context):
                self.sent += 1
                yield message
        except (anyio.get_cancelled_exc_class(), GeneratorExit):
            self.cancelled_calls += 1
            raise

    async def heartbeat(self, request: HeartbeatRequest, context: Context) -> HeartbeatResponse:
        """Says what was counted; ``release`` lets those go that linger."""
        if request.node_id == "release":
            self.release.set()
            self.release = anyio.Event()
        facts = {
            "sent": str(self.sent),
            "cancelled": str(self.cancelled_calls),
            "remaining": str(self.remaining_s[-1] if self.remaining_s else None),
            "seen": str(len(self.seen)),
        }
        status = NodeStatus(metadata=facts)
        return HeartbeatResponse(server_timestamp=request.timestamp, server_node_id="web", server_status=status)


def _tell(server: Server) -> None:
    print(*server.endpoints, "", sep="\n", flush=True)


def _tls() -> TlsConfig | None:
    directory = os.environ.get("EVENTFLUX_AUTHORITY")
    if not directory:
        return None
    from tests.support.authority import Authority  # needs trustme, which only servers under TLS do

    return TlsConfig(**Authority(Path(directory)).server().files)


async def main(urls: list[str]) -> None:
    """Serves until SIGTERM."""
    config = ServerConfig(drain_grace_s=10.0, tls=_tls())
    await serve_forever([WebProbe(), Interop()], *urls, config=config, on_started=_tell)


if __name__ == "__main__":
    anyio.run(main, sys.argv[1:])
