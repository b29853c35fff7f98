"""One method of a dispatcher as grpcio wants it served: a handler that runs each call to its outcome."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import grpc

from eventflux_runtime.config import Compression, ServerConfig
from eventflux_runtime.method import AnyBinding, MethodKind
from eventflux_runtime.status import OK_STATUS, Status, StatusCode
from eventflux_runtime.transport_api import Dispatcher
from eventflux_runtime.transports.grpc_wire.ending import grpc_code, grpc_text, trailing_pairs
from eventflux_runtime.transports.grpc_wire.option import grpc_compression
from eventflux_runtime.transports.grpc_wire.packed import acceptance
from eventflux_runtime.transports.grpc_wire.server_call import GrpcServerCall, ServedMethod

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
    """Serves one method."""

    def __init__(
        self,
        binding: AnyBinding,
        dispatcher: Dispatcher,
        config: ServerConfig,
        reactor: Reactor,
        is_tls: bool,
        calls: ServedCalls,
    ) -> None:
        self._binding = binding
        self._dispatcher = dispatcher
        self._served = ServedMethod(binding.method, config, is_tls)
        self._compression = _own_compression(binding.method.compression, config.compression)
        self._reactor = reactor
        self._calls = calls

    def rpc_handler(self) -> grpc.RpcMethodHandler[bytes, bytes]:
        """The handler to register at grpcio. Messages pass through it as bytes."""
        make = _MAKERS[self._binding.method.kind]
        handler: grpc.RpcMethodHandler[bytes, bytes] = make(self._serve)
        return handler

    async def _serve(self, request: Any, context: Any) -> bytes:
        served = self._served
        remaining_s = context.time_remaining()
        deadline = None if remaining_s is None else self._reactor.now() + remaining_s
        call = GrpcServerCall(served, context, request if served.has_one_request else None, deadline)
        if self._compression is not None:
            context.set_compression(self._compression)
        if not served.has_one_request:
            call.start_reading(self._reactor)
        self._calls.count += 1
        try:
            await self._dispatcher.handle(self._binding, call)
        finally:
            call.close()
            self._calls.ended()
        status = call.outcome if call.outcome is not None else _NO_OUTCOME
        if status is not OK_STATUS or call.answers_acceptance:
            await _settle(context, status, (acceptance(),) if call.answers_acceptance else ())
        return call.reply


async def _settle(context: Any, status: Status, more: tuple[tuple[str, str], ...]) -> None:
    """Tells grpcio how the call ended. For anything but OK that ends the handler too, by grpcio's exception."""
    if status.code is not StatusCode.OK:
        await context.abort(grpc_code(status.code), grpc_text(status.message), (*trailing_pairs(status), *more))
    if status.trailers or more:
        context.set_trailing_metadata((*status.trailers.pairs, *more))


def _own_compression(of_method: Compression | None, of_server: Compression) -> grpc.Compression | None:
    """What a method asks for, if that is not what the server does anyway."""
    if of_method is None or of_method is of_server:
        return None
    return grpc_compression(of_method) or grpc.Compression.NoCompression


class DispatcherHandler(grpc.GenericRpcHandler):
    """Every method of a dispatcher.

    Not as grpcio's registered methods, as generated code has it too: its asyncio server waits for a call of each of
    those by itself, and starts all those waits anew at every call.
    """

    def __init__(
        self, dispatcher: Dispatcher, config: ServerConfig, reactor: Reactor, is_tls: bool, calls: ServedCalls
    ) -> None:
        self._handlers = {
            binding.method.path: _MethodHandler(binding, dispatcher, config, reactor, is_tls, calls).rpc_handler()
            for binding in dispatcher.bindings
        }

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        """The handler of a path; None: grpcio answers UNIMPLEMENTED."""
        return self._handlers.get(handler_call_details.method)


_MAKERS: Final[dict[MethodKind, Any]] = {
    MethodKind.UNARY: grpc.unary_unary_rpc_method_handler,
    MethodKind.CLIENT_STREAMING: grpc.stream_unary_rpc_method_handler,
    MethodKind.SERVER_STREAMING: grpc.unary_stream_rpc_method_handler,
    MethodKind.BIDI: grpc.stream_stream_rpc_method_handler,
}
