"""A server on one address, and the calls that it gets.

Invariants: calls run in grpcio's own tasks, and `aclose` returns after the last of them has ended; a call's context is
touched only while grpcio runs the call, because it keeps no reference to the call after that; grpcio is told to stop by
one task at a time, because of two stops the later may find the server freed, which ends the process.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any, Final
from urllib.parse import unquote

import anyio
import grpc
from grpc import aio

from eventflux_runtime.grpcio.codec import decoded, encoded
from eventflux_runtime.grpcio.count import CallCount
from eventflux_runtime.grpcio.operation import Operations
from eventflux_runtime.grpcio.option import server_credentials, server_options
from eventflux_runtime.grpcio.status import GRPC_CODES, fitted_ending, metadata_of, trailing_pairs
from eventflux_runtime.net.reactor import Reactor
from eventflux_runtime.protocol.api import Dispatcher
from eventflux_runtime.rpc.binding import AnyBinding
from eventflux_runtime.rpc.call_observer import CancelCause
from eventflux_runtime.rpc.config import Compression, ServerConfig
from eventflux_runtime.rpc.deadline import ENDLESS_S
from eventflux_runtime.rpc.endpoint import ANY_HOST, Endpoint
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.metadata import Metadata
from eventflux_runtime.rpc.method import AnyMethod, MethodKind
from eventflux_runtime.rpc.peer import Peer, PeerIdentity
from eventflux_runtime.rpc.stats import EndpointStats
from eventflux_runtime.rpc.status import Status, StatusCode

__all__ = ["GrpcioListener", "open_listener"]

_ENDLESS_S: Final = 1e9
"""The grace time of a drain, in seconds; `GrpcioListener.aclose` ends it."""
_LAST_WORD_S: Final = 0.5
"""Seconds, within the grace time, that grpcio has to send what the last handlers of a drained server have said."""
_STOP_S: Final = 1.0
"""Seconds that grpcio has to stop. It waits for clients to read what was sent to them, however long they take."""
_TRANSIT_S: Final = 0.02
"""Seconds by which a client may be ahead of the deadline as this side has it."""
_LEFT: Final[set[aio.Server]] = set()
"""Servers that did not stop in time: grpcio's core still tells them when they have, so they must not be freed."""
_NO_OUTCOME: Final = Status(StatusCode.INTERNAL, "the server ended the call without a status")
_MAKERS: Final = {
    MethodKind.UNARY: grpc.unary_unary_rpc_method_handler,
    MethodKind.CLIENT_STREAMING: grpc.stream_unary_rpc_method_handler,
    MethodKind.SERVER_STREAMING: grpc.unary_stream_rpc_method_handler,
    MethodKind.BIDI: grpc.stream_stream_rpc_method_handler,
}
_log: Final = logging.getLogger("eventflux_runtime.server")


