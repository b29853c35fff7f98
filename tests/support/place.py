"""Servers in this process on ``memory://``, and channels to them without pings, for tests on a jumping clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

from eventflux_runtime import Channel, ClientConfig, PoolConfig, Server, ServerConfig, connect, serve
from eventflux_runtime.testing import memory_endpoint
from eventflux_transport import HeartbeatRequest, Message, TransportClient
from tests.support.server_process import Node

NO_PINGS = ClientConfig(keepalive=None)
LINGER = Message(headers={"do": "linger"})


@dataclass
class Place:
    """A server in this process."""

    node: Node
    server: Server
    url: str

    @property
    def connections(self) -> list[Any]:
        """The connections that it holds now."""
        (listener,) = self.server._listeners
        return list(cast("Any", listener)._acceptor._connections)


@asynccontextmanager
async def served(count: int, config: ServerConfig | None = None) -> AsyncIterator[list[Place]]:
    async with AsyncExitStack() as stack:
        places = []
        for index in range(count):
            node = Node(str(index))
            settings = config if config is not None else ServerConfig(keepalive=None, drain_grace_s=0)
            server = await stack.enter_async_context(serve([node], memory_endpoint(), config=settings))
            places.append(Place(node, server, server.endpoints[0]))
        yield places


def pooled(places: list[Place], balancer: str = "round_robin", **pool: float) -> Channel:
    config = ClientConfig(keepalive=None, balancer=balancer, pool=PoolConfig(**pool))  # type: ignore[arg-type]  # as the caller names them
    return connect([place.url for place in places], config=config)


async def beat(channel: Channel) -> str:
    return (await TransportClient(channel).heartbeat(HeartbeatRequest())).server_node_id


def connections_of(places: list[Place]) -> list[int]:
    return [len(place.connections) for place in places]
