"""One method of a dispatcher as grpcio wants it served: a handler that runs each call to its outcome."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NoReturn

import grpc
from grpc._cython import cygrpc

from eventflux_runtime.compression.expansion import ExpansionBudgets
from eventflux_runtime.grpcio.drain import is_ours
from eventflux_runtime.grpcio.option import grpc_compression
from eventflux_runtime.grpcio.packed import acceptance
from eventflux_runtime.grpcio.server_call import GrpcServerCall, ServedMethod
from eventflux_runtime.grpcio.status import fitted_ending, grpc_code, trailing_pairs
from eventflux_runtime.protocol.api import Dispatcher
from eventflux_runtime.rpc.binding import AnyBinding
from eventflux_runtime.rpc.config import Compression, ServerConfig
from eventflux_runtime.rpc.deadline import ENDLESS_S
from eventflux_runtime.rpc.method import MethodKind
from eventflux_runtime.rpc.status import OK_STATUS, Status, StatusCode

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor

__all__ = ["DispatcherHandler", "ServedCalls"]

_NO_OUTCOME: Final = Status(StatusCode.INTERNAL, "the server ended the call without a status")


class ServedCalls:
    """How many calls run now."""

    __slots__ = ("_idle", "count")

    def __init__(self) -> None:
        self.count = 0
        self._idle: asyncio.Event | None = None

    def ended(self) -> None:
        """One call less."""
        self.count -= 1
        if self._idle is not None and not self.count:
            self._idle.set()

    async def wait_idle(self) -> None:
        """Returns when no call runs; any number of tasks may wait."""
        while self.count:
            if self._idle is None or self._idle.is_set():
                self._idle = asyncio.Event()
            await self._idle.wait()


class _MethodHandler:
    """What every call of one method needs."""

    __slots__ = ("binding", "calls", "compression", "dispatcher", "make", "reactor", "served")

    def __init__(
        self,
        binding: AnyBinding,
        dispatcher: Dispatcher,
        config: ServerConfig,
        reactor: Reactor,
        is_tls: bool,
        calls: ServedCalls,
        budgets: ExpansionBudgets,
    ) -> None:
        self.binding = binding
        self.dispatcher = dispatcher
        self.served = ServedMethod(binding.method, config, is_tls, budgets)
        self.compression = _own_compression(binding.method.compression, config.compression)
        self.reactor = reactor
        self.calls = calls
        self.make = _KINDS[binding.method.kind]


class _Handler:
    """One call's handler, with the attributes that grpcio reads of any. Messages pass through it as bytes.

    One for each call, because grpcio brings the metadata when it asks for a handler; to ask its context for them later
    would have them made anew.
    """

    __slots__ = ("_method", "_raw_metadata")

    request_streaming = False
    response_streaming = False
    request_deserializer = None
    response_serializer = None

    def __init__(self, method: _MethodHandler, raw_metadata: tuple[tuple[str, Any], ...]) -> None:
        self._method = method
        self._raw_metadata = raw_metadata

    async def serve(self, request: Any, context: Any) -> bytes:
        """Runs the call to its outcome."""
        method = self._method
        served = method.served
        remaining_s = context.time_remaining()
        deadline = None if remaining_s is None or remaining_s >= ENDLESS_S else method.reactor.now() + remaining_s
        first = request if served.has_one_request else None
        call = GrpcServerCall(served, context, self._raw_metadata, first, deadline)
        if method.compression is not None:
            context.set_compression(method.compression)
        if not served.has_one_request:
            call.start_reading(method.reactor)
        method.calls.count += 1
        try:
            await method.dispatcher.handle(method.binding, call)
        finally:
            call.close()
            method.calls.ended()
        status = call.outcome if call.outcome is not None else _NO_OUTCOME
        if status is not OK_STATUS or call.answers_acceptance:
            status = fitted_ending(status, is_ours(self._raw_metadata))
            await _settle(context, status, (acceptance(),) if call.answers_acceptance else ())
        return call.reply

    unary_stream = stream_unary = stream_stream = serve


class _UnaryHandler(_Handler):
    __slots__ = ()
    unary_unary = _Handler.serve


class _QuickUnaryHandler(_Handler):
    """One that is its own function.

    Of every call's function grpcio asks whether it is asynchronous: whether it can be awaited, and if not, which takes
    longer, whether its code is that of a coroutine. This one looks as if it could be awaited.
    """

    __slots__ = ()

    @property
    def unary_unary(self) -> Any:
        """What grpcio calls; see `_Handler.serve`."""
        return self

    __call__ = _Handler.serve

    def __await__(self) -> NoReturn:
        raise TypeError("this is for grpcio to call, not to await")


def _unary_kind() -> type[_Handler]:
    """The quick one, if the installed grpcio takes it for asynchronous."""
    is_asynchronous: Any = getattr(cygrpc, "_is_async_handler", None)
    probe = _QuickUnaryHandler.__new__(_QuickUnaryHandler)
    return _QuickUnaryHandler if is_asynchronous is not None and is_asynchronous(probe) else _UnaryHandler


class _ServerStreamingHandler(_Handler):
    __slots__ = ()
    response_streaming = True


class _ClientStreamingHandler(_Handler):
    __slots__ = ()
    request_streaming = True


class _BidiHandler(_Handler):
    __slots__ = ()
    request_streaming = True
    response_streaming = True


async def _settle(context: Any, status: Status, more: tuple[tuple[str, str], ...]) -> None:
    """Tells grpcio how the call ended. For anything but OK that ends the handler too, by grpcio's exception."""
    if status.code is not StatusCode.OK:
        await context.abort(grpc_code(status.code), status.message, (*trailing_pairs(status), *more))
    if status.trailers or more:
        context.set_trailing_metadata((*status.trailers.pairs, *more))


def _own_compression(of_method: Compression | None, of_server: Compression) -> grpc.Compression | None:
    """What a method asks for, if that is not what the server does anyway."""
    if of_method is None or of_method is of_server:
        return None
    return grpc_compression(of_method) or grpc.Compression.NoCompression


class DispatcherHandler(grpc.GenericRpcHandler):
    """Every method of a dispatcher.

    Not as grpcio's registered handlers, which are asked for without the metadata of the call.
    """

    def __init__(
        self, dispatcher: Dispatcher, config: ServerConfig, reactor: Reactor, is_tls: bool, calls: ServedCalls
    ) -> None:
        budgets = ExpansionBudgets(reactor.decompressed, config)
        self._methods = {
            binding.method.path: _MethodHandler(binding, dispatcher, config, reactor, is_tls, calls, budgets)
            for binding in dispatcher.bindings
        }

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        """The handler of a call; None: there is no such method, and grpcio answers UNIMPLEMENTED."""
        method = self._methods.get(handler_call_details.method)
        if method is None:
            return None
        handler: Any = method.make(method, handler_call_details.invocation_metadata)
        return handler  # type: ignore[no-any-return] # grpcio asks for the attributes, not for the class


_KINDS: Final[dict[MethodKind, type[_Handler]]] = {
    MethodKind.UNARY: _unary_kind(),
    MethodKind.CLIENT_STREAMING: _ClientStreamingHandler,
    MethodKind.SERVER_STREAMING: _ServerStreamingHandler,
    MethodKind.BIDI: _BidiHandler,
}