class _ServerCall:
    """A `ServerCall`. What `finish` is told leaves when the dispatcher has returned: grpcio's handlers are built so."""

    def __init__(self, served: _Served, method: AnyMethod, context: Any, request: Any) -> None:
        left_s: float | None = context.time_remaining()
        self.method = method
        self.deadline = None if left_s is None or left_s >= ENDLESS_S else served.reactor.now() + left_s
        self.metadata = metadata_of(context.invocation_metadata())
        self.peer = _peer(context, served.endpoint)
        self.endpoint = served.endpoint
        self.protocol = "grpc"
        self.outcome: Status | None = None
        self._cause: CancelCause | None = None
        self._served = served
        self.count = CallCount(served.tallies.of(method.path))
        self.reply = b""
        self._config = config = served.config
        self._context = context
        self._request: bytes | None = None if method.kind.streams_requests else request
        self._reads, self.writes = Operations(), Operations()
        self._is_compressed = (method.compression or config.compression) is Compression.GZIP
        if method.kind.streams_requests:
            self._reads.start(self._read)
        if self._is_compressed:
            context.set_compression(grpc.Compression.Gzip)

    @property
    def cancel_cause(self) -> CancelCause | None:
        """See `ServerCall.cancel_cause`. grpcio cancels and does not say why; of a client, not whether it is there."""
        task = self._served.running.get(self)
        if self._cause is None and task is not None and task.cancelling():
            if self._served.is_stopping:
                self._cause = CancelCause.STOPPED
            elif self.deadline is not None and self._served.reactor.now() >= self.deadline - _TRANSIT_S:
                self._cause = CancelCause.DEADLINE
            else:
                self._cause = CancelCause.CALLER
        return self._cause

    @property
    def begun_at(self) -> float:
        """See `ServerCall.begun_at`."""
        return self.count.begun_at

    @property
    def sent_messages(self) -> int:
        """See `ServerCall.sent_messages`."""
        return self.count.sent_messages

    @property
    def sent_bytes(self) -> int:
        """See `ServerCall.sent_bytes`; before compression."""
        return self.count.sent_bytes

    @property
    def received_messages(self) -> int:
        """See `ServerCall.received_messages`."""
        return self.count.received_messages

    @property
    def received_bytes(self) -> int:
        """See `ServerCall.received_bytes`; decompressed."""
        return self.count.received_bytes

    def close(self) -> None:
        """The call is over."""
        self._reads.close()
        self.writes.close()
        self._context = None

    async def _read(self) -> Any:
        context = self._context
        data = await context.read()
        if data is aio.EOF:
            # A half-close, or the client has left: grpcio says the same of both, and cancels the handler of the latter
            # a moment later. A handler would take half a stream for a whole one. To read once more puts us behind the
            # cancellation, because core completes what it has begun for a call before it begins another operation.
            await context.read()
            for _ in range(3):  # turns of the loop in which grpcio passes the cancellation on
                await asyncio.sleep(0)
        return data

    def take_request(self) -> Any:
        """See `ServerCall.take_request`."""
        return None

    async def receive(self) -> Any:
        """See `ServerCall.receive`."""
        data, self._request = self._request, None
        if self.method.kind.streams_requests:
            data = await self._reads.next(self._read)
        if data is None:
            raise anyio.EndOfStream
        request = decoded(self.method.request, data)
        self.count.received(len(data))
        return request

    async def send_initial_metadata(self, metadata: Metadata) -> None:
        """See `ServerCall.send_initial_metadata`."""
        if self._context is not None:
            self.writes.start(self._context.send_initial_metadata, metadata.pairs)

    async def send(self, message: Any) -> None:
        """See `ServerCall.send`."""
        await self.writes.wait()
        data = self._encoded(message)
        if self._context is not None:
            self.writes.start(self._context.write, data)
            self.count.sent(len(data))
        await asyncio.sleep(0)  # where a handler that does nothing but send gets to know of its cancellation

    def finish_now(self, status: Status, message: Any = None) -> bool:
        """See `ServerCall.finish_now`."""
        if status.code is StatusCode.OK and not self.method.kind.streams_responses:
            self.reply = self._encoded(message)
            self.count.sent(len(self.reply))
            if self._is_compressed:  # grpcio says so in metadata that are sent by themselves, unless they were before
                self.writes.start(self._context.send_initial_metadata, ())
        self._end(status)
        return True

    def _end(self, status: Status) -> None:
        if self.outcome is None:
            self.count.ended(status.code)
        self.outcome = status

    async def finish(self, status: Status, message: Any = None) -> None:
        """See `ServerCall.finish`."""
        self.finish_now(status, message)

    def abandon(self) -> None:
        """See `ServerCall.abandon`; grpcio sees the cancellation itself."""
        if self.outcome is not None:
            return
        if self.cancel_cause is CancelCause.DEADLINE:
            self._end(Status(StatusCode.DEADLINE_EXCEEDED, f"{self.method.path} ran past the client's deadline"))
        else:
            self._end(Status(StatusCode.CANCELLED, "the client left the call"))

    def _encoded(self, message: Any) -> bytes:
        """A response, and tells grpcio where it is not worth compressing."""
        data = encoded(self.method.response, message, self._config.max_message_bytes, "ServerConfig.max_message_bytes")
        if self._is_compressed and self._context is not None and len(data) < self._config.compression_min_bytes:
            self._context.disable_next_message_compression()
        return data


def _peer(context: Any, endpoint: Endpoint) -> Peer:
    """Who is on the other side, from what grpcio says of it, in its words: ``grpc/grpc_security_constants.h``."""
    family, _, address = unquote(context.peer()).partition(":")
    url = f"{endpoint.scheme}://{address}" if family in ("ipv4", "ipv6") else unquote(context.peer())
    properties = context.auth_context() if endpoint.is_tls else {}
    if "x509_pem_cert" not in properties:
        return Peer(url)
    names = [name.decode("utf-8", "replace") for name in properties.get("x509_common_name", ())]
    others = [name.decode("utf-8", "replace") for name in properties.get("x509_subject_alternative_name", ())]
    return Peer(url, PeerIdentity(names[0] if names else "", tuple(others)))


