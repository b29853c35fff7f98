"""The client's end: one HTTP/2 connection as a `ClientConnection`, from READY until it is lost, drained or closed.

Invariants: the state leaves READY for good when grpcio reports any other connectivity, so that grpcio never gets to
connect a second time; the channel is closed when it has left READY and no call is in flight.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import grpc
from anyio import CancelScope
from anyio.lowlevel import checkpoint_if_cancelled
from grpc import aio

from eventflux_runtime.compression.expansion import ExpansionBudget
from eventflux_runtime.grpcio.call import StreamingCall
from eventflux_runtime.grpcio.drain import DRAIN_NOTICES, notice_s_of
from eventflux_runtime.grpcio.option import grpc_compression
from eventflux_runtime.grpcio.packed import PACKING, acceptance, accepted_by, pack, unpack
from eventflux_runtime.grpcio.status import (
    error_of,
    is_connection_failure,
    metadata_of,
    says_too_many_pings,
)
from eventflux_runtime.grpcio.unary import HeardMetadata, UnaryCalls
from eventflux_runtime.protocol.api import CallHead, ClientCall, ConnectionState, ResponseInfo
from eventflux_runtime.protocol.ping_backoff import PING_BACKOFF, ping_interval_s
from eventflux_runtime.rpc.config import ClientConfig, Compression
from eventflux_runtime.rpc.deadline import ENDLESS_S
from eventflux_runtime.rpc.errors import MissingExtraError
from eventflux_runtime.rpc.method import AnyMethod, Method, MethodKind, keep_for
from eventflux_runtime.rpc.rpc_error import DeadlineExceeded, Internal, ResourceExhausted, RpcError, Unavailable

if TYPE_CHECKING:
    from eventflux_runtime.compression.expansion import Loan
    from eventflux_runtime.grpcio.relay import Relay
    from eventflux_runtime.net.reactor import Reactor
    from eventflux_runtime.rpc.endpoint import Endpoint

__all__ = ["GrpcConnection", "gone"]

Req = TypeVar("Req")
Res = TypeVar("Res")

_NO_LIMIT: Final = 2**31 - 1
_GONE_S: Final = 1.0
"""Seconds that closing waits for grpcio to let go of a channel."""
_LOCAL_DEADLINE: Final = "Deadline Exceeded"
"""The text that grpcio's core gives to a deadline that passed on this side."""


