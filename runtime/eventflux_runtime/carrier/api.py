"""What carriers offer to protocols: pipes, byte streams that are pushed in by callbacks and written without waiting.

A new carrier implements `Carrier`, or `PipeLayer` where it runs inside another one, or `UpgradeLayer` where that begins
with a request of HTTP/1, and has a row in the table of schemes (`eventflux_runtime.rpc.scheme`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias

import anyio

from eventflux_runtime.rpc.config import ClientConfig, ServerConfig
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.peer import Peer

if TYPE_CHECKING:
    from eventflux_runtime.net.limited_log import LimitedLog
    from eventflux_runtime.net.reactor import Reactor, TimerHandle

__all__ = [
    "CLOSE_S",
    "HIGH_WATER_BYTES",
    "READ_BYTES",
    "Carrier",
    "CarrierListener",
    "HttpRefusal",
    "HttpUpgrade",
    "HttpUpgraded",
    "Pipe",
    "PipeHandler",
    "PipeLayer",
    "Relay",
    "StackedPipe",
    "StallDetector",
    "StallGuard",
    "Upgrade",
    "UpgradeLayer",
    "wait_closed",
]

CLOSE_S: Final = 1.0
"""Seconds for which a peer may take nothing of what a closing pipe has still to send."""
HIGH_WATER_BYTES = 1024 * 1024
"""Bytes written and not yet taken by the system at which a pipe calls itself congested."""
READ_BYTES = 256 * 1024
"""Bytes asked of the system at a time."""


class PipeHandler(Protocol):
    """Who owns a pipe. Callbacks run on the event loop, in order, and must not raise."""

    def on_data(self, data: bytes) -> None:
        """Bytes arrived; never empty."""

    def on_eof(self) -> None:
        """The peer will send nothing more."""

    def on_lost(self, error: Exception | None) -> None:
        """The pipe is gone; called exactly once, the last of all calls. `error` is None for an orderly end."""

    def on_congested(self) -> None:
        """More than `HIGH_WATER_BYTES` wait for the system to take them. May be called within `Pipe.write`."""

    def on_writable(self) -> None:
        """A congested pipe has room again."""


class Relay:
    """A `PipeHandler` that forwards everything to another one, which can be changed.

    A pipe looks its handler's callbacks up each time, so once they are the other one's, nothing stands in between.
    """

    __slots__ = ("on_congested", "on_data", "on_eof", "on_lost", "on_writable")

    def __init__(self, handler: PipeHandler | None = None) -> None:
        """A relay to a handler; without one, `forward_to` has to come before a pipe is given the relay."""
        if handler is not None:
            self.forward_to(handler)

    def forward_to(self, handler: PipeHandler) -> None:
        """Forwards to this one from now on."""
        self.on_data = handler.on_data
        self.on_eof = handler.on_eof
        self.on_lost = handler.on_lost
        self.on_congested = handler.on_congested
        self.on_writable = handler.on_writable


class Pipe(Protocol):
    """A connected, full-duplex byte stream."""

    @property
    def peer(self) -> Peer:
        """The other side."""

    @property
    def is_congested(self) -> bool:
        """Whether writers should wait for `PipeHandler.on_writable`."""

    @property
    def unsent_bytes(self) -> int:
        """Bytes written that the system has not taken."""

    def start(self, handler: PipeHandler) -> None:
        """Begins to deliver; called once."""

    def write(self, data: bytes) -> None:
        """Sends bytes, or keeps them until the system takes them. After `close`, `abort` or the end, drops them."""

    def pause_reading(self) -> None:
        """Delivers nothing until `resume_reading`, so that the peer has to wait; what was read already may come."""

    def resume_reading(self) -> None:
        """Delivers again."""

    def close(self) -> None:
        """Sends what was written, then closes; aborts if the peer takes nothing of it for `CLOSE_S` seconds.

        Nothing is delivered any more but `on_lost`, which follows.
        """

    def abort(self) -> None:
        """Closes at once; what was written may be lost. `on_lost` follows."""

    async def wait_closed(self) -> None:
        """Returns after `on_lost`."""


class CarrierListener(Protocol):
    """A bound address. It accepts from `start` to `stop_accepting`."""

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint really bound: port 0 is replaced by the port that the system chose."""

    def start(self, on_pipe: Callable[[Pipe], None]) -> None:
        """Begins to accept. `on_pipe` takes over each pipe, which it starts or aborts, and must not raise."""

    def stop_accepting(self) -> None:
        """Lets nobody in any more, and gives the address up: a successor finds it free."""

    async def aclose(self) -> None:
        """Stops, and drops what was accepted and has not been handed over."""


