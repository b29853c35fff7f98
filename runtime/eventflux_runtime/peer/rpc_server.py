"""The listening side of gRPC connections between nodes: a server whose calls become links that a program accepts."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final, Generic, TypeVar

import anyio

from eventflux_runtime.net.event_loop import open_reactor
from eventflux_runtime.peer.background_task import BackgroundTask
from eventflux_runtime.peer.binding import PeerBinding
from eventflux_runtime.peer.config import GrpcPeerConfig
from eventflux_runtime.peer.mailbox import Mailbox
from eventflux_runtime.peer.payload import PayloadCodec, announced
from eventflux_runtime.peer.single_message import ReplyLink, SubscriberLink
from eventflux_runtime.peer.stream_link import StreamLink
from eventflux_runtime.peer.transport import Link, LinkListener
from eventflux_runtime.protocol.api import Listener, ServerCall
from eventflux_runtime.rpc.binding import AnyBinding, Binding
from eventflux_runtime.rpc.call_tally import TallyBook
from eventflux_runtime.rpc.context import Context
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.errors import CodecError
from eventflux_runtime.rpc.rpc_error import Internal, InvalidArgument, ResourceExhausted, RpcError, Unavailable
from eventflux_runtime.rpc.status import OK_STATUS, Status
from eventflux_runtime.server.dispatch import ServiceDispatcher
from eventflux_runtime.server.service import Service
from eventflux_runtime.wire.registry import wire_of

__all__ = ["PeerDispatcher", "RpcListener", "open_listener"]

M = TypeVar("M")

BACKLOG: Final = 1024
"""Links that wait to be accepted; further callers wait until there is room."""
BACKLOG_BYTES: Final = 64 * 1024 * 1024
"""Bytes of plain callers' messages that wait to be accepted, and one message more; further ones are refused."""


class RpcListener(LinkListener[M]):
    """A server with the links it has for `accept`."""

    def __init__(self, binding: PeerBinding[M], payloads: PayloadCodec[M], config: GrpcPeerConfig) -> None:
        self.local_addr = ""
        self.active = 0
        """Calls that are connections now."""
        self.binding = binding
        self.payloads = payloads
        self.config = config
        self.backlog: Mailbox[tuple[Link[M], str]] = Mailbox(BACKLOG)
        self.waiting_bytes = 0
        """What plain callers' messages cost that nobody has accepted."""
        self.task: BackgroundTask | None = None

    async def accept(self) -> tuple[Link[M], str]:
        """See `LinkListener.accept`."""
        link, address = await self.backlog.get()
        if isinstance(link, ReplyLink):
            self.waiting_bytes -= link.size
        return link, address

    async def offer(self, link: ReplyLink[M], address: str) -> None:
        """Lets a plain caller's message wait to be accepted.

        Raises:
            ResourceExhausted: too much waits already.
            Unavailable: the listener was closed.
        """
        if self.waiting_bytes >= BACKLOG_BYTES:
            raise ResourceExhausted(
                f"messages of {self.waiting_bytes} bytes wait to be accepted by {self.local_addr}, the limit is "
                f"{BACKLOG_BYTES}: send again when its program has caught up"
            )
        self.waiting_bytes += link.size
        try:
            await self.backlog.put((link, address))
        except BaseException:
            self.waiting_bytes -= link.size
            raise

    async def aclose(self) -> None:
        """See `LinkListener.aclose`. Ends the connections too, because they are calls of this server."""
        self.backlog.end(Unavailable(f"the listener on {self.local_addr} was closed"))
        self.backlog.clear()
        if self.task is not None:
            await self.task.stop()


async def open_listener(
    endpoint: Endpoint, binding: PeerBinding[M], payloads: PayloadCodec[M], config: GrpcPeerConfig
) -> RpcListener[M]:
    """Binds an address.

    Raises:
        ConfigError: it cannot be bound, or the configuration does not fit.
        MissingExtraError: the wire needs a package that is not installed.
    """
    transport = wire_of(endpoint)
    listener = RpcListener(binding, payloads, config)
    dispatcher = PeerDispatcher(listener)

    async def live(started: Callable[[], None]) -> None:
        async with open_reactor() as reactor:
            bound: Listener = await transport.listen(endpoint, config.server, dispatcher, reactor)
            try:
                listener.local_addr = bound.endpoint.address
                started()
                await anyio.sleep_forever()
            finally:
                with anyio.CancelScope(shield=True):
                    await bound.aclose()

    listener.task = BackgroundTask(live)
    await listener.task.start()
    return listener


