"""Dispatch: from a call that a wire accepted to the handler that serves it, and from its outcome to a status.

Invariants: every call that enters `handle` is counted until it leaves, so that a drain knows when the last one ended;
what a handler or an interceptor lets out ends its call there, and only the cancellation of the task goes on from it.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from inspect import iscoroutine
from typing import Any, Final

import anyio

from eventflux_runtime.health.board import Health
from eventflux_runtime.health.message import ServingStatus
from eventflux_runtime.net.cancellation import cancellation_in, is_cancelled
from eventflux_runtime.protocol.api import ServerCall
from eventflux_runtime.rpc.binding import AnyBinding
from eventflux_runtime.rpc.context import Context
from eventflux_runtime.rpc.deadline import current_scope
from eventflux_runtime.rpc.errors import CodecError, ConfigError, MissingExtraError
from eventflux_runtime.rpc.metadata import EMPTY_METADATA
from eventflux_runtime.rpc.method import MethodKind
from eventflux_runtime.rpc.rpc_error import Internal, InvalidArgument, RpcError, Unimplemented, Unknown
from eventflux_runtime.rpc.status import OK_STATUS, Status, StatusCode
from eventflux_runtime.rpc.status_part import shortened
from eventflux_runtime.server.interceptor import ServerInterceptor
from eventflux_runtime.server.service import Service

__all__ = ["ServiceDispatcher"]

_log: Final = logging.getLogger("eventflux_runtime.server")
_UNTOLD: Final = Status(StatusCode.INTERNAL, "the call failed, and its error cannot be sent; the server's log has it")


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
                response = await binding.handler(request if request is not None else await _awaited(call), context)
            else:
                response = await _run(binding, call, context)
            trailers = context.trailers
            status = OK_STATUS if trailers is EMPTY_METADATA else Status(trailers=trailers)
            try:
                if not call.finish_now(status, response):
                    await call.finish(status, response)
            except (CodecError, MissingExtraError) as misfit:
                raise _unencodable(call, misfit) from misfit
        except BaseException as error:  # an exit or an interrupt is the handler's own too; `_fail` tells them apart
            if await _fail(call, context, error):
                raise
        finally:
            context.has_ended = True
            self._active -= 1
            if not self._active and self._idle is not None:
                self._idle.set()
                self._idle = None

    async def _intercepted(self, binding: AnyBinding, call: ServerCall, context: Context) -> Any:
        response: list[Any] = []

        async def proceed_from(index: int) -> None:
            if index == len(self._interceptors):
                response.append(await _run(binding, call, context))
            else:
                await self._interceptors[index](context, lambda: proceed_from(index + 1))

        await proceed_from(0)
        if not response:
            raise Internal("an interceptor ended the call without running its handler or raising an error")
        return response[0]


async def _run(binding: AnyBinding, call: ServerCall, context: Context) -> Any:
    """Runs the handler; the response of a method that has exactly one."""
    kind = binding.method.kind
    if kind is MethodKind.UNARY:
        return await binding.handler(await _awaited(call), context)
    if kind is MethodKind.CLIENT_STREAMING:
        return await binding.handler(_Requests(call), context)
    if kind is MethodKind.SERVER_STREAMING:
        await _send_all(binding.handler(await _awaited(call), context), call)
    else:
        await _send_all(binding.handler(_Requests(call), context), call)
    return None


async def _awaited(call: ServerCall) -> Any:
    """The only request of a call."""
    try:
        return await call.receive()
    except anyio.EndOfStream:
        raise Unimplemented(f"{call.method.path} takes exactly one request, and none was sent") from None
    except CodecError as error:
        raise InvalidArgument(f"the request of {call.method.path} cannot be decoded: {error}") from error


class _Requests:
    """The requests of a streaming call, as its handler iterates over them."""

    __slots__ = ("_call",)

    def __init__(self, call: ServerCall) -> None:
        self._call = call

    def __aiter__(self) -> _Requests:
        return self

    async def __anext__(self) -> Any:
        try:
            return await self._call.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None
        except CodecError as error:
            raise InvalidArgument(f"a request of {self._call.method.path} cannot be decoded: {error}") from error


async def _send_all(responses: Any, call: ServerCall) -> None:
    # Not by ``async for``: where this is compiled, that lets go once too often of what is no asynchronous iterator,
    # which ends the process.
    iterator = _iterator(responses, call)
    try:
        while True:
            try:
                response = await anext(iterator)
            except StopAsyncIteration:
                return
            try:
                await call.send(response)
            except (CodecError, MissingExtraError) as error:
                raise _unencodable(call, error) from error
    finally:
        close = getattr(responses, "aclose", None)
        if close is not None:
            await close()


def _iterator(responses: Any, call: ServerCall) -> AsyncIterator[Any]:
    if hasattr(type(responses), "__aiter__"):
        return aiter(responses)
    if iscoroutine(responses):
        responses.close()
    raise TypeError(
        f"the handler of {call.method.path} returned {type(responses).__name__} for a stream of responses: "
        "make it an async generator, with 'async def' and 'yield'"
    )


def _unencodable(call: ServerCall, error: Exception) -> Internal:
    _log.error("a response of %s cannot be encoded", call.method.path, exc_info=error)
    return Internal(f"the response cannot be encoded: {error}")


async def _fail(call: ServerCall, context: Context, error: BaseException) -> bool:
    """Ends a call by what its handler let out, and tells whether that is the cancellation of the task, to be let go on.

    An interrupt or an exit is the handler's own too: a library that it calls may well end a program, but not this one.
    """
    if not isinstance(error, Exception):
        if isinstance(error, GeneratorExit):
            # Perhaps of one who closes this coroutine, and then nothing may be awaited here.
            _fail_now(call, context, error)
            return False
        if is_cancelled():
            return _leave(call, error)
    try:
        await call.finish(_status_of(error, context, call))
    except Exception:  # noqa: BLE001 - logged, and the call still has to be ended
        _log.exception("the error of a handler of %s cannot be sent", call.method.path)
        _end_untold(call)
    return False


def _fail_now(call: ServerCall, context: Context, error: BaseException) -> None:
    try:
        if not call.finish_now(_status_of(error, context, call)):
            call.abandon()
    except Exception:  # noqa: BLE001 - logged, and the call still has to be ended
        _log.exception("the error of a handler of %s cannot be sent", call.method.path)
        _end_untold(call)


def _end_untold(call: ServerCall) -> None:
    """The last resort: a status that nothing of the user's is in, or none at all."""
    try:
        if not call.finish_now(_UNTOLD):
            call.abandon()
    except Exception:  # noqa: BLE001 - logged; it is the last that can be done for a call
        _log.exception("a call of %s cannot be ended", call.method.path)
        call.abandon()


def _leave(call: ServerCall, error: BaseException) -> bool:
    """The task was cancelled: whether the error is that and nothing else. Of both together, raises the cancellation."""
    call.abandon()
    cancellation, rest = cancellation_in(error)
    if rest is None:
        return True
    _log.error("the handler of %s failed while it was cancelled", call.method.path, exc_info=rest)
    if cancellation is not None:
        raise cancellation
    return False


def _status_of(error: BaseException, context: Context, call: ServerCall) -> Status:
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if not isinstance(error, RpcError):
        _log.error("the handler of %s failed", call.method.path, exc_info=error)
        # The text of an unexpected error may hold secrets; the log has it, the client gets its type.
        error = Unknown(f"the handler of {call.method.path} raised {type(error).__name__}")
    status = error.status
    if status.code is StatusCode.OK:
        status = Status(StatusCode.UNKNOWN, "the handler raised an RpcError with code OK")
    trailers = context.trailers | status.trailers
    return Status(status.code, shortened(status.message), status.details, trailers)
