"""One address of a channel: its connection, and the attempt to make one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventflux_runtime.config import ClientConfig
from eventflux_runtime.endpoint import Endpoint
from eventflux_runtime.rpc_error import RpcError, Unavailable
from eventflux_runtime.transport_api import ClientConnection, ConnectionState, Transport

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor, Waiter

__all__ = ["Subchannel"]


class Subchannel:
    """Connects to one endpoint on demand and shares the connection among calls."""

    def __init__(self, endpoint: Endpoint, transport: Transport, config: ClientConfig, reactor: Reactor) -> None:
        self.endpoint = endpoint
        self._transport = transport
        self._config = config
        self._reactor = reactor
        self._connection: ClientConnection | None = None
        self._waiters: list[Waiter[RpcError | None]] = []
        self._is_connecting = False
        self._is_closed = False

    def __repr__(self) -> str:
        if self._is_connecting:
            return f"{self.endpoint}: connecting"
        connection = self._connection
        if connection is None or connection.state is ConnectionState.CLOSED:
            return f"{self.endpoint}: idle"
        return f"{self.endpoint}: {connection.state.value}, {connection.active_calls} active"

    @property
    def ready(self) -> ClientConnection | None:
        """The connection, if it takes calls."""
        connection = self._connection
        if connection is not None and connection.state is ConnectionState.READY:
            return connection
        return None

    def connect_soon(self) -> None:
        """Starts an attempt unless one runs or a connection is ready."""
        if not self._is_connecting and self.ready is None and not self._is_closed:
            self._is_connecting = True
            self._reactor.spawn(self._attempt)

    async def connect(self) -> RpcError | None:
        """Waits for the attempt that runs, or a new one; None once connected, otherwise why not."""
        self.connect_soon()
        if not self._is_connecting:
            return None if self.ready is not None else Unavailable("the channel was closed")
        waiter: Waiter[RpcError | None] = self._reactor.waiter()
        self._waiters.append(waiter)
        error: RpcError | None = await waiter
        return error

    async def _attempt(self) -> None:
        error: RpcError | None = Unavailable("the channel was closed")
        try:
            self._connection = await self._transport.open(self.endpoint, self._config, self._reactor)
            error = None
        except RpcError as caught:
            caught.unprocessed = True
            error = caught
        finally:
            self._is_connecting = False
            waiters, self._waiters = self._waiters, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(error)

    async def aclose(self) -> None:
        """Closes the connection and takes no new one."""
        self._is_closed = True
        if self._connection is not None:
            await self._connection.aclose()
