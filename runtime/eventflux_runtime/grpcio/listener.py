"""A gRPC server on one address.

Invariants: calls run in grpcio's own tasks, and `aclose` returns after the last of them has ended.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast

import grpc
from anyio import CancelScope
from grpc import aio

from eventflux_runtime.compression.algorithm import require_compression
from eventflux_runtime.grpcio.accept import make_server
from eventflux_runtime.grpcio.credential import server_credentials
from eventflux_runtime.grpcio.cut import cut_connections
from eventflux_runtime.grpcio.drain import Gate
from eventflux_runtime.grpcio.handler import DispatcherHandler, ServedCalls
from eventflux_runtime.grpcio.option import grpc_compression, is_resolved_by_grpc, server_options
from eventflux_runtime.grpcio.reflection import reflection_handlers
from eventflux_runtime.net.resolve import shown_host
from eventflux_runtime.net.socket import bind_tcp
from eventflux_runtime.protocol.api import Dispatcher
from eventflux_runtime.rpc.config import Compression, ServerConfig
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.errors import ConfigError

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor

__all__ = ["GrpcListener", "open_listener"]

_ENDLESS_S: Final = 1e9
"""The grace time of a drain, in seconds; `GrpcListener.aclose` ends it."""
_LAST_CALLS_S: Final = 0.5
"""Seconds, within the grace time, that a drained server takes calls which clients sent before they knew."""
_STOP_S: Final = 0.4
"""Seconds, after those, that grpcio has to break off what is still in flight."""
_CUT_S: Final = 1.0
"""Seconds for grpcio to notice that connections were cut, which takes it a moment."""
_LEFT: Final[set[aio.Server]] = set()
"""Servers that never stopped: grpcio's core still tells them when they have, so they must not be freed."""
_NOTICE_S: Final = 0.25
"""Seconds, a quarter of the grace time at most, in which a draining server tells our clients call by call before it
breaks with all; see `Gate`. A client that makes no call in this time hears of it from grpcio alone."""
_PORT_TRIES: Final = 8
"""Ports that the system may choose until grpcio gets one on every address."""


class GrpcListener:
    """A `Listener` over a grpcio server."""

    def __init__(
        self, server: aio.Server, endpoint: Endpoint, reactor: Reactor, calls: ServedCalls, gate: Gate, grace_s: float
    ) -> None:
        self.endpoint = endpoint
        self._gate = gate
        self._grace_s = grace_s
        self._notice_s = min(_NOTICE_S, grace_s / 4)
        self._notice_ends_at = 0.0
        self._closing = asyncio.Event()
        self._server: aio.Server | None = server
        self._reactor = reactor
        self._calls = calls
        self._is_draining = False
        self._gentle_stop: asyncio.Task[None] | None = None
        self._stopping = asyncio.Lock()

    @property
    def active_calls(self) -> int:
        """See `Listener.active_calls`."""
        return self._calls.count

    def drain(self) -> None:
        """See `Listener.drain`."""
        if not self._is_draining:
            self._is_draining = True
            self._notice_ends_at = self._reactor.now() + self._notice_s
            self._gate.close(self._notice_s)
            self._gentle_stop = asyncio.get_running_loop().create_task(self._stop_gently())

    async def _stop_gently(self) -> None:
        await asyncio.sleep(self._notice_s)
        if self._server is not None:
            await self._server.stop(_ENDLESS_S)

    async def aclose(self) -> None:
        """See `Listener.aclose`."""
        self._closing.set()
        await self._close()

    async def close_with_reactor(self) -> None:
        """Closes when the reactor's scope is left without `aclose`; a job of that reactor."""
        try:
            await self._closing.wait()
        finally:
            await self._close()

    async def _close(self) -> None:
        try:
            if self._gentle_stop is not None:
                notice_s = max(0.0, self._notice_ends_at - self._reactor.now())
                await asyncio.wait({self._gentle_stop}, timeout=notice_s + min(_LAST_CALLS_S, self._grace_s))
        finally:
            await self._stop()

    async def _stop(self) -> None:
        with CancelScope(shield=True):
            self._is_draining = True
            async with self._stopping:
                server = self._server
                if server is not None:
                    await self._break_off_the_gentle_stop()
                    await self._stop_within(server, _STOP_S)
                # What is kept of a server keeps grpcio's thread at work, even if the server has stopped.
                self._server = None
            # grpcio returns when it has told its tasks of the end, not when they have ended.
            await self._calls.wait_idle()

    async def _break_off_the_gentle_stop(self) -> None:
        """Leaves grpcio with one stop at a time: of two, the later may find the server freed, and ends the process."""
        if self._gentle_stop is not None:
            self._gentle_stop.cancel()
            await asyncio.wait({self._gentle_stop})

    async def _stop_within(self, server: aio.Server, limit_s: float) -> None:
        """Stops grpcio's server, whose connections are cut if their clients do not read meanwhile."""
        stopping = asyncio.ensure_future(server.stop(None))
        await asyncio.wait({stopping}, timeout=limit_s)
        if not stopping.done() and cut_connections(self.endpoint):
            await asyncio.wait({stopping}, timeout=_CUT_S)
        if stopping.done():
            stopping.result()
        else:
            _LEFT.add(server)
            stopping.cancel()
            await asyncio.wait({stopping})


