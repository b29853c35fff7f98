"""How a draining gRPC server sends our own clients elsewhere before it closes their connections.

grpcio sends its clients a GOAWAY when it stops, and from that moment on kills each call that they sent before they
read it, in a way that tells nobody whether its handler ran. So for a short time before it stops, our server answers
new calls with UNAVAILABLE and a trailer, `NOTICE_KEY`, that says the call was left unread, and for how many more
milliseconds new calls will be. Our client repeats such a call elsewhere, gives the connection up, and does not connect
to that address again before the time is over.

Only a client that can make the call again is refused so: one that names `OUR_AGENT`, and no call that streams requests,
since nobody keeps those. All others go on as ever until grpcio's GOAWAY.

Invariants: notices are remembered for the whole process by endpoint, on the system's monotonic clock, because the
channels of one process may run on several event loops.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

import grpc

from eventflux_runtime.health.method import HEALTH_SERVICE
from eventflux_runtime.protocol.api import Dispatcher
from eventflux_runtime.rpc.endpoint import Endpoint

__all__ = ["DRAIN_NOTICES", "NOTICE_KEY", "OUR_AGENT", "DrainNotices", "Gate", "is_ours", "notice_s_of"]

NOTICE_KEY: Final = "eventflux-draining-ms"
"""The trailer of a call that was left unread."""
OUR_AGENT: Final = "eventflux-transport"
"""What our client's ``user-agent`` begins with."""
_LONGEST_S: Final = 5.0
"""A server's word counts for so many seconds at most, whatever it says."""

_Service = Callable[[grpc.HandlerCallDetails], "grpc.RpcMethodHandler[Any, Any] | None"]


class _GenericHandler(Protocol):
    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None: ...


class Gate:
    """A generic handler of grpcio's in front of another one; costs nothing until it is closed."""

    def __init__(self, handler: _GenericHandler, dispatcher: Dispatcher) -> None:
        self.service: _Service = handler.service
        self._open = handler.service
        self._dispatcher = dispatcher
        self._ends_at = 0.0
        self._refusal: grpc.RpcMethodHandler[Any, Any] = grpc.stream_stream_rpc_method_handler(self._refuse)

    def close(self, notice_s: float) -> None:
        """Leaves new calls unread from now on, and says so for `notice_s` seconds."""
        self._ends_at = time.monotonic() + notice_s
        self.service = self._sort_out

    def _sort_out(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        binding = self._dispatcher.find(details.method)
        if binding is None or binding.method.kind.streams_requests or binding.method.service == HEALTH_SERVICE:
            return self._open(details)
        return self._refusal if is_ours(details.invocation_metadata) else self._open(details)

    async def _refuse(self, _: Any, context: Any) -> None:
        left_ms = max(0, round((self._ends_at - time.monotonic()) * 1000))
        await context.abort(grpc.StatusCode.UNAVAILABLE, "the server is draining", ((NOTICE_KEY, str(left_ms)),))


def is_ours(metadata: Iterable[tuple[str, Any]] | None) -> bool:
    """Whether a call comes from a client of this package."""
    return any(key == "user-agent" and str(value).startswith(OUR_AGENT) for key, value in metadata or ())


def notice_s_of(trailers: Iterable[tuple[str, Any]] | None) -> float | None:
    """For how many seconds a server that left a call unread will do so; None: it did not say so."""
    for key, value in trailers or ():
        if key == NOTICE_KEY:
            text = str(value)
            return min(_LONGEST_S, int(text) / 1000) if text.isascii() and text.isdigit() and len(text) < 10 else 0.0
    return None


class DrainNotices:
    """Which endpoints leave calls unread, and until when."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[Endpoint, float] = {}

    def note(self, endpoint: Endpoint, notice_s: float) -> None:
        """Takes over what a server there said."""
        now = self._clock()
        self._until = {known: until for known, until in self._until.items() if until > now}
        self._until[endpoint] = now + notice_s

    def left_s(self, endpoint: Endpoint) -> float:
        """Seconds until it is worth connecting there; 0: now."""
        return max(0.0, self._until.get(endpoint, 0.0) - self._clock())

    async def wait(self, endpoint: Endpoint, most_s: float) -> float:
        """Waits until it is worth connecting there, or for `most_s` seconds; how long that was."""
        wait_s = min(most_s, self.left_s(endpoint))
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        return wait_s


DRAIN_NOTICES: Final = DrainNotices()
"""What this process was told."""
