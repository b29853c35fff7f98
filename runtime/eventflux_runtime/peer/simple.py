"""EventFlux's simple gRPC transport: one call for each message, without connections to receive from."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, Generic, Self, TypeVar

import anyio

from eventflux_runtime.net.event_loop import open_reactor
from eventflux_runtime.peer.background_task import BackgroundTask
from eventflux_runtime.peer.binding import PeerBinding
from eventflux_runtime.peer.config import SimpleGrpcPeerConfig
from eventflux_runtime.peer.payload import PayloadCodec, announced
from eventflux_runtime.protocol.api import CallHead, ClientConnection, ConnectionState, ResponseInfo
from eventflux_runtime.rpc.config import ClientConfig, Compression
from eventflux_runtime.rpc.endpoint import parse_endpoint
from eventflux_runtime.rpc.rpc_error import FailedPrecondition
from eventflux_runtime.wire.registry import wire_of

__all__ = ["SimpleGrpcPeerTransport"]

M = TypeVar("M")
H = TypeVar("H")

MAX_MESSAGE_BYTES: Final = 50 * 1024 * 1024
"""EventFlux's limit for messages over gRPC."""


class _Server:
    """A connected server: the connection, the task that owns it, and what is known of the server."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.accepted: tuple[Compression, ...] = ()
        self.connecting = anyio.Lock()
        self.connection: ClientConnection | None = None
        self.task: BackgroundTask | None = None


class SimpleGrpcPeerTransport(Generic[M, H]):
    """Sends messages and heartbeats to servers by address.

    What it connected lives until `aclose`. Used with ``async with``, it closes all of it at the end.
    """

    _binding: PeerBinding[M]
    """Set by the subclass that binds a message type."""

    def __init__(self, config: SimpleGrpcPeerConfig | None = None) -> None:
        self.config = config if config is not None else SimpleGrpcPeerConfig()
        preferred = Compression.ZSTD if self.config.enable_compression else Compression.NONE
        # EventFlux's own reads no priority from headers, other than its `GrpcTransport`.
        self._payloads = PayloadCodec(self._binding, preferred, MAX_MESSAGE_BYTES, reads_priority=False)
        self._servers: dict[str, _Server] = {}

    async def connect(self, address: str | None = None) -> None:
        """Connects to a server, or makes sure that the connection stands.

        Args:
            address: ``host:port``; None: ``SimpleGrpcConfig.server_address``.

        Raises:
            Unavailable: nothing usable answers there in time.
            ConfigError: the address is not one.
        """
        target = address if address is not None else self.config.server_address
        server = self._servers.get(target) or _Server(target)
        await self._ready(server)
        self._servers[target] = server

    async def send_message(self, address: str, message: M) -> M:
        """Sends a message to a connected server and returns its answer. What the message leaves unset is filled in.

        Raises:
            CodecError: it is no message; nothing was sent.
            FailedPrecondition: `connect` was not called for that address.
            RpcError: the call failed.
        """
        server = self._server(address)
        response = ResponseInfo()
        packed = self._payloads.pack(self._payloads.stamp(message), server.accepted)
        reply: M = await self._call(server, self._binding.send, packed, response)
        server.accepted = announced(response.initial_metadata)
        return self._payloads.unpack(reply)

    async def heartbeat(self, address: str, node_id: str) -> H:
        """Asks a connected server how it is, and returns its response.

        Raises:
            FailedPrecondition: `connect` was not called for that address.
            RpcError: the call failed.
        """
        request = self._binding.heartbeat_request(node_id, time.time_ns() // 1_000_000)
        reply: H = await self._call(self._server(address), self._binding.heartbeat, request, None)
        return reply

    async def aclose(self) -> None:
        """Closes every connection."""
        servers, self._servers = self._servers, {}
        for server in servers.values():
            if server.task is not None:
                await server.task.stop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exit_info: object) -> None:
        await self.aclose()

    def _server(self, address: str) -> _Server:
        server = self._servers.get(address)
        if server is None:
            raise FailedPrecondition(f"there is no connection to {address}: call connect({address!r}) first")
        return server

    async def _call(self, server: _Server, method: Any, request: Any, response: ResponseInfo | None) -> Any:
        connection = await self._ready(server)
        deadline = anyio.current_time() + self.config.connection_timeout_ms / 1000
        return await connection.unary(
            method, request, CallHead(self._payloads.announcement, deadline=deadline, response=response)
        )

    async def _ready(self, server: _Server) -> ClientConnection:
        """The server's connection, made anew where it was lost."""
        async with server.connecting:
            connection = server.connection
            if connection is None or connection.state is not ConnectionState.READY:
                if server.task is not None:
                    await server.task.stop()
                server.task, server.connection = None, None
                connection = await self._open(server)
            return connection

    async def _open(self, server: _Server) -> ClientConnection:
        endpoint = parse_endpoint(f"grpc://{server.address}")
        config = ClientConfig(
            connect_timeout_s=self.config.connection_timeout_ms / 1000, max_message_bytes=MAX_MESSAGE_BYTES
        )
        made: list[ClientConnection] = []

        async def live(started: Callable[[], None]) -> None:
            async with open_reactor() as reactor:
                connection = await wire_of(endpoint).open(endpoint, config, reactor)
                made.append(connection)
                try:
                    started()
                    await anyio.sleep_forever()
                finally:
                    await connection.aclose()

        task = BackgroundTask(live)
        await task.start()
        server.task, server.connection = task, made[0]
        return made[0]
