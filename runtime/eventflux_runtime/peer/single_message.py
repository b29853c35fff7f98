"""Links for callers that open no connection: one message and its answer, or a subscription."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import anyio
import anyio.lowlevel

from eventflux_runtime.peer.payload import PayloadCodec
from eventflux_runtime.peer.stream_link import StreamLink
from eventflux_runtime.peer.transport import Link
from eventflux_runtime.rpc.errors import TransportError
from eventflux_runtime.rpc.rpc_error import Unavailable

__all__ = ["ReplyLink", "SubscriberLink"]

M = TypeVar("M")

ACKNOWLEDGE_AFTER_S: Final = 1.0
"""Seconds after which a plain caller is told that its message has arrived, though the program has not taken it yet."""


class ReplyLink(Link[M]):
    """A `Link` of one message in and one message out: a plain call."""

    def __init__(self, address: str, request: M, size: int) -> None:
        self.error: TransportError | None = None
        self.size = size
        """What the message costs, in bytes."""
        self._address = address
        self._request: M | None = request
        self._reply: M | None = None
        self._taken = anyio.Event()
        self._settled = anyio.Event()

    @property
    def is_open(self) -> bool:
        """See `Link.is_open`."""
        return not self._settled.is_set()

    async def send(self, message: M) -> None:
        """See `Link.send`."""
        await anyio.lowlevel.checkpoint()
        if self._settled.is_set():
            raise Unavailable(f"the call from {self._address} has its answer already: wait for its next message")
        self._reply = message
        self._settled.set()

    async def receive(self) -> M:
        """See `Link.receive`."""
        await anyio.lowlevel.checkpoint()
        request, self._request = self._request, None
        if request is None:
            raise Unavailable(f"the call from {self._address} brought one message, and no more follow")
        self._taken.set()
        return request

    async def aclose(self) -> None:
        """See `Link.aclose`. A call without an answer is acknowledged."""
        self._taken.set()
        self._settled.set()

    async def reply(self, timeout_s: float) -> M | None:
        """The program's answer; None: it gave none in time, closed the connection, or nobody took the message yet."""
        with anyio.move_on_after(min(timeout_s, ACKNOWLEDGE_AFTER_S)):
            await self._taken.wait()
        if self._taken.is_set():
            with anyio.move_on_after(timeout_s):
                await self._settled.wait()
        return self._reply

    def leave(self) -> None:
        """The call has ended; the message can still be taken."""
        self._settled.set()


class SubscriberLink(StreamLink[M]):
    """A `Link` that only takes messages; those that the subscriber does not want are left out."""

    def __init__(
        self,
        address: str,
        payloads: PayloadCodec[M],
        timeout_s: float,
        request: Any,
        is_wanted: Callable[[Any, M], bool],
    ) -> None:
        super().__init__(address, payloads, timeout_s)
        self._request = request
        self._is_wanted = is_wanted

    async def send(self, message: M) -> None:
        """See `Link.send`."""
        stamped = self._payloads.stamp(message)
        if self._is_wanted(self._request, stamped):
            await super().send(stamped)
        else:
            await anyio.lowlevel.checkpoint()
