"""A service whose answers a test writes down, for clients that are to be tested without the real one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Any, TypeAlias

from eventflux_runtime.rpc.binding import AnyBinding
from eventflux_runtime.rpc.context import Context
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.metadata import Metadata
from eventflux_runtime.rpc.rpc_error import RpcError, Unimplemented
from eventflux_runtime.server.service import Service
from eventflux_runtime.testing.filled_service import filled_service, handler_names

__all__ = ["FakeAnswer", "FakeService", "SeenCall"]

FakeAnswer: TypeAlias = Any
"""A message; an `RpcError`, which is raised; a sequence of these; or a handler, called as the service's own is."""


@dataclass(frozen=True)
class SeenCall:
    """A call that a fake service has served."""

    name: str
    """Of the handler, as ``say_hello``."""
    metadata: Metadata
    """What the client sent ahead."""
    requests: list[Any] = field(default_factory=list)
    """What the service has taken of it by now."""


class FakeService(Service):
    """Answers the methods of a generated service class as it is told, and keeps what it was asked.

    ``FakeService(GreeterService, say_hello=HelloReply(text="hi"))``. A method without an answer is UNIMPLEMENTED.

    Of a method with one response, a sequence holds the answers of its calls, one after the other, so that
    ``[Unavailable("busy"), reply]`` fails the first and answers the second. Of one that streams responses, it holds
    those of each call: where requests stream too, one is taken ahead of each response.

    Attributes:
        seen: the calls that have come, in their order.
    """

    def __init__(self, kind: type, /, **answers: FakeAnswer) -> None:
        """A fake of an abstract service.

        Args:
            kind: the generated class.
            answers: by the name of the handler.

        Raises:
            ConfigError: it is no generated service class, or has no handler of a name.
        """
        names = handler_names(kind)
        for name in answers:
            if name not in names:
                raise ConfigError(f"{kind.__name__} has no handler {name!r}: it has {', '.join(names)}")
        self.seen: list[SeenCall] = []
        self._answers = answers
        self._turns: dict[str, Iterator[Any]] = {}
        self._filled = filled_service(kind, self._respond)

    def _bindings(self) -> Sequence[AnyBinding]:
        return self._filled._bindings()

    def requests(self, name: str) -> list[Any]:
        """All requests that came to a handler."""
        return [request for call in self.seen if call.name == name for request in call.requests]

    async def _respond(self, name: str, requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
        call = SeenCall(name, context.metadata)
        self.seen.append(call)
        if name not in self._answers:
            raise Unimplemented(f"this fake has no answer for {name}: give it one, as {name}=…")
        answer = self._answers[name]
        taken = _Seen(requests, call.requests)
        kind = context.method.kind
        if callable(answer) and not isinstance(answer, type):
            given = answer(taken if kind.streams_requests else await anext(taken), context)
        elif kind.streams_responses:
            given = _streamed(answer, taken, is_in_turn=kind.streams_requests)
        else:
            async for _ in taken:
                pass
            yield _checked(self._in_turn(name, answer))
            return
        if isawaitable(given):
            yield await given
            return
        async with aclosing(given) as responses:
            async for response in responses:
                yield response

    def _in_turn(self, name: str, answer: Any) -> Any:
        """The answer of the next call of a method with one response."""
        if not isinstance(answer, Sequence):
            return answer
        turns = self._turns.setdefault(name, iter(answer))
        for given in turns:
            return given
        raise AssertionError(f"the fake has {len(answer)} answers for {name}, and this is one call more")


async def _streamed(answer: Any, requests: AsyncIterator[Any], *, is_in_turn: bool) -> AsyncIterator[Any]:
    if not is_in_turn:
        await anext(requests)
    for response in answer if isinstance(answer, Sequence) else (answer,):
        if is_in_turn:
            await anext(requests, None)
        yield _checked(response)


class _Seen:
    """A stream of requests, each of which is kept."""

    def __init__(self, requests: AsyncIterator[Any], seen: list[Any]) -> None:
        self._requests = requests
        self._seen = seen

    def __aiter__(self) -> _Seen:
        return self

    async def __anext__(self) -> Any:
        request = await anext(self._requests)
        self._seen.append(request)
        return request


def _checked(answer: Any) -> Any:
    """An answer that is no failure. Raises what is one."""
    if isinstance(answer, RpcError) or (isinstance(answer, type) and issubclass(answer, RpcError)):
        raise answer
    return answer
