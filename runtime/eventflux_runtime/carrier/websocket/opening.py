"""The client's opening of a WebSocket: stands at the pipe below until the server has consented."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventflux_runtime.carrier.api import Pipe, Relay
from eventflux_runtime.carrier.websocket.handshake import ClientHandshake
from eventflux_runtime.carrier.websocket.pipe import WebSocketPipe

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor, Waiter

__all__ = ["ClientOpening"]


class ClientOpening:
    """A `PipeHandler` until the server has answered; then the WebSocket takes its place."""

    def __init__(self, lower: Pipe, handshake: ClientHandshake, reactor: Reactor) -> None:
        self._lower = lower
        self._handshake = handshake
        self._reactor = reactor
        self._relay = Relay(self)
        self._opened: Waiter[WebSocketPipe] = reactor.waiter()

    async def opened(self) -> WebSocketPipe:
        """Starts the pipe below, asks, and returns the WebSocket once the server has consented.

        Raises:
            OSError: it did not, or the connection was lost. The pipe below is closed then.
        """
        self._lower.start(self._relay)
        self._lower.write(self._handshake.request)
        try:
            pipe: WebSocketPipe = await self._opened
        except BaseException:
            self._lower.abort()
            raise
        return pipe

    def on_data(self, data: bytes) -> None:
        """See `PipeHandler.on_data`."""
        if self._opened.done():
            return
        try:
            self._handshake.receive_data(data)
        except OSError as error:
            self._opened.set_exception(error)
            return
        rest = self._handshake.rest
        if rest is not None:
            pipe = WebSocketPipe(self._lower, self._reactor, self._lower.peer, is_client=True)
            self._relay.forward_to(pipe)
            if rest:
                pipe.on_data(rest)
            self._opened.set_result(pipe)

    def on_eof(self) -> None:
        """See `PipeHandler.on_eof`."""
        if not self._opened.done():
            self._opened.set_exception(ConnectionError(self._handshake.why_ended()))

    def on_lost(self, error: Exception | None) -> None:
        """See `PipeHandler.on_lost`."""
        if not self._opened.done():
            self._opened.set_exception(error or ConnectionError(self._handshake.why_ended()))

    def on_congested(self) -> None:
        """See `PipeHandler.on_congested`; a request is short."""

    def on_writable(self) -> None:
        """See `PipeHandler.on_writable`."""