async def open_listener(
    endpoint: Endpoint, config: ServerConfig, dispatcher: Dispatcher, reactor: Reactor
) -> GrpcListener:
    """See `Wire.listen`; on asyncio only."""
    if is_resolved_by_grpc(endpoint):
        raise ConfigError(f"{endpoint} is for clients: a server listens on grpc://host:port or grpcs://host:port")
    for compression in (config.compression, *(binding.method.compression for binding in dispatcher.bindings)):
        require_compression(compression or Compression.NONE)
    credentials = server_credentials(config.tls) if endpoint.is_tls else None
    calls = ServedCalls()
    gate = Gate(DispatcherHandler(dispatcher, config, reactor, endpoint.is_tls, calls), dispatcher)

    def make() -> aio.Server:
        return make_server(
            [cast("grpc.GenericRpcHandler", gate), *reflection_handlers(dispatcher, config)],
            [binding.method.path for binding in dispatcher.bindings],
            server_options(config),
            grpc_compression(config.compression),
        )

    server, port = await _bound_server(make, endpoint, credentials)
    await server.start()
    listener = GrpcListener(server, endpoint.with_port(port), reactor, calls, gate, config.drain_grace_s)
    reactor.spawn(listener.close_with_reactor)
    return listener


async def _bound_server(
    make: Callable[[], aio.Server], endpoint: Endpoint, credentials: grpc.ServerCredentials | None
) -> tuple[aio.Server, int]:
    """A server bound to every address of an endpoint, and the port it has on all of them.

    grpcio is given addresses, not names: which of them this machine has, and why one cannot be had, plain sockets tell,
    which hold them until just before. Who takes one in that moment is in the way of a fixed port, not of another.

    Raises:
        ConfigError: an address cannot be had.
    """
    tries_left = 1 if endpoint.port else _PORT_TRIES
    while True:
        tries_left -= 1
        held = await bind_tcp(endpoint, is_listening=False)
        literals = [_literal(endpoint, sock.getsockname()) for sock in held]
        for sock in held:
            sock.close()
        server = make()
        try:
            with _ipv6_kept_off(literals[0]):
                for literal in literals:
                    _add_port(server, literal, credentials)
        except RuntimeError as error:
            await server.stop(None)
            if not tries_left:
                raise ConfigError(f"cannot listen on {endpoint}: {error}") from None
        else:
            return server, literals[0].port


@contextmanager
def _ipv6_kept_off(literal: Endpoint) -> Iterator[None]:
    """Keeps grpcio from IPv6 where a server is to listen on every IPv4 address, which it takes for every address.

    It listens on IPv4 alone where it cannot have the port of IPv6, so that is held meanwhile.
    """
    if literal.host != "0.0.0.0":
        yield
        return
    with ExitStack() as stack:
        with suppress(OSError):  # there is no IPv6, or somebody has that port of it
            sock = stack.enter_context(socket.socket(socket.AF_INET6, socket.SOCK_STREAM))
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind(("::", literal.port))
        yield


def _literal(endpoint: Endpoint, address: tuple[Any, ...]) -> Endpoint:
    return replace(endpoint, host=shown_host(address), port=address[1])


def _add_port(server: aio.Server, literal: Endpoint, credentials: grpc.ServerCredentials | None) -> None:
    if credentials is None:
        server.add_insecure_port(literal.address)
    else:
        server.add_secure_port(literal.address, credentials)
