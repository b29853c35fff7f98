"""What wires and protocols offer to the rest of the runtime: the contract with `client/` and `server/`.

A new protocol over pipes implements `StreamProtocol` and has a row in the table of schemes
(`eventflux_runtime.rpc.scheme`); a library that moves its bytes itself implements `Wire`. Everything above (pool,
balancer, retries, interceptors, dispatch, drain) speaks only to these.

Rules that hold for every implementation:

- Times are seconds on the event loop's clock (`anyio.current_time`).
- A call that fails raises the `RpcError` of its status. A call whose request provably never reached a handler is
  marked: `RpcError.unprocessed` is True, so that any method may be retried.
- Cancelling a task that waits in one of these methods cancels nothing but the wait, except where stated.
- ``aclose`` may be called more than once, and from a cancelled scope.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from eventflux_runtime.carrier.api import HttpUpgrade, HttpUpgraded, Pipe, PipeHandler
from eventflux_runtime.rpc.attempt_record import AttemptRecord
from eventflux_runtime.rpc.binding import AnyBinding
from eventflux_runtime.rpc.call_head import CallHead, ResponseInfo
from eventflux_runtime.rpc.call_tally import TallyBook
from eventflux_runtime.rpc.config import ClientConfig, ServerConfig
from eventflux_runtime.rpc.context import ServedCall
from eventflux_runtime.rpc.counted_call import CountedCall
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.metadata import Metadata
from eventflux_runtime.rpc.method import Method
from eventflux_runtime.rpc.stats import EndpointStats
from eventflux_runtime.rpc.status import Status

if TYPE_CHECKING:
    from eventflux_runtime.net.limited_log import LimitedLog
    from eventflux_runtime.net.reactor import Reactor
    from eventflux_runtime.protocol.sniff import Sniff

__all__ = [
    "CallHead",
    "ClientCall",
    "ClientConnection",
    "ConnectionState",
    "Dispatcher",
    "FrontProtocol",
    "FrontServer",
    "Listener",
    "Offer",
    "ResponseInfo",
    "ServerCall",
    "ServerConnection",
    "ServerProtocol",
    "ServingProtocol",
    "StreamProtocol",
    "Wire",
]

T = TypeVar("T")
Req = TypeVar("Req")
Res = TypeVar("Res")
Req_contra = TypeVar("Req_contra", contravariant=True)
Res_co = TypeVar("Res_co", covariant=True)


class ConnectionState(Enum):
    """What a pool needs to know of a connection."""

    READY = "ready"
    DRAINING = "draining"
    """Calls in flight go on, new ones go elsewhere."""
    CLOSED = "closed"


class ClientCall(Protocol[Req_contra, Res_co]):
    """One call in flight, seen from the client. One task may send while another receives."""

    async def send(self, message: Req_contra) -> None:
        """Sends one request, waiting while the peer's window is full.

        Raises:
            RpcError: the call has failed; the error is the call's own.
            anyio.ClosedResourceError: `end` was called before, or the call has ended with OK.
        """

    async def end(self) -> None:
        """Half-closes: no request follows. A second time does nothing."""

    async def receive(self) -> Res_co:
        """The next response.

        Raises:
            anyio.EndOfStream: the call ended with OK; again at every further call.
            RpcError: the call ended otherwise; again at every further call.
        """

    @property
    def ready_bytes(self) -> int:
        """What the next response took on the wire, if `receive` has it at once and need not decompress it.

        -1 otherwise, and where a wire cannot tell.
        """

    async def initial_metadata(self) -> Metadata:
        """The server's initial metadata; waits for it. Empty if the call ended without, failed or not."""

    @property
    def status(self) -> Status | None:
        """How the call ended, trailers included; None while it runs."""

    def cancel(self) -> None:
        """Ends the call now and tells the server. A call that has ended is left alone. Never waits, never raises."""


