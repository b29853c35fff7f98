"""Dispatch: from a call that a wire accepted to the handler that serves it, and from its outcome to a status.

Invariants: every call that enters `handle` is counted until it leaves, so that a drain knows when the last one ended;
what a handler or an interceptor lets out ends its call there, and only the cancellation of the task goes on from it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from inspect import iscoroutine
from time import perf_counter
from typing import Any, Final

import anyio

from eventflux_runtime.health.board import Health
from eventflux_runtime.health.message import ServingStatus
from eventflux_runtime.protocol.api import ServerCall
from eventflux_runtime.rpc.binding import AnyBinding
from eventflux_runtime.rpc.call_observer import CallEnd
from eventflux_runtime.rpc.call_tally import TallyBook
from eventflux_runtime.rpc.context import Context
from eventflux_runtime.rpc.deadline import current_scope
from eventflux_runtime.rpc.errors import CodecError, ConfigError, MissingExtraError
from eventflux_runtime.rpc.metadata import EMPTY_METADATA
from eventflux_runtime.rpc.method import MethodKind
from eventflux_runtime.rpc.rpc_error import Internal, InvalidArgument, Unimplemented
from eventflux_runtime.rpc.status import OK_STATUS, Status, StatusCode
from eventflux_runtime.server.failure import CallFailures, UnencodableResponse
from eventflux_runtime.server.interceptor import ServerInterceptor
from eventflux_runtime.server.service import Service

__all__ = ["ServiceDispatcher"]

_ABANDONED: Final = Status(StatusCode.CANCELLED, "the handler was cancelled")


class ServiceDispatcher:
    """A `Dispatcher` over services."""

    def __init__(
        self,
        services: Sequence[Service],
        interceptors: Sequence[ServerInterceptor] = (),
        health: Health | None = None,
    ) -> None:
        self.bindings: tuple[AnyBinding, ...] = tuple(b for service in services for b in service._bindings())
        self._by_path: dict[str, AnyBinding] = {}
        for binding in self.bindings:
            if binding.method.path in self._by_path:
                raise ConfigError(f"two services serve {binding.method.path}: pass each service once")
            self._by_path[binding.method.path] = binding
        self._interceptors = tuple(interceptors)
        self._health = health
        self.tallies: Final = TallyBook()
        """See `Dispatcher.tallies`."""
        self.refused = 0
        """Calls of what is not served."""
        self._failures = CallFailures()
        self._active = 0
        self._idle: anyio.Event | None = None

    @property
    def active_calls(self) -> int:
        """Calls whose handlers run now."""
        return self._active

    async def wait_idle(self) -> None:
        """Returns when no handler runs."""
        while self._active:
            if self._idle is None:
                self._idle = anyio.Event()
            await self._idle.wait()

    def find(self, path: str) -> AnyBinding | None:
        """See `Dispatcher.find`."""
        return self._by_path.get(path)

    def is_serving(self, service: str) -> bool | None:
        """See `Dispatcher.is_serving`."""
        status = self._health.get(service) if self._health is not None else None
        return None if status is None else status == ServingStatus.SERVING

    def count_refused(self) -> None:
        """See `Dispatcher.count_refused`."""
        self.refused += 1

    async def handle(self, binding: AnyBinding, call: ServerCall) -> None:
        """See `Dispatcher.handle`."""
        self._active += 1
        context = Context(call)
        current_scope.set(context)
        try:
            if self._interceptors:
                response = await self._intercepted(binding, call, context)
            elif binding.is_unary:
                # The steps of most calls, without those that only streams need.
                request = call.take_request()
                if request is None:
                    request = await _awaited(call, context)
                response = await binding.handler(request, context)
            else:
                response = await _run(binding, call, context)
            trailers = context.trailers
            status = OK_STATUS if trailers is EMPTY_METADATA else Status(trailers=trailers)
            try:
                if not call.finish_now(status, response):
                    await call.finish(status, response)
            except (CodecError, MissingExtraError) as misfit:
                raise UnencodableResponse(misfit) from misfit
            if context.observers is not None and not binding.method.kind.streams_responses:
                context.observers.response(response)
        except BaseException as error:  # an exit or an interrupt is the handler's own too; these tell them apart
            if await self._failures.end(call, context, error):
                raise
        finally:
            context.has_ended = True
            self._active -= 1
            if not self._active and self._idle is not None:
                self._idle.set()
                self._idle = None
            if context.observers is not None:
                context.observers.end(_end_of(call))

    async def _intercepted(self, binding: AnyBinding, call: ServerCall, context: Context) -> Any:
        guarded = _GuardedHandler(binding, call, context)

        async def proceed_from(index: int) -> None:
            if index == len(self._interceptors):
                await guarded.run()
            else:
                await self._interceptors[index](context, lambda: proceed_from(index + 1))

        await proceed_from(0)
        return await guarded.response()


class _GuardedHandler:
    """The handler of a call behind interceptors, which may run it more than once, or answer in its place."""

    __slots__ = ("_binding", "_call", "_context", "_has_run", "_request", "_response")

    def __init__(self, binding: AnyBinding, call: ServerCall, context: Context) -> None:
        self._binding = binding
        self._call = call
        self._context = context
        self._has_run = False
        self._request: Any = None
        self._response: Any = None

    async def run(self) -> None:
        """Runs the handler. Again with the same request, if it is only one.

        Raises:
            ConfigError: the call has been answered, or the requests are no longer there.
        """
        binding, context = self._binding, self._context
        path, kind = binding.method.path, binding.method.kind
        if context.answered is not None:
            raise ConfigError(f"an interceptor of {path} proceeded although the call was answered already")
        if kind.streams_requests:
            if self._has_run:
                raise ConfigError(f"an interceptor of {path} proceeded twice: its requests come only once")
            self._has_run = True
            self._response = await _run(binding, self._call, context)
        else:
            if not self._has_run:
                self._request = await _awaited(self._call, context)
                self._has_run = True
            self._response = await _run_with(binding, self._request, self._call, context)
        context.is_handled = True

    async def response(self) -> Any:
        """The response of a method that has exactly one; for others, sends those that an interceptor has given.

        Raises:
            Internal: there is none.
        """
        context = self._context
        answered = context.answered
        if answered is None:
            if not context.is_handled:
                raise Internal(
                    "an interceptor ended the call without running its handler, answering or raising an error"
                )
            return self._response
        if not self._binding.method.kind.streams_responses:
            return answered[0]
        for response in answered:
            await _send(response, self._call, context)
        return None


async def _run(binding: AnyBinding, call: ServerCall, context: Context) -> Any:
    """Runs the handler; the response of a method that has exactly one."""
    kind = binding.method.kind
    if kind is MethodKind.CLIENT_STREAMING:
        return await binding.handler(_Requests(call, context), context)
    if kind is MethodKind.BIDI:
        await _send_all(binding.handler(_Requests(call, context), context), call, context)
        return None
    return await _run_with(binding, await _awaited(call, context), call, context)


async def _run_with(binding: AnyBinding, request: Any, call: ServerCall, context: Context) -> Any:
    """Runs the handler of one request."""
    if binding.is_unary:
        return await binding.handler(request, context)
    await _send_all(binding.handler(request, context), call, context)
    return None


async def _awaited(call: ServerCall, context: Context) -> Any:
    """The only request of a call."""
    try:
        request = await call.receive()
        if context.observers is not None:
            context.observers.request(request)
        return request
    except anyio.EndOfStream:
        raise Unimplemented(f"{call.method.path} takes exactly one request, and none was sent") from None
    except CodecError as error:
        raise InvalidArgument(f"the request of {call.method.path} cannot be decoded: {error}") from error


class _Requests:
    """The requests of a streaming call, as its handler iterates over them."""

    __slots__ = ("_call", "_context")

    def __init__(self, call: ServerCall, context: Context) -> None:
        self._call = call
        self._context = context

    def __aiter__(self) -> _Requests:
        return self

    async def __anext__(self) -> Any:
        try:
            request = await self._call.receive()
            if self._context.observers is not None:
                self._context.observers.request(request)
            return request
        except anyio.EndOfStream:
            raise StopAsyncIteration from None
        except CodecError as error:
            raise InvalidArgument(f"a request of {self._call.method.path} cannot be decoded: {error}") from error


async def _send_all(responses: Any, call: ServerCall, context: Context) -> None:
    # Not by ``async for``: where this is compiled, that lets go once too often of what is no asynchronous iterator,
    # which ends the process.
    iterator = _iterator(responses, call)
    try:
        while True:
            try:
                response = await anext(iterator)
            except StopAsyncIteration:
                return
            await _send(response, call, context)
    finally:
        close = getattr(responses, "aclose", None)
        if close is not None:
            await close()


async def _send(response: Any, call: ServerCall, context: Context) -> None:
    try:
        await call.send(response)
    except (CodecError, MissingExtraError) as error:
        raise UnencodableResponse(error) from error
    if context.observers is not None:
        context.observers.response(response)


def _end_of(call: ServerCall) -> CallEnd:
    """How a call ended, for those who observe it."""
    return CallEnd(
        status=call.outcome if call.outcome is not None else _ABANDONED,
        duration_s=perf_counter() - call.begun_at,
        sent_messages=call.sent_messages,
        received_messages=call.received_messages,
        sent_bytes=call.sent_bytes,
        received_bytes=call.received_bytes,
        cancel_cause=call.cancel_cause,
        endpoint=None if call.endpoint is None else str(call.endpoint),
        peer=call.peer,
    )


def _iterator(responses: Any, call: ServerCall) -> AsyncIterator[Any]:
    if hasattr(type(responses), "__aiter__"):
        return aiter(responses)
    if iscoroutine(responses):
        responses.close()
    raise TypeError(
        f"the handler of {call.method.path} returned {type(responses).__name__} for a stream of responses: "
        "make it an async generator, with 'async def' and 'yield'"
    )
