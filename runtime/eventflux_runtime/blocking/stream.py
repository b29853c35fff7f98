"""The streams of a blocking client: one class for each streaming kind, over the async one on the channel's thread.

Invariants: one thread at a time receives from a stream, and one sends; what has been received and not been taken yet
stands in `_batch`, and stays there when a wait is interrupted.
"""

from __future__ import annotations

import threading
import warnings
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import anyio

from eventflux_runtime.client.stream import BidiStream, ClientStream, ServerStream
from eventflux_runtime.rpc.metadata import Metadata
from eventflux_runtime.rpc.status import Status

if TYPE_CHECKING:
    from eventflux_runtime.blocking.portal import Portal

__all__ = ["BlockingBidiStream", "BlockingClientStream", "BlockingServerStream"]

Req = TypeVar("Req")
Res = TypeVar("Res")
S = TypeVar("S", bound="ServerStream[Any] | ClientStream[Any, Any] | BidiStream[Any, Any]")
R = TypeVar("R", bound="ServerStream[Any] | BidiStream[Any, Any]")


class _Stream(Generic[S]):
    """A call that starts when its context is entered and is cancelled when the context is left before its end.

    Made by the streaming methods of a client.

    One that is dropped instead is cancelled too, as soon as nobody holds it, and warned of.
    """

    def __init__(self, stream: S, portal: Portal, method: str, channel: object) -> None:
        self._stream = stream
        self._portal = portal
        self._method = method
        self._channel = channel  # which would be closed if nobody held it
        self._is_entered = False
        self._is_over = False

    def __enter__(self) -> Self:
        if self._is_entered:
            raise RuntimeError("this stream was entered before: call the method again for a new one")
        self._begin()
        return self

    def _begin(self) -> None:
        self._is_entered = True
        try:
            self._portal.run(self._stream.__aenter__)
        except BaseException:
            self.cancel()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()

    def close(self) -> None:
        """Ends the call as `cancel` does; for `contextlib.closing`."""
        self.cancel()

    def __del__(self) -> None:
        if not self._is_entered or self._is_over:
            return
        # Perhaps on the loop's own thread, where the garbage collector found this.
        self._portal.post(self._stream.cancel)
        if self._stream.status is None and not self._portal.is_inherited:
            warnings.warn(
                f"a stream of {self._method} was dropped before its end, which cancels its call: use 'with'",
                ResourceWarning,
                source=self,
                stacklevel=2,
            )

    def cancel(self) -> None:
        """Ends the call now; the server's handler is cancelled. A call that has ended is left alone.

        Never waits: any thread may call it, a handler of a signal too.
        """
        self._is_over = True
        self._portal.post(self._stream.cancel)

    def initial_metadata(self) -> Metadata:
        """What the server sent ahead of its first response; waits for it."""
        self._check_entered()
        return self._portal.run(self._stream.initial_metadata)

    def _check_entered(self) -> None:
        if not self._is_entered:
            raise RuntimeError("the stream has not started: enter it with 'with' first")

    @property
    def status(self) -> Status | None:
        """How the call ended; None while it runs."""
        return self._stream.status

    @property
    def trailers(self) -> Metadata:
        """The server's trailing metadata; empty until the call has ended."""
        return self._stream.trailers


class _Receiving(_Stream[R], Generic[R, Res]):
    """A call with many responses. Made by the streaming methods of a client."""

    _ends_with_loop = False
    """Whether a loop goes over a stream that nobody has entered, and therefore nobody will leave."""

    def __init__(self, stream: R, portal: Portal, method: str, channel: object) -> None:
        super().__init__(stream, portal, method, channel)
        self._batch: deque[Res] = deque()
        self._receiving = threading.Lock()

    def receive(self) -> Res:
        """The next response; several threads that ask for one get one after another.

        Raises:
            anyio.EndOfStream: the call ended with OK.
            RpcError: the call ended otherwise.
        """
        self._check_entered()
        with self._receiving:
            if not self._batch:
                self._portal.run(self._fill)
            return self._batch.popleft()

    async def _fill(self) -> None:
        # A turn of the loop for each message would cost more than all else.
        self._batch.extend(await self._stream.receive_batch())

    def cancel(self) -> None:
        """Ends the call now; the server's handler is cancelled. A call that has ended is left alone.

        Never waits: any thread may call it, a handler of a signal too.
        """
        self._batch.clear()
        super().cancel()

    def __iter__(self) -> Self:
        # The stream is its own iterator, so that a loop that is left early leaves no generator behind to be closed.
        if not self._is_entered:
            self._ends_with_loop = True
        return self

    def __next__(self) -> Res:
        if not self._is_entered:
            self._begin()
        try:
            return self.receive()
        except anyio.EndOfStream:
            if self._ends_with_loop:
                self.cancel()
            raise StopIteration from None
        except BaseException:
            if self._ends_with_loop:
                self.cancel()
            raise


class BlockingServerStream(_Receiving[ServerStream[Res], Res], Generic[Res]):
    """One request, many responses. Made by a client's methods.

    ``with client.method(request) as stream: for message in stream: ...``. Iterating without entering works too, to the
    end of the stream; a loop that is left before drops the stream, which warns.
    """


class BlockingBidiStream(_Receiving[BidiStream[Req, Res], Res], Generic[Req, Res]):
    """Many requests, many responses, each side at its own pace. Made by a client's methods.

    One thread may send while another receives.
    """

    def __init__(self, stream: BidiStream[Req, Res], portal: Portal, method: str, channel: object) -> None:
        super().__init__(stream, portal, method, channel)
        self._sending = threading.Lock()

    def send(self, message: Req) -> None:
        """Sends one request, waiting while the server is behind.

        Raises:
            RpcError: the call has failed.
            anyio.ClosedResourceError: `end` was called, or the server has ended the call with OK.
        """
        self._check_entered()
        with self._sending:
            self._portal.run(self._stream.send, message)

    def end(self) -> None:
        """Says that no request follows; responses go on."""
        self._check_entered()
        self._portal.run(self._stream.end)


class BlockingClientStream(_Stream[ClientStream[Req, Res]], Generic[Req, Res]):
    """Many requests, one response: ``send`` them, then ``finish``. Made by a client's methods."""

    def __init__(self, stream: ClientStream[Req, Res], portal: Portal, method: str, channel: object) -> None:
        super().__init__(stream, portal, method, channel)
        self._sending = threading.Lock()

    def send(self, message: Req) -> None:
        """Sends one request, waiting while the server is behind.

        Raises:
            RpcError: the call has failed.
            anyio.ClosedResourceError: `finish` was called, or the server has ended the call with OK.
        """
        self._check_entered()
        with self._sending:
            self._portal.run(self._stream.send, message)

    def finish(self) -> Res:
        """Says that no request follows and waits for the response.

        Raises:
            RpcError: the call failed.
        """
        self._check_entered()
        return self._portal.run(self._stream.finish)