class Carrier(Protocol):
    """A way to move bytes. One instance serves the whole process."""

    async def connect(
        self, endpoint: Endpoint, config: ClientConfig, protocols: tuple[str, ...], reactor: Reactor
    ) -> Pipe:
        """A connected pipe. The time it may take is its caller's to bound.

        Args:
            endpoint: where it leads.
            config: the channel's.
            protocols: the names of what will be spoken inside (ALPN, RFC 7301), for carriers that negotiate it.
            reactor: of the running event loop.

        Raises:
            OSError: nobody answers there, or the address is unknown.
        """

    async def bind(
        self, endpoint: Endpoint, config: ServerConfig, protocols: tuple[str, ...], reactor: Reactor
    ) -> CarrierListener:
        """Binds the address; the listener's tasks run on `reactor`. `protocols` as in `connect`.

        Raises:
            ConfigError: the address cannot be bound, or the configuration does not fit this carrier.
        """


Upgrade: TypeAlias = "Callable[[Pipe, Reactor], Awaitable[Pipe]]"
"""Makes a pipe over one that has not been started, and owns that from then on. Raises OSError (`ssl.SSLError` is one)
where the peer does not play its part; the lower pipe is closed then."""


class PipeLayer(Protocol):
    """A carrier that runs inside another one, as TLS does. One instance serves the whole process."""

    @property
    def name(self) -> str:
        """What it is called in messages, such as ``TLS``."""

    def of_client(self, endpoint: Endpoint, config: ClientConfig, protocols: tuple[str, ...]) -> Upgrade:
        """The connecting side's half.

        Args:
            endpoint: where the pipe leads.
            config: the channel's.
            protocols: the names of what will be spoken inside (ALPN, RFC 7301), for layers that negotiate it.

        Raises:
            ConfigError: the configuration does not fit.
        """

    def of_server(self, config: ServerConfig, protocols: tuple[str, ...]) -> Upgrade:
        """The listening side's half; as `of_client`."""


class StackedPipe(Pipe, PipeHandler, Protocol):
    """A pipe over another one, whose handler it is."""


class HttpRefusal(NamedTuple):
    """Why a request of HTTP/1 is not answered with another protocol."""

    status: int
    reason: str
    """For the client and for the log."""
    headers: tuple[tuple[str, str], ...] = ()
    """What the answer says beside that."""


class HttpUpgraded(NamedTuple):
    """What comes of a request of HTTP/1 for another protocol."""

    answer: bytes
    """To be sent before anything else."""
    pipe: StackedPipe
    """To be made the handler of the pipe below, which has brought the request."""


HttpUpgrade: TypeAlias = "Callable[[bytes, Pipe, Reactor, LimitedLog], HttpUpgraded | HttpRefusal]"
"""Judges the head of a request, as it came, that asks for the layer's protocol; never raises."""


class UpgradeLayer(Protocol):
    """A layer that begins with a request of HTTP/1, as WebSocket does. One instance serves the whole process."""

    @property
    def name(self) -> str:
        """What it is called in messages, such as ``WebSocket``."""

    @property
    def token(self) -> str:
        """What a request has in its header ``Upgrade``, in small letters (RFC 9110, 7.8)."""

    @property
    def alpn(self) -> str:
        """What it is called in ALPN, as seen by TLS."""

    def of_client(self, endpoint: Endpoint, config: ClientConfig) -> Upgrade:
        """The connecting side's half.

        Raises:
            ConfigError: the configuration does not fit.
        """

    def of_server(self, config: ServerConfig) -> HttpUpgrade:
        """The listening side's half; as `of_client`."""


class StallDetector:
    """Tells whether a peer, to which nothing more is written, still takes what a pipe has left to send."""

    __slots__ = ("_pipe", "_unsent")

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._unsent = pipe.unsent_bytes

    def is_stalled(self) -> bool:
        """Whether the peer took nothing since the last look."""
        before, self._unsent = self._unsent, self._pipe.unsent_bytes
        return self._unsent >= before


class StallGuard:
    """Gives a closing pipe up, once its peer takes nothing of what is left for `CLOSE_S` seconds."""

    __slots__ = ("_call_at", "_detector", "_give_up", "_now", "_timer")

    def __init__(
        self,
        pipe: Pipe,
        now: Callable[[], float],
        call_at: Callable[[float, Callable[[], None]], TimerHandle],
        give_up: Callable[[], None],
    ) -> None:
        """Begins to look.

        Args:
            pipe: what closes.
            now: seconds on the event loop's clock.
            call_at: calls back at a time of that clock.
            give_up: ends the pipe.
        """
        self._detector = StallDetector(pipe)
        self._now = now
        self._call_at = call_at
        self._give_up = give_up
        self._timer = call_at(now() + CLOSE_S, self._look)

    def _look(self) -> None:
        if self._detector.is_stalled():
            self._give_up()
        else:
            self._timer = self._call_at(self._now() + CLOSE_S, self._look)

    def cancel(self) -> None:
        """Looks no more."""
        self._timer.cancel()


async def wait_closed(pipe: Pipe, within_s: float) -> None:
    """Waits for a closing pipe, and aborts it after `within_s` seconds or when the wait is cancelled.

    The pipe is closed whichever way this is left.
    """
    try:
        with anyio.move_on_after(within_s):
            await pipe.wait_closed()
    finally:
        pipe.abort()
        with anyio.CancelScope(shield=True):
            await pipe.wait_closed()
