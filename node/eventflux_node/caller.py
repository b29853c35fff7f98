"""One call of a method that is known by name: requests in, responses out as they come."""

from __future__ import annotations

import time
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Any

import anyio

from eventflux_runtime import (
    AnyMethod,
    BidiStream,
    CallOptions,
    Channel,
    Metadata,
    MethodKind,
    ResponseInfo,
    RpcError,
    Status,
    StatusCode,
    TransportError,
    Unimplemented,
)

__all__ = ["CallRecord", "RequestCountError", "make_call"]

_NO_METADATA = Metadata()


class RequestCountError(TransportError):
    """A method that takes one request was given none, or several."""


class CallRecord:
    """What came of a call besides its responses. Filled in as the call goes on."""

    __slots__ = ("initial_metadata", "responses", "seconds", "status")

    def __init__(self) -> None:
        self.initial_metadata: Metadata = _NO_METADATA
        self.status: Status | None = None
        """How it ended; None while it runs."""
        self.responses = 0
        self.seconds = 0.0
        """From the start of the call to its end."""


async def make_call(
    channel: Channel,
    method: AnyMethod,
    requests: AsyncIterable[Any],
    on_response: Callable[[Any], Awaitable[None]],
    *,
    record: CallRecord,
    options: CallOptions,
) -> None:
    """Makes a call of any kind.

    Requests of a stream are sent as they come, and nothing more is asked of `requests` once the call has ended.

    Args:
        channel: where to.
        method: what is called.
        requests: exactly one for a method that takes one.
        on_response: told each response when it comes.
        record: filled in.
        options: what the call is told.

    Raises:
        RpcError: the call failed.
        RequestCountError: it takes one request, and there was none or were several.
        TransportError: what `requests` raised; the call is cancelled then.
    """
    single = None if method.kind.streams_requests else await _only(requests)
    started = time.perf_counter()

    async def take(response: Any) -> None:
        record.responses += 1
        await on_response(response)

    try:
        if method.kind is MethodKind.UNARY:
            await _unary(channel, method, single, take, record, options)
        elif method.kind is MethodKind.SERVER_STREAMING:
            async with channel.server_streaming(method, single, **options) as stream:
                record.initial_metadata = await stream.initial_metadata()
                async for response in stream:
                    await take(response)
                record.status = stream.status
        else:
            # The one response of a client-streaming method may come early, so it is waited for from the start.
            await _exchange(channel.bidi(method, **options), requests, take, record)
            if method.kind is MethodKind.CLIENT_STREAMING and record.responses != 1:
                raise Unimplemented(f"the server sent {record.responses} responses where the method has one")
    except RpcError as error:
        record.status = error.status
        raise
    finally:
        record.seconds = time.perf_counter() - started


async def _only(requests: AsyncIterable[Any]) -> Any:
    found: list[Any] = []
    async for request in requests:
        found.append(request)
        if len(found) > 1:
            raise RequestCountError("the method takes one request, and there is more than one")
    if not found:
        raise RequestCountError("the method takes one request, and there is none: {} is the empty one")
    return found[0]


async def _unary(
    channel: Channel,
    method: AnyMethod,
    request: Any,
    take: Callable[[Any], Awaitable[None]],
    record: CallRecord,
    options: CallOptions,
) -> None:
    info = ResponseInfo()
    told = options.copy()
    told["response"] = info
    try:
        response = await channel.unary(method, request, **told)
    finally:
        record.initial_metadata = info.initial_metadata
    record.status = Status(StatusCode.OK, trailers=info.trailers)
    await take(response)


async def _exchange(
    call: BidiStream[Any, Any],
    requests: AsyncIterable[Any],
    take: Callable[[Any], Awaitable[None]],
    record: CallRecord,
) -> None:
    """Sends and receives at the same time; the call's end ends the sending too, also while a request is waited for."""
    failure: TransportError | None = None

    async def send_all(stream: BidiStream[Any, Any], scope: anyio.CancelScope) -> None:
        nonlocal failure
        try:
            async for request in requests:
                await stream.send(request)
            await stream.end()
        except (RpcError, anyio.ClosedResourceError):
            return  # the call has ended, and the receiving side hears how
        except TransportError as error:
            failure = error
            scope.cancel()

    async def receive_all(stream: BidiStream[Any, Any]) -> RpcError | None:
        try:
            record.initial_metadata = await stream.initial_metadata()
            async for response in stream:
                await take(response)
        except RpcError as error:
            return error
        return None

    error: RpcError | None = None
    async with call as stream:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send_all, stream, tasks.cancel_scope)
            error = await receive_all(stream)
            tasks.cancel_scope.cancel()
        record.status = stream.status
    if failure is not None:
        raise failure
    if error is not None:
        raise error
