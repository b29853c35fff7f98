"""The wires under test: how each is addressed, and a server with a client on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from eventflux_runtime import Channel, ClientConfig, ConfigError, Server, ServerConfig, connect, serve
from eventflux_runtime.testing import memory_endpoint
from eventflux_transport import TransportClient
from tests.support.probe import Probe

WIRES = ("tcp", "unix", "memory", "grpc", "ws", "rdma", "grpcio")
SHORT_S = (0.3, 1.0, 5.0)
"""Timeouts of a call that is to reach its handler and end there: where the machine is too busy for one, the next."""


@cache
def why_missing(wire: str) -> str:
    """What a wire needs that this machine lacks; empty: nothing."""
    if wire != "rdma":
        return ""
    try:
        from eventflux_runtime.carrier.rdma.library import load_library

        load_library()
    except (ConfigError, ModuleNotFoundError) as error:
        return str(error)
    return ""


@dataclass
class Link:
    """A client and the service it reaches."""

    client: TransportClient
    service: Probe
    channel: Channel
    server: Server
    url: str


def address(wire: str, tmp_path: Path) -> str:
    """A URL to listen on."""
    if wire == "unix":
        return f"unix://{tmp_path}/probe.sock"
    if wire == "memory":
        return memory_endpoint()
    return at(wire)


def at(wire: str, host: str = "127.0.0.1", port: int = 0) -> str:
    """The URL of a host and a port; RDMA's is that of a provider that runs in software."""
    return f"{wire}://{host}:{port}{'?provider=tcp' if wire == 'rdma' else ''}"


@asynccontextmanager
async def linked(
    wire: str,
    tmp_path: Path,
    client_config: ClientConfig | None = None,
    server_config: ServerConfig | None = None,
) -> AsyncIterator[Link]:
    """A probe served on a wire, and a client of it. Handlers left over are cancelled at once at the end."""
    async with linked_at(address(wire, tmp_path), client_config, server_config) as link:
        yield link


@asynccontextmanager
async def linked_at(
    url: str, client_config: ClientConfig | None = None, server_config: ServerConfig | None = None
) -> AsyncIterator[Link]:
    """The same at a URL."""
    service = Probe()
    config = server_config if server_config is not None else ServerConfig(drain_grace_s=0)
    async with serve([service], url, config=config) as server:
        bound = server.endpoints[0]
        async with connect(bound, config=client_config) as channel:
            yield Link(TransportClient(channel), service, channel, server, bound)