class _Served(grpc.GenericRpcHandler):
    """Every method of a dispatcher, as grpcio wants it served. Messages pass through grpcio as bytes."""

    def __init__(self, dispatcher: Dispatcher, config: ServerConfig, reactor: Reactor, endpoint: Endpoint) -> None:
        self.running: dict[_ServerCall, asyncio.Task[Any] | None] = {}
        """The calls that have not ended, and their tasks."""
        self._dispatcher = dispatcher
        self.tallies = dispatcher.tallies
        self.is_stopping = False
        self.config = config
        self.reactor = reactor
        self.endpoint = endpoint
        self._handlers: dict[str, Any] = {
            binding.method.path: _MAKERS[binding.method.kind](partial(self._serve, binding))
            for binding in dispatcher.bindings
        }

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """The handler of a call; None: there is no such method, and grpcio answers UNIMPLEMENTED."""
        return self._handlers.get(handler_call_details.method)

    async def _serve(self, binding: AnyBinding, request: Any, context: Any) -> bytes:
        """Runs a call to its outcome; what it returns is the response of a method that has exactly one."""
        call = _ServerCall(self, binding.method, context, request)
        self.running[call] = asyncio.current_task()
        try:
            await self._dispatcher.handle(binding, call)
            await call.writes.wait()  # until grpcio has taken all that was sent
        finally:
            call.close()
            del self.running[call]
        status = fitted_ending(call.outcome if call.outcome is not None else _NO_OUTCOME)
        if status.code is not StatusCode.OK:
            # Ends this coroutine too, by an exception of grpcio's.
            await context.abort(GRPC_CODES[status.code], status.message, trailing_pairs(status))
        context.set_trailing_metadata(status.trailers.pairs)
        return call.reply


class GrpcioListener:
    """A `Listener` over a grpcio server."""

    def __init__(self, server: aio.Server, endpoint: Endpoint, served: _Served, grace_s: float) -> None:
        self.endpoint = endpoint
        self._server: aio.Server | None = server
        self._served = served
        self._last_word_s = min(_LAST_WORD_S, grace_s)
        self._closing = asyncio.Event()
        self._gentle_stop: asyncio.Task[None] | None = None
        self._stopping = asyncio.Lock()

    @property
    def active_calls(self) -> int:
        """See `Listener.active_calls`."""
        return len(self._served.running)

    def stats(self) -> EndpointStats:
        """See `Listener.stats`."""
        return EndpointStats(endpoint=str(self.endpoint), active_calls=self.active_calls)

    def drain(self) -> None:
        """See `Listener.drain`."""
        if self._gentle_stop is None and self._server is not None:
            self._gentle_stop = asyncio.ensure_future(self._server.stop(_ENDLESS_S))

    async def aclose(self) -> None:
        """See `Listener.aclose`."""
        self._closing.set()
        try:
            if self._gentle_stop is not None:
                await asyncio.wait({self._gentle_stop}, timeout=self._last_word_s)
        finally:
            await self._stop()

    async def close_with_reactor(self) -> None:
        """Closes when the reactor's scope is left without `aclose`; a job of that reactor."""
        try:
            await self._closing.wait()
        finally:
            await self._stop()

    async def _stop(self) -> None:
        with anyio.CancelScope(shield=True):
            async with self._stopping:
                server, gentle = self._server, self._gentle_stop
                # What is kept of a server keeps grpcio's thread at work, even if the server has stopped.
                self._server = self._gentle_stop = None
                if gentle is not None:
                    gentle.cancel()
                    await asyncio.wait({gentle})
                self._served.is_stopping = True
                if server is not None:
                    stopping = asyncio.ensure_future(server.stop(None))
                    await asyncio.wait({stopping}, timeout=_STOP_S)
                    if stopping.cancel():
                        _log.warning("%s: grpcio keeps connections whose clients do not read", self.endpoint)
                        _LEFT.add(server)
            # grpcio returns when it has told its tasks of the end, not when they have ended.
            while running := [task for task in self._served.running.values() if task is not None]:
                await asyncio.wait(running)


async def open_listener(
    endpoint: Endpoint, config: ServerConfig, dispatcher: Dispatcher, reactor: Reactor
) -> GrpcioListener:
    """See `Wire.listen`; on asyncio only."""
    if endpoint.is_resolved_by_protocol:
        raise ConfigError(f"{endpoint} is for clients: a server listens on grpcio://host:port or grpcios://host:port")
    credentials = server_credentials(config.tls) if endpoint.is_tls else None
    served = _Served(dispatcher, config, reactor, endpoint)
    server = aio.server(handlers=[served], options=server_options(config))
    address = f"[::]:{endpoint.port}" if endpoint.host == ANY_HOST else endpoint.address
    try:
        port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    except RuntimeError as error:
        raise ConfigError(f"cannot listen on {endpoint}: {error} Is the port in use?") from None
    await server.start()
    served.endpoint = endpoint.with_port(port)
    listener = GrpcioListener(server, served.endpoint, served, config.drain_grace_s)
    reactor.spawn(listener.close_with_reactor)
    return listener