class PeerDispatcher(Generic[M]):
    """A `Dispatcher` that turns streams into links and leaves calls of one request to their handlers."""

    def __init__(self, listener: RpcListener[M]) -> None:
        self._listener = listener
        self._inner = ServiceDispatcher([_PeerService(listener)])

    @property
    def bindings(self) -> Sequence[AnyBinding]:
        """See `Dispatcher.bindings`."""
        return self._inner.bindings

    def find(self, path: str) -> AnyBinding | None:
        """See `Dispatcher.find`."""
        return self._inner.find(path)

    @property
    def tallies(self) -> TallyBook:
        """See `Dispatcher.tallies`."""
        return self._inner.tallies

    def count_refused(self) -> None:
        """See `Dispatcher.count_refused`."""
        self._inner.count_refused()

    def is_serving(self, service: str) -> bool | None:
        """See `Dispatcher.is_serving`; a listener knows no services, and is well as long as it is there."""
        return None if service else True

    async def handle(self, binding: AnyBinding, call: ServerCall) -> None:
        """See `Dispatcher.handle`."""
        methods = self._listener.binding
        if binding.method not in (methods.stream, methods.events):
            await self._inner.handle(binding, call)
            return
        self._listener.active += 1
        try:
            link = await (self._connection(call) if binding.method is methods.stream else self._subscription(call))
            await call.finish(_status_of(link.error) if link.error is not None else OK_STATUS)
        except Exception as error:  # noqa: BLE001 - a dispatcher raises nothing; every failure becomes a status
            await call.finish(_status_of(error))
        except BaseException:
            call.abandon()
            raise
        finally:
            self._listener.active -= 1

    async def _connection(self, call: ServerCall) -> Link[M]:
        listener = self._listener
        address = _address(call)
        link: StreamLink[M] = StreamLink(address, listener.payloads, listener.config.request_timeout_s)
        await self._offer(link, call)
        await link.run(call.receive, call.send, None)
        return link

    async def _subscription(self, call: ServerCall) -> Link[M]:
        listener = self._listener
        request = await call.receive()
        link: SubscriberLink[M] = SubscriberLink(
            _address(call), listener.payloads, listener.config.request_timeout_s, request, listener.binding.is_wanted
        )
        await self._offer(link, call)
        await link.run(_nothing, call.send, None)
        return link

    async def _offer(self, link: StreamLink[M], call: ServerCall) -> None:
        listener = self._listener
        link.accepted = announced(call.metadata)
        # Sent even where it is empty: it tells the other node that its connection stands.
        await call.send_initial_metadata(listener.payloads.announcement)
        await listener.backlog.put((link, link.address))


class _PeerService(Service, Generic[M]):
    """The handlers of a listener; those of streams stand in for `PeerDispatcher`, which serves them itself."""

    def __init__(self, listener: RpcListener[M]) -> None:
        self._listener = listener

    def _bindings(self) -> Sequence[AnyBinding]:
        binding = self._listener.binding
        return (
            Binding.unary(binding.send, self._send_message),
            Binding.bidi(binding.stream, self._stream_messages),
            Binding.server_streaming(binding.events, self._stream_events),
            Binding.unary(binding.heartbeat, self._heartbeat),
        )

    async def _send_message(self, request: M, context: Context) -> M:
        listener = self._listener
        accepted = announced(context.metadata)
        address = context.peer.address.partition("://")[2]
        if announcement := listener.payloads.announcement:
            await context.send_initial_metadata(announcement)
        message = listener.payloads.unpack(request)
        link = ReplyLink(address, message, listener.payloads.size_of(message))
        try:
            await listener.offer(link, address)
            remaining_s = context.time_remaining_s()
            timeout_s = listener.config.request_timeout_s
            patience_s = timeout_s if remaining_s is None else min(timeout_s, remaining_s / 2)
            reply = await link.reply(patience_s)
        finally:
            link.leave()
        if reply is None:
            return listener.binding.acknowledge(request)
        return listener.payloads.pack(listener.payloads.stamp(reply), accepted)

    async def _heartbeat(self, request: Any, context: Context) -> Any:
        listener = self._listener
        return listener.binding.heartbeat_response(listener.local_addr, time.time_ns() // 1_000_000, listener.active)

    async def _stream_messages(self, requests: AsyncIterator[M], context: Context) -> AsyncIterator[M]:
        raise NotImplementedError("PeerDispatcher serves streams")
        yield  # type: ignore[unreachable]  # makes this an async generator

    async def _stream_events(self, request: Any, context: Context) -> AsyncIterator[M]:
        raise NotImplementedError("PeerDispatcher serves subscriptions")
        yield  # type: ignore[unreachable]  # makes this an async generator


async def _nothing() -> Any:
    """What a subscriber sends after its request."""
    await anyio.sleep_forever()


def _address(call: ServerCall) -> str:
    return call.peer.address.partition("://")[2]


def _status_of(error: Exception) -> Status:
    if isinstance(error, RpcError):
        return error.status
    if isinstance(error, CodecError):
        return InvalidArgument(f"a message cannot be decoded: {error}").status
    return Internal(f"the connection failed: {error}").status
