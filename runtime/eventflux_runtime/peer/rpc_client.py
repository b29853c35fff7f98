"""The connecting side of a gRPC connection between nodes: an HTTP/2 connection, a stream, the task that runs both."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import anyio

from eventflux_runtime.net.event_loop import open_reactor
from eventflux_runtime.peer.background_task import BackgroundTask
from eventflux_runtime.peer.binding import PeerBinding
from eventflux_runtime.peer.config import GrpcPeerConfig
from eventflux_runtime.peer.payload import PayloadCodec, announced
from eventflux_runtime.peer.stream_link import StreamLink
from eventflux_runtime.protocol.api import CallHead, ClientCall, ClientConnection
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.rpc_error import RpcError, Unimplemented
from eventflux_runtime.wire.registry import wire_of

__all__ = ["open_link"]

M = TypeVar("M")


class _ClientLink(StreamLink[M], Generic[M]):
    """A stream link with the task that runs it."""

    task: BackgroundTask

    async def aclose(self) -> None:
        """See `Link.aclose`."""
        await super().aclose()
        await self.task.stop()


async def open_link(
    endpoint: Endpoint,
    binding: PeerBinding[M],
    payloads: PayloadCodec[M],
    config: GrpcPeerConfig,
    node_id: Callable[[], str],
) -> _ClientLink[M]:
    """A new connection to a node, which is told `node_id` with each heartbeat.

    Raises:
        Unavailable: nothing usable answers there.
        MissingExtraError: the wire needs a package that is not installed.
    """
    transport = wire_of(endpoint)
    link: _ClientLink[M] = _ClientLink(endpoint.address, payloads, config.request_timeout_s)

    async def live(started: Callable[[], None]) -> None:
        async with open_reactor() as reactor:
            connection = await transport.open(endpoint, config.client, reactor)
            try:
                call = connection.start(binding.stream, CallHead(payloads.announcement))
                started()
                await _carry(link, call, connection, binding, config, node_id)
            finally:
                await connection.aclose()

    link.task = BackgroundTask(live)
    await link.task.start()
    return link


async def _carry(
    link: _ClientLink[M],
    call: ClientCall[M, M],
    connection: ClientConnection,
    binding: PeerBinding[M],
    config: GrpcPeerConfig,
    node_id: Callable[[], str],
) -> None:
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_learn, link, call)
            if config.keep_alive_interval_secs:
                tasks.start_soon(_keep_alive, link, connection, binding, config, node_id, tasks.cancel_scope)
            await link.run(call.receive, call.send, call.end)
            tasks.cancel_scope.cancel()
    finally:
        call.cancel()


async def _learn(link: StreamLink[M], call: ClientCall[M, M]) -> None:
    link.accepted = announced(await call.initial_metadata())


async def _keep_alive(
    link: StreamLink[M],
    connection: ClientConnection,
    binding: PeerBinding[M],
    config: GrpcPeerConfig,
    node_id: Callable[[], str],
    scope: anyio.CancelScope,
) -> None:
    while True:
        silent_s = anyio.current_time() - link.last_heard
        if silent_s < config.keep_alive_interval_secs:
            await anyio.sleep(config.keep_alive_interval_secs - silent_s)
            continue
        deadline = anyio.current_time() + config.request_timeout_s
        request: Any = binding.heartbeat_request(node_id(), time.time_ns() // 1_000_000)
        try:
            await connection.unary(binding.heartbeat, request, CallHead(deadline=deadline))
        except Unimplemented:
            pass  # a node without heartbeats; that it said so shows that it lives
        except RpcError as error:
            link.fail(error)
            scope.cancel()
            return
        link.last_heard = anyio.current_time()
