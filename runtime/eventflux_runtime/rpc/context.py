"""What a handler knows of the call it serves, and what it may add to the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import anyio

from eventflux_runtime.rpc.call_observer import CallObserver, CancelCause, ObserverGroup, checked_observer
from eventflux_runtime.rpc.call_state import CallState
from eventflux_runtime.rpc.deadline import TRACE_KEYS
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.metadata import EMPTY_METADATA, Metadata, MetadataLike
from eventflux_runtime.rpc.method import AnyMethod
from eventflux_runtime.rpc.peer import Peer

__all__ = ["Context", "ServedCall"]


class ServedCall(Protocol):
    """What a context asks of the call it belongs to."""

    @property
    def method(self) -> AnyMethod:
        """The method called."""

    @property
    def metadata(self) -> Metadata:
        """What the client sent ahead of its first request."""

    @property
    def deadline(self) -> float | None:
        """When the client stops waiting, on the loop's clock; None: never."""

    @property
    def peer(self) -> Peer:
        """Who calls."""

    @property
    def endpoint(self) -> Endpoint | None:
        """Where it came in."""

    @property
    def protocol(self) -> str:
        """What it came in: see `Context.protocol`."""

    @property
    def cancel_cause(self) -> CancelCause | None:
        """Why the call was cut short; None: it was not."""

    async def send_initial_metadata(self, metadata: Metadata) -> None:
        """Sends initial metadata ahead of the first response; at most once."""


class Context:
    """One call, seen from its handler. Made by the server; valid until the handler returns."""

    __slots__ = ("_call", "_state", "_trace", "_trailers", "answered", "has_ended", "is_handled", "observers")

    def __init__(self, call: ServedCall) -> None:
        self._call = call
        self.has_ended: bool = False
        """Whether the handler has returned; calls of what it left running do not inherit its deadline then."""
        self._trailers: Metadata = EMPTY_METADATA
        self._state: CallState | None = None
        self._trace: Callable[[], Metadata] | None = None
        self.observers: ObserverGroup | None = None
        """Who is told of the call, as `observe` has added them; None: nobody."""
        self.answered: tuple[Any, ...] | None = None
        """What `answer` was given; None: nothing yet."""
        self.is_handled: bool = False
        """Whether the handler has returned what it should."""

    @property
    def method(self) -> AnyMethod:
        """The method called."""
        return self._call.method

    @property
    def metadata(self) -> Metadata:
        """What the client sent ahead of its first request."""
        return self._call.metadata

    @property
    def peer(self) -> Peer:
        """Who calls: the address, and the identity its TLS certificate proved."""
        return self._call.peer

    @property
    def endpoint(self) -> str | None:
        """The URL of the server that the call came to, one of `Server.endpoints`; None where that is not known."""
        endpoint = self._call.endpoint
        return None if endpoint is None else str(endpoint)

    @property
    def protocol(self) -> str:
        """What the client speaks: ``grpc``, ``native``, or ``eventflux`` for EventFlux's own frames."""
        return self._call.protocol

    @property
    def deadline(self) -> float | None:
        """When the client stops waiting, in seconds on the loop's clock (`anyio.current_time`); None: never."""
        return self._call.deadline

    @property
    def cancel_cause(self) -> CancelCause | None:
        """Why the call was cut short, for who is cancelled by that; None: it was not."""
        return self._call.cancel_cause

    @property
    def state(self) -> CallState:
        """What interceptors and the handler keep for the time of this call, by `StateKey`."""
        state = self._state
        if state is None:
            state = self._state = CallState()
        return state

    def observe(self, observer: CallObserver) -> None:
        """Lets an observer look at this call: at what comes from now on, and at its end.

        Raises:
            ConfigError: it is no `CallObserver`, or the call has ended.
        """
        checked = checked_observer(observer)
        if self.has_ended:
            raise ConfigError(f"the call of {self.method.path} has ended: there is nothing left to observe")
        if self.observers is None:
            self.observers = ObserverGroup()
        self.observers.add(checked)

    def answer(self, *responses: Any) -> None:
        """Answers the call in the place of the handler, for an interceptor that does not proceed, or whose call failed.

        The responses leave when the interceptors have returned. Metadata goes by `send_initial_metadata` and
        `set_trailers`.

        Args:
            responses: the one response of a method that has one; else as many as are wanted.

        Raises:
            ConfigError: there are too many or too few of them, or the call has its answer already.
        """
        if not self.method.kind.streams_responses and len(responses) != 1:
            raise ConfigError(f"{self.method.path} has one response: answer it with one, not with {len(responses)}")
        if self.is_handled or self.answered is not None:
            by = "its handler" if self.is_handled else "an interceptor"
            raise ConfigError(f"the call of {self.method.path} was answered by {by} already")
        self.answered = responses

    def time_remaining_s(self) -> float | None:
        """Seconds until the deadline, at least 0; None without one."""
        deadline = self._call.deadline
        return None if deadline is None else max(0.0, deadline - anyio.current_time())

    async def send_initial_metadata(self, metadata: MetadataLike) -> None:
        """Sends metadata ahead of the first response. At most once, and before any response."""
        await self._call.send_initial_metadata(Metadata.of(metadata))

    @property
    def trace(self) -> Metadata:
        """The trace context that the handler's own calls hand on: what came with the call, or what `hand_on` says."""
        if self._trace is not None:
            return self._trace()
        metadata = self._call.metadata
        if metadata is EMPTY_METADATA:
            return metadata
        found = tuple(pair for pair in metadata.pairs if pair[0] in TRACE_KEYS)
        return Metadata.from_trusted(found) if found else EMPTY_METADATA

    def hand_on(self, trace: Callable[[], Metadata]) -> None:
        """Lets the handler's own calls hand on another trace context, as an interceptor does that adds to the trace.

        Args:
            trace: makes the metadata, and is asked by each such call, in that call's own context. Must not raise.
        """
        self._trace = trace

    @property
    def trailers(self) -> Metadata:
        """The trailing metadata set so far."""
        return self._trailers

    def set_trailers(self, metadata: MetadataLike) -> None:
        """Sets the metadata that goes with the call's status, whether it succeeds or fails; replaces what was set."""
        self._trailers = Metadata.of(metadata)
