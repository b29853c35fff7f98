"""The wires under test: how each is addressed, and a server with a client on it."""

from __future__ import annotations

import atexit
import importlib.util
import os
import tempfile
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import eventflux_runtime
from eventflux_runtime import Channel, ClientConfig, ConfigError, Server, ServerConfig, Service, TlsConfig
from eventflux_runtime.rpc.scheme import SCHEMES
from eventflux_runtime.testing import memory_endpoint
from eventflux_transport import TransportClient
from tests.support.authority import Authority
from tests.support.probe import Probe

WIRES = ("tcp", "unix", "memory", "grpc", "ws", "quic", "rdma", "grpcio")
SHORT_S = (0.3, 1.0, 5.0)
"""Timeouts of a call that is to reach its handler and end there: where the machine is too busy for one, the next."""


@cache
def why_missing(wire: str) -> str:
    """What a wire needs that this machine lacks; empty: nothing."""
    row = SCHEMES.get(wire)
    if row is None:
        return ""
    if any(importlib.util.find_spec(package) is None for package in row.packages):
        return f"the extra {row.extra} is not installed"
    if wire == "rdma":
        from eventflux_runtime.carrier.rdma.library import load_library

        try:
            load_library()
        except ConfigError as error:
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


_AUTHORITY = "EVENTFLUX_TEST_AUTHORITY"
"""The variable that tells child processes where the certificates are."""
FLEET_HOST = f"127.{os.getpid() % 250 + 1}.0.4"
"""An address of this process's own: a port that is free for a moment, until its server is back, stays free."""


@cache
def _certificates() -> tuple[TlsConfig, TlsConfig]:
    """A client's and a server's configuration, by an authority of this process and its children."""
    folder = os.environ.get(_AUTHORITY)
    if folder is None:
        made = tempfile.TemporaryDirectory(prefix="eventflux-authority-")
        atexit.register(made.cleanup)
        folder = os.environ[_AUTHORITY] = made.name
        Authority(Path(folder)).issue("server", "127.0.0.1", "127.0.0.2", "::1", "localhost", FLEET_HOST)
    server = TlsConfig(cert_file=f"{folder}/server.pem", key_file=f"{folder}/server.key")
    return TlsConfig(ca_file=f"{folder}/ca.pem"), server


def _is_encrypted(urls: Iterable[Any]) -> bool:
    return any(str(url).startswith("quic:") for url in urls)


def client_config(config: ClientConfig | None, *urls: Any) -> ClientConfig | None:
    """The same, but with certificates where a wire has to have some and the test names none."""
    if not _is_encrypted(urls) or (config is not None and config.tls is not None):
        return config
    return replace(config if config is not None else ClientConfig(), tls=_certificates()[0])


def server_config(config: ServerConfig | None, *urls: Any) -> ServerConfig | None:
    """As `client_config`."""
    if not _is_encrypted(urls) or (config is not None and config.tls is not None):
        return config
    return replace(config if config is not None else ServerConfig(), tls=_certificates()[1])


def connect(target: str | Sequence[str], *, config: ClientConfig | None = None, **options: Any) -> Channel:
    """`eventflux_runtime.connect`, on any of the wires."""
    urls = target if isinstance(target, list | tuple) else [target]
    return eventflux_runtime.connect(target, config=client_config(config, *urls), **options)


def serve(services: Sequence[Service], *urls: str, config: ServerConfig | None = None, **options: Any) -> Server:
    """`eventflux_runtime.serve`, on any of the wires."""
    return eventflux_runtime.serve(services, *urls, config=server_config(config, *urls), **options)


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
