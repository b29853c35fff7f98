"""The connections of one channel: one subchannel for each address, and which of them the next call takes.

Invariants: a connection that is not READY is never handed out; at most one attempt to connect runs for an address.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

import anyio

from eventflux_runtime.channel.subchannel import Subchannel
from eventflux_runtime.config import ClientConfig
from eventflux_runtime.endpoint import Endpoint
from eventflux_runtime.method import Method
from eventflux_runtime.net.reactor import Reactor
from eventflux_runtime.rpc_error import DeadlineExceeded, RpcError, Unavailable
from eventflux_runtime.transport_api import CallHead, ClientCall, ClientConnection, Transport

__all__ = ["Pool"]

Req = TypeVar("Req")
Res = TypeVar("Res")

_FIRST_WAIT_S = 0.05
_LONGEST_WAIT_S = 2.0


class Pool:
    """Every connection of an entered channel."""

    def __init__(
        self, endpoints: Sequence[Endpoint], transport: Transport, config: ClientConfig, reactor: Reactor
    ) -> None:
        self._config = config
        self._subchannels = [Subchannel(endpoint, transport, config, reactor) for endpoint in endpoints]
        self._next = 0
        self.is_plain = True

    def __repr__(self) -> str:
        states = ", ".join(repr(subchannel) for subchannel in self._subchannels)
        return f"[{states}]"

    def start(self) -> None:
        """Opens the connections that are wanted even without a call."""
        if self._config.pool.min_connections:
            for subchannel in self._subchannels:
                subchannel.connect_soon()

    def try_acquire(self) -> ClientConnection | None:
        """A connection for the next call, if one is ready now."""
        subchannels = self._subchannels
        count = len(subchannels)
        for step in range(count):
            index = (self._next + step) % count
            connection = subchannels[index].ready
            if connection is not None:
                self._next = index + 1
                return connection
        return None

    async def acquire(self, deadline: float | None, wait_for_ready: bool) -> ClientConnection:
        """A connection for the next call; connects where none is ready.

        Raises:
            Unavailable: no address can be reached, and the call does not want to wait.
            DeadlineExceeded: the deadline passed first.
        """
        wait_s = _FIRST_WAIT_S
        while True:
            connection = self.try_acquire()
            if connection is not None:
                return connection
            error = await self._connect_any(deadline)
            if error is None:
                continue
            if not wait_for_ready:
                raise error
            with anyio.move_on_after(_until(deadline)):
                await anyio.sleep(wait_s * random.uniform(0.8, 1.2))
            if deadline is not None and anyio.current_time() >= deadline:
                raise DeadlineExceeded(f"the deadline passed while waiting for a server: {error.message}")
            wait_s = min(wait_s * 2, _LONGEST_WAIT_S)

    async def _connect_any(self, deadline: float | None) -> RpcError | None:
        """Tries one address after another; None once one of them is ready."""
        error: RpcError | None = None
        count = len(self._subchannels)
        for step in range(count):
            subchannel = self._subchannels[(self._next + step) % count]
            with anyio.move_on_after(_until(deadline)) as scope:
                error = await subchannel.connect()
            if scope.cancelled_caught:
                raise DeadlineExceeded(f"the deadline passed while connecting to {subchannel.endpoint}")
            if error is None:
                return None
        assert error is not None
        return error

    async def unary(self, method: Method[Req, Res], request: Req, head: CallHead, wait_for_ready: bool) -> Res:
        """A call of one request and one response."""
        connection = self.try_acquire() or await self.acquire(head.deadline, wait_for_ready)
        return await connection.unary(method, request, head)

    async def start_call(self, method: Method[Req, Res], head: CallHead, wait_for_ready: bool) -> ClientCall[Req, Res]:
        """Starts a streaming call."""
        connection = self.try_acquire() or await self.acquire(head.deadline, wait_for_ready)
        return connection.start(method, head)

    async def aclose(self) -> None:
        """Closes every connection."""
        for subchannel in self._subchannels:
            await subchannel.aclose()


def _until(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - anyio.current_time())


def closed_error() -> Unavailable:
    """What a call gets that was still waiting when its channel was left."""
    return Unavailable("the channel was closed")
