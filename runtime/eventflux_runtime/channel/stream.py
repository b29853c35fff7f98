"""The streams a caller holds: one class for each streaming kind, over whatever call the wire made."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import anyio

from eventflux_runtime.metadata import EMPTY_METADATA, Metadata
from eventflux_runtime.rpc_error import Unimplemented
from eventflux_runtime.status import Status
from eventflux_runtime.transport_api import ClientCall

__all__ = ["BidiStream", "ClientStream", "ServerStream"]

Req = TypeVar("Req")
Res = TypeVar("Res")


class _Stream(Generic[Req, Res]):
    """A call that starts when its context is entered and is cancelled when the context is left before its end.

    Made by the streaming methods of a client.
    """

    def __init__(self, start: Callable[[], Awaitable[ClientCall[Req, Res]]]) -> None:
        self._start = start
        self._started: ClientCall[Req, Res] | None = None

    async def __aenter__(self) -> Self:
        if self._started is not None:
            raise RuntimeError("this stream was entered before: call the method again for a new one")
        self._started = await self._start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()

    @property
    def _call(self) -> ClientCall[Req, Res]:
        if self._started is None:
            raise RuntimeError("the stream has not started: enter it with 'async with' first")
        return self._started

    def cancel(self) -> None:
        """Ends the call now; the server's handler is cancelled. A call that has ended is left alone."""
        if self._started is not None:
            self._started.cancel()

    async def initial_metadata(self) -> Metadata:
        """What the server sent ahead of its first response; waits for it."""
        return await self._call.initial_metadata()

    @property
    def status(self) -> Status | None:
        """How the call ended; None while it runs."""
        return self._started.status if self._started is not None else None

    @property
    def trailers(self) -> Metadata:
        """The server's trailing metadata; empty until the call has ended."""
        status = self.status
        return status.trailers if status is not None else EMPTY_METADATA


class _Receiving(_Stream[Req, Res]):
    async def receive(self) -> Res:
        """The next response.

        Raises:
            anyio.EndOfStream: the call ended with OK.
            RpcError: the call ended otherwise.
        """
        return await self._call.receive()

    def __aiter__(self) -> AsyncIterator[Res]:
        # Entered, the stream is its own iterator: a loop that is left early leaves no generator behind to be closed.
        return self if self._started is not None else self._whole()

    async def __anext__(self) -> Res:
        try:
            return await self._call.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def _whole(self) -> AsyncIterator[Res]:
        async with self:
            async for message in self:
                yield message


class ServerStream(_Receiving[Any, Res]):
    """One request, many responses.

    ``async with client.method(request) as stream: async for message in stream: ...``. Iterating without entering
    works too, and cancels the call when the iterator is closed.
    """


class BidiStream(_Receiving[Req, Res]):
    """Many requests, many responses, each side at its own pace."""

    async def send(self, message: Req) -> None:
        """Sends one request, waiting while the server is behind.

        Raises:
            RpcError: the call has failed.
            anyio.ClosedResourceError: `end` was called, or the server has ended the call with OK.
        """
        await self._call.send(message)

    async def end(self) -> None:
        """Says that no request follows; responses go on."""
        await self._call.end()


class ClientStream(_Stream[Req, Res]):
    """Many requests, one response: ``send`` them, then ``finish``."""

    async def send(self, message: Req) -> None:
        """Sends one request, waiting while the server is behind.

        Raises:
            RpcError: the call has failed.
            anyio.ClosedResourceError: `finish` was called, or the server has ended the call with OK.
        """
        await self._call.send(message)

    async def finish(self) -> Res:
        """Says that no request follows and waits for the response.

        Raises:
            RpcError: the call failed.
        """
        call = self._call
        await call.end()
        try:
            response = await call.receive()
        except anyio.EndOfStream:
            raise Unimplemented("the server ended the call without the one response that its method has") from None
        try:
            await call.receive()
        except anyio.EndOfStream:
            return response
        call.cancel()
        raise Unimplemented("the server sent more than the one response that its method has")