class ClientConnection(Protocol):
    """One connection to one address."""

    @property
    def state(self) -> ConnectionState:
        """Whether it takes new calls."""

    @property
    def active_calls(self) -> int:
        """Calls in flight now."""

    @property
    def max_calls(self) -> int:
        """Calls in flight that the peer allows at a time."""

    tallies: TallyBook
    """Where its calls are counted, each as an attempt. Whoever opens a connection may put another in its place, before
    the first call."""

    async def unary(
        self, method: Method[Req, Res], request: Req, head: CallHead, record: AttemptRecord | None = None
    ) -> Res:
        """One request, one response. Cancelling the waiting task cancels the call on the server.

        Args:
            method: what is called.
            request: the only request.
            head: goes ahead of it.
            record: is told of messages and of what cut the call short; not of its end.

        Raises:
            RpcError: as the call ended, DeadlineExceeded when its deadline passed here included.
            CodecError: the request cannot be encoded; nothing was sent.
        """

    def start(
        self, method: Method[Req, Res], head: CallHead, record: AttemptRecord | None = None
    ) -> ClientCall[Req, Res]:
        """Starts a streaming call without waiting. `record` is told of messages and of its end.

        Raises:
            RpcError: the connection takes no call now, or the method is not served there.
        """

    def drain(self) -> None:
        """Takes no new calls; closes by itself when the last one has ended."""

    async def aclose(self) -> None:
        """Ends every call with Unavailable and closes. Returns when the transport is released."""


class ServerCall(ServedCall, CountedCall, Protocol):
    """One call in flight, seen from the server.

    The wire cancels the dispatcher's task when the client leaves, resets the call, or its deadline passes; what is
    sent afterwards is dropped.
    """

    def take_request(self) -> Any:
        """The next request if it is here, without a wait; None: `receive` brings it, or says why there is none."""

    async def receive(self) -> Any:
        """The next request.

        Raises:
            anyio.EndOfStream: the client half-closed.
            CodecError: the bytes are not a message of the method's type.
            RpcError: the message breaks a limit, or cannot be decompressed.
        """

    async def send(self, message: Any) -> None:
        """Sends one response, waiting while the client's window is full."""

    def finish_now(self, status: Status, message: Any = None) -> bool:
        """`finish`, if that needs no wait; False: `finish` has to be called with the same, and does what is left."""

    async def finish(self, status: Status, message: Any = None) -> None:
        """Ends the call: for OK on a unary or client-streaming method with the response, otherwise without."""

    def abandon(self) -> None:
        """The handler was cancelled. Where that was not the transport's doing, it ends the call. Never waits."""


class Dispatcher(Protocol):
    """What the server gives to its transports: where calls go."""

    @property
    def bindings(self) -> Sequence[AnyBinding]:
        """Every method served, in a fixed order."""

    @property
    def tallies(self) -> TallyBook:
        """Where calls are counted, by whoever brings them."""

    def count_refused(self) -> None:
        """Counts a call of a method that is not served, or not so."""

    def find(self, path: str) -> AnyBinding | None:
        """The binding of ``/service/method``."""

    def is_serving(self, service: str) -> bool | None:
        """Whether a service is well, or the server as a whole, whose name is empty; None: none of that name is known.

        For probes, which ask before they send calls.
        """

    async def handle(self, binding: AnyBinding, call: ServerCall) -> None:
        """Runs one call to its end, `ServerCall.finish` included. Raises nothing but cancellation."""


