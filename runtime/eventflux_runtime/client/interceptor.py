"""Interceptors: code of the user's around every call of a channel, one inside the other.

Invariants: the observers of a head are told of what comes of the `proceed` that it is given to, and of nothing else;
of the streams that one interceptor was given, those that it does not hand back are cancelled.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar, cast

from eventflux_runtime.client.observed_call import AnsweredCall, ObservedCall
from eventflux_runtime.client.option_check import checked_head
from eventflux_runtime.client.watch import CallWatch
from eventflux_runtime.protocol.api import CallHead, ResponseInfo
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.metadata import Metadata, MetadataLike
from eventflux_runtime.rpc.method import AnyMethod, MethodKind
from eventflux_runtime.rpc.status import Status

__all__ = ["ClientInterceptor", "ClientProceed", "intercepted"]

T = TypeVar("T")

_Core = Callable[[CallHead, tuple[CallWatch, ...]], Awaitable[Any]]
"""Makes the call itself, and tells watches of its attempts."""


class ClientInterceptor(Protocol):
    """Wraps each call: may change its head, refuse it by raising an RpcError, answer it, observe it, or repeat it."""

    async def __call__(self, method: AnyMethod, head: CallHead, proceed: ClientProceed[T]) -> T:
        """Runs around one call.

        For unary calls ``await proceed(head)`` returns the response; for the streaming kinds it returns once the call
        has started, with an object that the interceptor hands back as it is. Messages and the end of a call of any kind
        are seen by ``proceed(head.observed_by(observer))``.
        """
        ...


class ClientProceed(ABC, Generic[T]):
    """What is left of a call behind one interceptor: the next one, or the call itself."""

    __slots__ = ()

    @property
    @abstractmethod
    def target(self) -> str:
        """What the channel was made for: its URL, or several, with commas between them."""

    @abstractmethod
    async def __call__(self, head: CallHead) -> T:
        """Makes the call. May be called again, for another call with the same requests.

        Raises:
            ConfigError: the head is none, or a part of it is not what it should be.
            RpcError: the call failed, or did not start.
        """

    @abstractmethod
    def answer(
        self,
        *responses: Any,
        initial_metadata: MetadataLike | None = None,
        trailers: MetadataLike | None = None,
    ) -> T:
        """What the interceptor returns to answer the call itself, without a call to the server.

        Args:
            responses: the one response of a method that has one; else as many as are wanted.
            initial_metadata: what would have come ahead of the first response.
            trailers: what would have come with the status, which is OK.

        Raises:
            ConfigError: the method has one response, and these are more, or none.
        """


class _Step(ClientProceed[T]):
    """The `ClientProceed` of one interceptor of a call."""

    __slots__ = ("_chain", "_given", "_head", "_index", "_watches")

    def __init__(self, chain: _Chain, index: int, head: CallHead, watches: tuple[CallWatch, ...]) -> None:
        self._chain = chain
        self._index = index
        self._head = head
        self._watches = watches
        self._given: list[Any] = []

    @property
    def target(self) -> str:
        """See `ClientProceed.target`."""
        return self._chain.target

    async def __call__(self, head: CallHead) -> T:
        """See `ClientProceed`."""
        passed_on = head if head is self._head else checked_head(head)
        observers = passed_on.observers
        if observers:
            result = await self._observed(passed_on, CallWatch(observers))
        else:
            result = await self._chain.run(self._index, passed_on, self._watches)
        if self._chain.is_streaming:
            self._given.append(result)
        return cast("T", result)

    async def _observed(self, head: CallHead, watch: CallWatch) -> Any:
        # The observers need the trailers, which only a ResponseInfo takes.
        response = head.response if head.response is not None else ResponseInfo()
        inner = CallHead(head.metadata, head.deadline, head.compression, response)
        try:
            result = await self._chain.run(self._index, inner, (*self._watches, watch))
        except BaseException as error:
            watch.failed(error)
            raise
        if self._chain.is_streaming:
            return ObservedCall(result, watch)
        watch.response(result)
        watch.end(Status(trailers=response.trailers) if response.trailers else None)
        return result

    def answer(
        self,
        *responses: Any,
        initial_metadata: MetadataLike | None = None,
        trailers: MetadataLike | None = None,
    ) -> T:
        """See `ClientProceed.answer`."""
        method = self._chain.method
        if not method.kind.streams_responses and len(responses) != 1:
            raise ConfigError(f"{method.path} has one response: answer it with one, not with {len(responses)}")
        ahead, behind = Metadata.of(initial_metadata), Metadata.of(trailers)
        if self._head.response is not None:
            self._head.response.initial_metadata = ahead
            self._head.response.trailers = behind
        result = AnsweredCall(responses, ahead, behind) if self._chain.is_streaming else responses[0]
        self._given.append(result)
        return cast("T", result)

    def keep(self, result: object) -> None:
        """The interceptor has returned: cancels the streams that it does not hand back.

        Raises:
            ConfigError: it returned something else than a stream that it was given.
        """
        given, self._given = self._given, []
        for call in given:
            if call is not result:
                call.cancel()
        if not any(call is result for call in given):
            raise ConfigError(
                f"an interceptor of {self._chain.method.path} handed back {type(result).__name__} instead of the call: "
                "return what proceed returned"
            )

    def drop(self) -> None:
        """The interceptor has raised: cancels the streams that it was given."""
        given, self._given = self._given, []
        for call in given:
            call.cancel()


class _Chain:
    """The interceptors of one call, and the call itself behind them."""

    def __init__(self, interceptors: Sequence[ClientInterceptor], target: str, method: AnyMethod, core: _Core) -> None:
        self.target = target
        self.method = method
        self.is_streaming = method.kind is not MethodKind.UNARY
        self._interceptors = interceptors
        self._core = core

    async def run(self, index: int, head: CallHead, watches: tuple[CallWatch, ...]) -> Any:
        """The call from the interceptor of an index on."""
        if index == len(self._interceptors):
            return await self._core(head, watches)
        proceed: _Step[Any] = _Step(self, index + 1, head, watches)
        interceptor = self._interceptors[index]
        if not self.is_streaming:
            return await interceptor(self.method, head, proceed)
        try:
            result = await interceptor(self.method, head, proceed)
        except BaseException:
            proceed.drop()
            raise
        proceed.keep(result)
        return result


async def intercepted(
    interceptors: Sequence[ClientInterceptor], target: str, method: AnyMethod, head: CallHead, core: _Core
) -> Any:
    """Makes a call through interceptors, the first of them outermost. Of streams, it starts one.

    Args:
        interceptors: at least one.
        target: see `ClientProceed.target`.
        method: what is called.
        head: goes ahead of the call.
        core: makes it.

    Raises:
        ConfigError: an interceptor passed on what is no head, or handed back what is no stream of its.
    """
    return await _Chain(interceptors, target, method, core).run(0, head, ())
