"""The streams a caller holds: one class for each streaming kind, over whatever call the wire made."""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeAlias, TypeVar, cast

import anyio
from anyio.lowlevel import current_token

from eventflux_runtime.protocol.api import ClientCall
from eventflux_runtime.rpc.metadata import EMPTY_METADATA, Metadata
from eventflux_runtime.rpc.rpc_error import Unimplemented
from eventflux_runtime.rpc.status import Status

__all__ = ["BidiStream", "ClientStream", "ServerStream"]

_BATCH: Final = 64
_BATCH_BYTES: Final = 64 * 1024
"""So much a batch has behind its first response. What compressed ones would become is not known: none is among it."""
_Post: TypeAlias = Callable[[Callable[[], None]], object]

Req = TypeVar("Req")
Res = TypeVar("Res")


class _Stream(Generic[Req, Res]):
    """A call that starts when its context is entered and is cancelled when the context is left before its end.

    Made by the streaming methods of a client.

    One that is dropped instead is cancelled too, as soon as nobody holds it, and warned of.
    """

    _post: _Post
    """Runs a callback on the event loop of the call; set once that has started."""

    def __init__(self, method: str, start: Callable[[], Awaitable[ClientCall[Req, Res]]]) -> None:
        self._method = method
        self._start = start
        self._started: ClientCall[Req, Res] | None = None
        self._is_over = False

    async def __aenter__(self) -> Self:
        if self._started is not None:
            raise RuntimeError("this stream was entered before: call the method again for a new one")
        await self._begin()
        return self

    async def _begin(self) -> None:
        self._started = await self._start()
        self._post = _poster()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()

    async def aclose(self) -> None:
        """Ends the call as `cancel` does; for `contextlib.aclosing`."""
        self.cancel()

    def __del__(self) -> None:
        call = self._started
        if call is None or self._is_over:
            return
        # Perhaps on another thread, where the garbage collector found this.
        with suppress(RuntimeError):  # the event loop is closed, and with it the connection
            self._post(call.cancel)
        if call.status is None:
            warnings.warn(
                f"a stream of {self._method} was dropped before its end, which cancels its call: use 'async with'",
                ResourceWarning,
                source=self,
                stacklevel=2,
            )

    @property
    def _call(self) -> ClientCall[Req, Res]:
        if self._started is None:
            raise RuntimeError("the stream has not started: enter it with 'async with' first")
        return self._started

    def cancel(self) -> None:
        """Ends the call now; the server's handler is cancelled. A call that has ended is left alone."""
        self._is_over = True
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
    _ends_with_loop = False
    """Whether a loop goes over a stream that nobody has entered, and therefore nobody will leave."""

    async def receive(self) -> Res:
        """The next response.

        Raises:
            anyio.EndOfStream: the call ended with OK.
            RpcError: the call ended otherwise.
        """
        return await self._call.receive()

    async def receive_batch(self) -> list[Res]:
        """The next response, and with it those behind it that have arrived already: up to 64 of them, or 64 KiB.

        For those whose turn costs more than a message, such as another thread. Raises as `receive`.
        """
        call = self._call
        batch = [await call.receive()]
        room = _BATCH_BYTES
        while len(batch) < _BATCH and 0 <= (size := call.ready_bytes) <= room:
            room -= size
            batch.append(await call.receive())
        return batch

    def __aiter__(self) -> Self:
        # The stream is its own iterator, so that a loop that is left early leaves no generator behind to be closed.
        if self._started is None:
            self._ends_with_loop = True
        return self

    async def __anext__(self) -> Res:
        if self._started is None:
            await self._begin()
        try:
            return await self._call.receive()
        except anyio.EndOfStream:
            if self._ends_with_loop:
                self.cancel()
            raise StopAsyncIteration from None
        except BaseException:
            if self._ends_with_loop:
                self.cancel()
            raise


class ServerStream(_Receiving[Any, Res]):
    """One request, many responses.

    ``async with client.method(request) as stream: async for message in stream: ...``. Iterating without entering
    works too, to the end of the stream; a loop that is left before drops the stream, which warns.
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


def _poster() -> _Post:
    """What runs a callback on the running event loop, from whatever thread."""
    loop: Any = current_token().native_token
    # The one is what trio's token has, the other what asyncio's loop has.
    return cast("_Post", loop.run_sync_soon if hasattr(loop, "run_sync_soon") else loop.call_soon_threadsafe)
