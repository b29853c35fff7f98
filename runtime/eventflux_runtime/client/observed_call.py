"""Streaming calls that are not a wire's own: one that observers look at, and one that an interceptor has answered."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any, Generic, TypeVar

import anyio
from anyio.lowlevel import checkpoint

from eventflux_runtime.client.watch import CANCELLED_STATUS, CallWatch
from eventflux_runtime.protocol.api import ClientCall
from eventflux_runtime.rpc.call_observer import CancelCause
from eventflux_runtime.rpc.metadata import Metadata
from eventflux_runtime.rpc.rpc_error import Cancelled, RpcError
from eventflux_runtime.rpc.status import Status, StatusCode

__all__ = ["AnsweredCall", "ObservedCall"]

Req = TypeVar("Req")
Res = TypeVar("Res")


class ObservedCall(Generic[Req, Res]):
    """A `ClientCall` that tells a watch of its messages and its end."""

    def __init__(self, call: ClientCall[Req, Res], watch: CallWatch) -> None:
        self._call = call
        self._watch = watch
        watch.is_handed_out = True

    @property
    def status(self) -> Status | None:
        """See `ClientCall.status`."""
        return self._call.status

    @property
    def ready_bytes(self) -> int:
        """See `ClientCall.ready_bytes`."""
        return self._call.ready_bytes

    async def send(self, message: Req) -> None:
        """See `ClientCall.send`."""
        watch = self._watch
        before = watch.accepted
        try:
            await self._call.send(message)
        except Exception:
            self._note_failure()
            raise
        except BaseException:
            if watch.accepted > before:  # cancelled while the rest of the message waited, which goes out all the same
                watch.request(message)
            raise
        watch.request(message)

    def _note_failure(self) -> None:
        status = self._call.status
        if status is not None and status.code is not StatusCode.OK:
            self._watch.end(status, self._watch.cause)

    async def end(self) -> None:
        """See `ClientCall.end`."""
        await self._call.end()

    async def receive(self) -> Res:
        """See `ClientCall.receive`."""
        try:
            message = await self._call.receive()
        except anyio.EndOfStream:
            self._watch.end(self._call.status)
            raise
        except RpcError as error:
            self._watch.end(error.status, self._watch.cause)
            raise
        self._watch.response(message)
        return message

    async def initial_metadata(self) -> Metadata:
        """See `ClientCall.initial_metadata`."""
        return await self._call.initial_metadata()

    def cancel(self) -> None:
        """See `ClientCall.cancel`."""
        status = self._call.status
        self._call.cancel()
        if status is not None:
            self._watch.end(status, self._watch.cause)
        else:
            self._watch.end(CANCELLED_STATUS, CancelCause.CALLER)

    def __del__(self) -> None:
        # The end of a call whose event loop has gone, so that nobody could cancel it there.
        self._watch.end(CANCELLED_STATUS, CancelCause.CALLER)


class AnsweredCall(Generic[Res]):
    """A `ClientCall` that never left: an interceptor has its responses. Requests are taken and come to nothing."""

    def __init__(self, responses: Iterable[Res], initial_metadata: Metadata, trailers: Metadata) -> None:
        self.status: Status | None = None
        self._responses = deque(responses)
        self._initial_metadata = initial_metadata
        self._trailers = trailers
        self._has_ended = False

    @property
    def ready_bytes(self) -> int:
        """See `ClientCall.ready_bytes`."""
        return -1

    async def send(self, message: Any) -> None:
        """See `ClientCall.send`."""
        await checkpoint()
        if self.status is not None and self.status.code is not StatusCode.OK:
            raise RpcError.from_status(self.status)
        if self._has_ended or self.status is not None:
            raise anyio.ClosedResourceError

    async def end(self) -> None:
        """See `ClientCall.end`."""
        self._has_ended = True

    async def receive(self) -> Res:
        """See `ClientCall.receive`."""
        await checkpoint()
        if self.status is not None and self.status.code is not StatusCode.OK:
            raise Cancelled(self.status.message)
        if self._responses:
            return self._responses.popleft()
        self.status = Status(trailers=self._trailers)
        raise anyio.EndOfStream

    async def initial_metadata(self) -> Metadata:
        """See `ClientCall.initial_metadata`."""
        await checkpoint()
        return self._initial_metadata

    def cancel(self) -> None:
        """See `ClientCall.cancel`."""
        if self.status is None:
            self.status = CANCELLED_STATUS if self._responses else Status(trailers=self._trailers)
            self._responses.clear()
