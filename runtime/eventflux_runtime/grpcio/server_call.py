"""A call on a gRPC connection, seen from the server.

Invariants: grpcio's context is touched only while grpcio runs the call, because it keeps no reference to the call
after that; only the call's reading task reads from it.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import anyio
from grpc import aio

from eventflux_runtime.grpcio.packed import accepted_by, pack, unpack
from eventflux_runtime.grpcio.peer import peer_of
from eventflux_runtime.grpcio.reader import ReadAhead
from eventflux_runtime.grpcio.status import metadata_of
from eventflux_runtime.rpc.config import ServerConfig
from eventflux_runtime.rpc.errors import CodecError, MissingExtraError
from eventflux_runtime.rpc.metadata import Metadata
from eventflux_runtime.rpc.method import AnyMethod
from eventflux_runtime.rpc.peer import Peer
from eventflux_runtime.rpc.rpc_error import ResourceExhausted
from eventflux_runtime.rpc.status import Status, StatusCode

if TYPE_CHECKING:
    from eventflux_runtime.compression.expansion import ExpansionBudgets, Loan
    from eventflux_runtime.net.reactor import Reactor, TaskHandle

__all__ = ["GrpcServerCall", "ServedMethod"]

_TURNS_FOR_CANCELLATION: Final = 3
_log: Final = logging.getLogger("eventflux_runtime.server")


class ServedMethod:
    """What every call of one method has in common."""

    __slots__ = (
        "budgets",
        "has_one_request",
        "has_one_response",
        "is_tls",
        "max_message_bytes",
        "method",
        "min_bytes",
        "packing",
    )

    def __init__(self, method: AnyMethod, config: ServerConfig, is_tls: bool, budgets: ExpansionBudgets) -> None:
        self.method = method
        self.budgets = budgets
        self.is_tls = is_tls
        self.has_one_request = not method.kind.streams_requests
        self.has_one_response = not method.kind.streams_responses
        self.max_message_bytes = config.max_message_bytes
        self.packing = method.compression or config.compression
        """The algorithm for responses to a client that knows it, one of those grpcio does not."""
        self.min_bytes = config.compression_min_bytes


class GrpcServerCall:
    """A `ServerCall` over grpcio's servicer context.

    What `finish` is told is sent by the listener once the dispatcher has returned, as grpcio's handlers are built.
    """

    __slots__ = (
        "_accepted",
        "_context",
        "_loan",
        "_metadata",
        "_peer",
        "_raw_metadata",
        "_raw_peer",
        "_reader",
        "_reading",
        "_request",
        "_served",
        "deadline",
        "method",
        "outcome",
        "reply",
    )

    def __init__(
        self,
        served: ServedMethod,
        context: Any,
        raw_metadata: tuple[tuple[str, Any], ...],
        request: bytes | None,
        deadline: float | None,
    ) -> None:
        self.method: AnyMethod = served.method
        self.deadline = deadline
        self.outcome: Status | None = None
        self.reply = b""
        self._served = served
        self._context = context
        self._loan: Loan | None = None
        self._raw_metadata = raw_metadata
        self._metadata: Metadata | None = None
        self._accepted = accepted_by(raw_metadata)
        self._raw_peer: tuple[str, Any] = (context.peer(), context.auth_context() if served.is_tls else None)
        self._peer: Peer | None = None
        self._request = request
        self._reader: ReadAhead | None = None
        self._reading: TaskHandle | None = None

    def start_reading(self, reactor: Reactor) -> None:
        """Reads requests from now on."""
        self._reader = ReadAhead(reactor)
        self._reading = reactor.spawn(self._read, self._reader)

    async def _read(self, reader: ReadAhead) -> None:
        try:
            while self._context is not None:
                if not reader.has_room:
                    await reader.wait_for_room()
                    continue
                data = await self._context.read()
                if data is aio.EOF:
                    await self._let_cancellation_pass()
                    break
                reader.put(data)
        except (aio.BaseError, asyncio.CancelledError):
            pass  # the call is over, and its handler is being cancelled or has returned
        except Exception:  # noqa: BLE001 - logged; let out of this task, it would end the server
            _log.exception("reading the requests of %s failed", self.method.path)
        finally:
            reader.end(None)

    async def _let_cancellation_pass(self) -> None:
        """Returns after a half-close, and not before the cancellation of a call whose client has left.

        grpcio says the same of both, and of the latter the cancellation is a moment behind: a handler would take half a
        stream for a whole one. Reading once more puts us behind it, because core completes what it has begun for a
        call before it begins another operation on it; then grpcio's task needs its turns to pass the word on.
        """
        if self._context is not None:
            await self._context.read()
        for _ in range(_TURNS_FOR_CANCELLATION):
            await asyncio.sleep(0)

    def close(self) -> None:
        """The call is over: nothing more is read."""
        if self._reading is not None:
            self._reading.cancel()
        self._context = None
        if self._loan is not None:
            self._loan.release()

    # -- the dispatcher's side

    @property
    def peer(self) -> Peer:
        """See `ServerCall.peer`."""
        if self._peer is None:
            self._peer = peer_of(*self._raw_peer)
        return self._peer

    @property
    def metadata(self) -> Metadata:
        """See `ServerCall.metadata`."""
        if self._metadata is None:
            self._metadata = metadata_of(self._raw_metadata)
        return self._metadata

    def take_request(self) -> Any:
        """See `ServerCall.take_request`."""
        data = self._request
        if data is None or self._accepted is not None:
            return None
        try:
            request = self.method.request.from_protobuf(data)
        except (CodecError, MissingExtraError):
            return None  # `receive` says so
        self._request = None
        return request

    async def receive(self) -> Any:
        """See `ServerCall.receive`."""
        if self._loan is not None:
            self._loan.release()
        if self._reader is not None:
            data = await self._reader.get()
        else:
            request, self._request = self._request, None
            if request is None:
                raise anyio.EndOfStream
            data = request
        if self._accepted is not None:
            if self._loan is None:
                self._loan = self._served.budgets.of(self._raw_peer[0]).loan()
            data = unpack(data, self._served.max_message_bytes, self._loan)
        return self.method.request.from_protobuf(data)

    async def send_initial_metadata(self, metadata: Metadata) -> None:
        """See `ServerCall.send_initial_metadata`."""
        if self._context is None:
            return  # the call is over
        with suppress(aio.BaseError):  # client or server has left; the handler's cancellation is near
            await self._context.send_initial_metadata(metadata.pairs)

    async def send(self, message: Any) -> None:
        """See `ServerCall.send`."""
        data = self._encoded(message)
        if self._context is None:
            return  # the call is over
        try:
            await self._context.write(data)
        except aio.BaseError:  # client or server has left; the handler's cancellation is near
            await asyncio.sleep(0)  # it has to get to know even if it does nothing but send

    def finish_now(self, status: Status, message: Any = None) -> bool:
        """See `ServerCall.finish_now`."""
        if self._served.has_one_response and status.code is StatusCode.OK:
            self.reply = self._encoded(message)
        self.outcome = status
        return True

    async def finish(self, status: Status, message: Any = None) -> None:
        """See `ServerCall.finish`."""
        self.finish_now(status, message)

    def abandon(self) -> None:
        """See `ServerCall.abandon`; grpcio sees the cancellation itself."""

    def _encoded(self, message: Any) -> bytes:
        data: bytes = self.method.response.to_protobuf(message)
        served = self._served
        if len(data) > served.max_message_bytes:
            raise ResourceExhausted(
                f"a response of {self.method.path} has {len(data)} bytes, the limit is {served.max_message_bytes}: "
                "send less at a time or raise ServerConfig.max_message_bytes"
            )
        if self._accepted is not None and served.packing in self._accepted:
            return pack(data, served.packing, served.min_bytes)
        return data

    @property
    def answers_acceptance(self) -> bool:
        """Whether the client wants to know what this side decompresses."""
        return self._accepted is not None