class GrpcConnection:
    """A `ClientConnection` over a channel that is connected."""

    max_calls = _NO_LIMIT
    """grpcio does not tell the server's limit; it queues the calls above it."""

    def __init__(
        self,
        channel: aio.Channel,
        endpoint: Endpoint,
        reactor: Reactor,
        config: ClientConfig,
        relay: Relay | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.state = ConnectionState.READY
        self.active_calls = 0
        self.reactor = reactor
        self.max_message_bytes = config.max_message_bytes
        self.budget = ExpansionBudget.of_client(reactor.decompressed, config)
        self._ping_interval_s = ping_interval_s(config, endpoint)
        self._compression_min_bytes = config.compression_min_bytes
        self._accepted: frozenset[Compression] = frozenset()
        self._channel: aio.Channel | None = channel
        self._relay = relay
        self._unary = UnaryCalls(channel)
        self._streaming: dict[AnyMethod, Any] = {}
        self._released = asyncio.Event()
        self._lost: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<gRPC connection to {self.endpoint}: {self.state.value}, {self.active_calls} active>"

    # -- the life of the connection

    def supervise(self, is_reconnecting: bool) -> None:
        """Starts to watch over the channel, until it is released.

        Args:
            is_reconnecting: whether grpcio owns the way to the server, and a loss is its to mend.
        """
        if not is_reconnecting and self._channel is not None:
            self._lost = asyncio.ensure_future(self._channel.wait_for_state_change(grpc.ChannelConnectivity.READY))
            self._lost.add_done_callback(self._on_lost)
        self.reactor.spawn(self._close_when_released)

    def _on_lost(self, lost: asyncio.Task[None]) -> None:
        if not lost.cancelled() and lost.exception() is None:
            self.drain()

    async def _close_when_released(self) -> None:
        try:
            await self._released.wait()
        finally:
            await self._close()

    async def _close(self) -> None:
        self.state = ConnectionState.CLOSED
        self._released.set()
        with CancelScope(shield=True):
            await asyncio.sleep(0)  # so that grpcio's tasks for the latest calls have begun; see StreamingCall.cancel
            channel, lost = self._channel, self._lost
            self._unary.close()
            if channel is not None:
                await channel.close()
            if lost is not None:
                await gone(lost)
            # What is kept of a channel keeps grpcio's thread at work, even if the channel is closed.
            self._channel = self._lost = None
            self._streaming.clear()
            if self._relay is not None:
                await self._relay.aclose()

    def drain(self) -> None:
        """See `ClientConnection.drain`."""
        if self.state is ConnectionState.READY:
            self.state = ConnectionState.DRAINING
            self._release_if_idle()

    def _release_if_idle(self) -> None:
        if not self.active_calls and self.state is ConnectionState.DRAINING:
            self.state = ConnectionState.CLOSED
            self._released.set()

    async def aclose(self) -> None:
        """See `ClientConnection.aclose`."""
        await self._close()

    # -- calls

    async def unary(self, method: Method[Req, Res], request: Req, head: CallHead) -> Res:
        """See `ClientConnection.unary`."""
        data = method.request.to_protobuf(request)
        self.check_size(method, data)
        timeout_s = self.begin(method, head)
        compression = None if head.compression is Compression.NONE else grpc_compression(head.compression)
        is_packing = head.compression in PACKING
        heard = HeardMetadata() if is_packing or head.response is not None else None
        reply: bytes | RpcError | None
        try:
            call = self._unary.method(method, compression)
            if is_packing:
                data = self.packed(data, head)  # nobody holds the plain form meanwhile
                reply = await call(data, timeout_s, (*head.metadata.pairs, acceptance()), heard)
            else:
                reply = await call(data, timeout_s, head.metadata.pairs, heard)
            if heard is not None:
                self._take(heard, head.response, is_packing)
        except aio.AioRpcError as error:
            reply = self.failure(method, error, head.response)
        except asyncio.CancelledError:
            reply = None
        finally:
            self.ended()
        # Raised out here, an error holds on to nothing of grpcio's; whoever kept it would keep the connection open.
        if reply is None:
            raise await self._cancellation()
        if isinstance(reply, RpcError):
            raise reply
        if not is_packing:
            return self.decoded(method, reply, None)
        loan = self.budget.loan()
        try:
            return self.decoded(method, reply, loan)
        finally:
            loan.release()

    def packed(self, data: bytes, head: CallHead) -> bytes:
        """A request as it is sent in a call that names one of the algorithms of `PACKING`."""
        return pack(data, head.compression, self._compression_min_bytes) if head.compression in self._accepted else data

    def decoded(self, method: Method[Req, Res], data: bytes, loan: Loan | None) -> Res:
        """A response; one of a call that packs is held on `loan` by the call.

        Raises:
            Internal: it is no message of its type.
            ResourceExhausted: decompressed, it is over the limit.
        """
        try:
            plain = data if loan is None else unpack(data, self.max_message_bytes, loan)
            return method.response.from_protobuf(plain)
        except (RpcError, MissingExtraError):
            raise
        except Exception as error:  # DecodeError, or what a codec fails with that is not ours
            text = f"a response to {method.path} from {self.endpoint} cannot be decoded: {error}"
            raise Internal(text) from error

    def learn(self, trailers: Iterable[tuple[str, Any]] | None) -> None:
        """Takes over what the server said at the end of such a call."""
        accepted = accepted_by(trailers)
        if accepted is not None:
            self._accepted = accepted

    def start(self, method: Method[Req, Res], head: CallHead) -> ClientCall[Req, Res]:
        """See `ClientConnection.start`."""
        self.begin(method, head)
        try:
            return StreamingCall(self, method, head)
        except BaseException:
            self.ended()
            raise

    def check_open(self) -> None:
        """Refuses new calls unless the connection is ready.

        Raises:
            Unavailable: it is not.
        """
        if self.state is not ConnectionState.READY:
            raise Unavailable(
                f"the connection to {self.endpoint} is {self.state.value}; the call never left", unprocessed=True
            )

    def begin(self, method: AnyMethod, head: CallHead) -> float | None:
        """Counts a call in and returns its time left in seconds; `ended` counts it out.

        Raises:
            Unavailable: the connection takes no new call.
            DeadlineExceeded: no time is left.
        """
        self.check_open()
        timeout_s: float | None = None
        if head.deadline is not None:
            left_s = head.deadline - self.reactor.now()
            if left_s <= 0:
                raise self._deadline_error(method)
            timeout_s = left_s if left_s < ENDLESS_S else None
        self.active_calls += 1
        return timeout_s

    def ended(self) -> None:
        """Counts a call out."""
        self.active_calls -= 1
        if self.state is not ConnectionState.READY:
            self._release_if_idle()

    def check_size(self, method: AnyMethod, data: bytes) -> None:
        """Refuses a request that the server would refuse, before it is sent.

        Raises:
            ResourceExhausted: it is above the limit.
        """
        if len(data) > self.max_message_bytes:
            raise ResourceExhausted(
                f"a request of {method.path} has {len(data)} bytes, the limit is {self.max_message_bytes}: "
                "send less at a time or raise ClientConfig.max_message_bytes",
                unprocessed=True,
            )

    def streaming_callable(self, method: AnyMethod) -> Any:
        """What starts a call of a streaming method on the channel."""
        found = self._streaming.get(method)
        if found is None:
            is_single_request = method.kind is MethodKind.SERVER_STREAMING
            channel: Any = self._channel
            make = channel.unary_stream if is_single_request else channel.stream_stream
            # As generated stubs do: a path that the channel knows beforehand costs less in each call.
            found = keep_for(method, make(method.path, _registered_method=True), self._streaming)
        return found

    def _take(self, heard: HeardMetadata, response: ResponseInfo | None, is_packing: bool) -> None:
        if is_packing:
            self.learn(heard.trailing)
        if response is not None:
            response.initial_metadata = metadata_of(heard.initial)
            response.trailers = metadata_of(heard.trailing)

    # -- failures

    def failure(self, method: AnyMethod, error: aio.AioRpcError, response: ResponseInfo | None) -> RpcError:
        """Our exception for grpcio's."""
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED and _LOCAL_DEADLINE in (error.details() or ""):
            return self._deadline_error(method)
        made = error_of(error)
        notice_s = notice_s_of(error.trailing_metadata())
        if self._lost is not None and notice_s is not None:
            DRAIN_NOTICES.note(self.endpoint, notice_s)
            self.drain()
        if self._lost is not None and is_connection_failure(error):
            # grpcio reports the connection's new state later; until then the next call must not get this connection.
            self.drain()
            if self._ping_interval_s is not None and says_too_many_pings(error):
                # grpcio's core slows down within one channel, and the next connection is another one.
                PING_BACKOFF.complained(self.endpoint, self._ping_interval_s)
        if response is not None:
            response.initial_metadata = metadata_of(error.initial_metadata())
            response.trailers = made.metadata
        return made

    def _deadline_error(self, method: AnyMethod) -> DeadlineExceeded:
        return DeadlineExceeded(
            f"no answer to {method.path} from {self.endpoint} before the deadline; "
            "raise timeout_s if the server needs longer"
        )

    async def _cancellation(self) -> BaseException:
        """What to raise where grpcio raised CancelledError.

        That is Unavailable if not the running task was cancelled but the call, because the connection was closed under
        it. Otherwise it is the task's cancellation: grpcio raises one of its own in place of the original, and anyio
        knows the cancellations of its scopes by the original. Waiting once more has anyio deliver it again, here.
        """
        task = asyncio.current_task()
        if task is not None and not task.cancelling():
            return Unavailable(f"the connection to {self.endpoint} was closed by this client")
        await checkpoint_if_cancelled()
        return asyncio.CancelledError()


async def gone(watch: asyncio.Task[Any]) -> None:
    """Waits for a watch on a closed channel to end: its completion comes from a thread and must find the loop alive.

    grpcio completes it when nobody holds a call of the channel any more; if somebody does, it is given up.
    """
    done, _ = await asyncio.wait({watch}, timeout=_GONE_S)
    if not done:
        watch.cancel()
    elif not watch.cancelled():
        watch.exception()  # grpcio's complaint that the channel was closed before the watch began