class Listener(Protocol):
    """One bound endpoint that accepts until it is closed."""

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint really bound: port 0 is replaced by the port that the system chose."""

    def drain(self) -> None:
        """Accepts nothing more and tells each client to go elsewhere; calls in flight go on."""

    @property
    def active_calls(self) -> int:
        """Calls in flight over all connections of this endpoint."""

    def stats(self) -> EndpointStats:
        """What became of its connections by now."""

    async def aclose(self) -> None:
        """Cancels what is still in flight, closes every connection and releases the address."""


class Wire(Protocol):
    """What a URL scheme stands for: it opens connections and listens. One instance serves the whole process."""

    async def open(self, endpoint: Endpoint, config: ClientConfig, reactor: Reactor) -> ClientConnection:
        """Connects and shakes hands, within ``config.connect_timeout_s`` overall.

        Raises:
            Unavailable: nothing usable answers there; the message says what happened and what to do.
            ConfigError: the configuration does not fit this wire.
        """

    async def listen(
        self, endpoint: Endpoint, config: ServerConfig, dispatcher: Dispatcher, reactor: Reactor
    ) -> Listener:
        """Binds and accepts. Tasks run on `reactor`, whose owner outlives the listener.

        Raises:
            ConfigError: the address cannot be bound, or the configuration does not fit this wire.
        """


# -- protocols over pipes


class ServerConnection(PipeHandler, Protocol):
    """One accepted connection."""

    endpoint: Endpoint | None
    """Where it was accepted; set by whoever accepts it, before it starts."""

    @property
    def active_calls(self) -> int:
        """Calls in flight; one more while the client has not taken all that was sent, or may bring calls still."""

    def start(self, handler: PipeHandler | None = None) -> None:
        """Starts the pipe and begins to serve; `handler` stands in for it at the pipe, and forwards to it."""

    def step_aside(self) -> None:
        """Gives its pipe, on which nothing of its own was read, to another connection."""

    def drain(self) -> None:
        """Tells the client to go elsewhere, as far as the protocol can, and closes when the last call has ended."""

    async def aclose(self) -> None:
        """Ends every call and closes, within a second; at once where this wait is cancelled."""


class ServerProtocol(Protocol):
    """A protocol as one listening endpoint speaks it."""

    def speaks(self, first: Sniff) -> bool:
        """Whether a peer that begins so speaks this protocol."""

    def connection(self, pipe: Pipe, on_lost: Callable[[ServerConnection], None]) -> ServerConnection:
        """A connection over an accepted pipe, which its `start` starts. `on_lost` is called once, at its end."""


class ServingProtocol(Protocol):
    """A protocol that listens."""

    def server(
        self, config: ServerConfig, dispatcher: Dispatcher, reactor: Reactor, log: LimitedLog
    ) -> ServerProtocol | None:
        """Makes ready to serve one endpoint; None: nothing of what is served is for peers of this protocol.

        Raises:
            ConfigError: the configuration does not fit.
        """


class StreamProtocol(ServingProtocol, Protocol):
    """A protocol over any pipe. One instance serves the whole process."""

    @property
    def alpn(self) -> str:
        """Its name in ALPN (RFC 7301)."""

    async def connect(self, pipe: Pipe, endpoint: Endpoint, config: ClientConfig, reactor: Reactor) -> ClientConnection:
        """The client's connection over a fresh pipe, once the server has answered; the pipe is its own from then on.

        Raises:
            Unavailable: it closed instead, or speaks another protocol. The pipe is closed then.
        """


# -- what stands in front of protocols: HTTP/1


@dataclass(frozen=True, slots=True)
class Offer:
    """What a request of HTTP/1 may ask for in the place of an answer."""

    path: str
    """Where it is asked for."""
    token: str
    """By what name, in the header ``Upgrade``."""
    upgrade: HttpUpgrade
    """Judges the request, and makes the pipe."""
    protocol: ServingProtocol
    """What is spoken inside."""


class FrontServer(Protocol):
    """HTTP/1 as one listening endpoint speaks it."""

    def speaks(self, first: Sniff) -> bool:
        """See `ServerProtocol.speaks`."""

    def connection(
        self,
        pipe: Pipe,
        on_lost: Callable[[ServerConnection], None],
        lead: Callable[[ServerConnection, Offer, HttpUpgraded, bytes], None],
    ) -> ServerConnection:
        """A connection over an accepted pipe.

        Args:
            pipe: the pipe, which the connection's `start` starts.
            on_lost: called once, at the connection's end, unless `lead` was.
            lead: gives the pipe to what was offered, with what came behind the request; the connection has no part in
                it any more.
        """


class FrontProtocol(Protocol):
    """A protocol that answers requests of HTTP/1. One instance serves the whole process."""

    @property
    def alpn(self) -> str:
        """Its name in ALPN (RFC 7301)."""

    def server(
        self,
        endpoint: Endpoint,
        config: ServerConfig,
        dispatcher: Dispatcher,
        reactor: Reactor,
        log: LimitedLog,
        offers: Sequence[Offer],
    ) -> FrontServer:
        """Makes ready to serve one endpoint."""
