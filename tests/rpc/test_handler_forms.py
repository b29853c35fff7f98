"""Handlers of the wrong form: refused when their service is made or bound, and only those that are certain to fail."""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from unittest.mock import AsyncMock, MagicMock

import pytest

from eventflux_runtime import ConfigError, Context, serve
from eventflux_runtime.rpc.binding import Binding
from eventflux_runtime.server.dispatch import ServiceDispatcher
from eventflux_runtime.testing import memory_endpoint
from eventflux_transport import (
    EventRequest,
    HeartbeatRequest,
    HeartbeatResponse,
    Message,
    TransportService,
    methods,
)

UNARY = methods.TRANSPORT_HEARTBEAT
STREAM = methods.TRANSPORT_STREAM_EVENTS


class Good(TransportService):
    """A whole service, without anything to tell of."""

    async def send_message(self, request: Message, context: Context) -> Message:
        return request

    async def stream_messages(self, requests: AsyncIterator[Message], context: Context) -> AsyncIterator[Message]:
        async for request in requests:
            yield request

    async def stream_events(self, request: EventRequest, context: Context) -> AsyncIterator[Message]:
        yield Message.event(b"1")

    async def heartbeat(self, request: HeartbeatRequest, context: Context) -> HeartbeatResponse:
        return HeartbeatResponse()


async def coroutine(request: Any, context: Any) -> Any:
    return HeartbeatResponse()


async def generator(request: Any, context: Any) -> Any:
    yield Message()


def plain(request: Any, context: Any) -> Any:
    return HeartbeatResponse()


del plain.__annotations__["return"]  # it would say what is returned


def plain_generator(request: Any, context: Any) -> Any:
    yield Message()


def listing(request: Any, context: Any) -> list[Message]:
    return []


def awaitable(request: Any, context: Any) -> Awaitable[HeartbeatResponse]:
    return coroutine(request, context)


def iterator(request: Any, context: Any) -> AsyncIterator[Message] | None:
    return None


def out_of_reach(request: Any, context: Any) -> Nowhere:  # type: ignore[name-defined]  # noqa: F821 - what is tested
    return coroutine(request, context)


async def too_few(request: Any) -> Any: ...


async def too_many(request: Any, context: Any, extra: Any) -> Any: ...


def traced(handler: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(handler)
    def inner(request: Any, context: Any) -> Any:
        return handler(request, context)

    return inner


def traced_without_name(handler: Callable[..., Any]) -> Callable[..., Any]:
    def inner(*arguments: Any) -> Any:
        return handler(*arguments)

    del inner.__annotations__["return"]
    return inner


def awaiting(handler: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(handler)
    async def inner(request: Any, context: Any) -> Any:
        return handler(request, context)

    return inner


def with_session(handler: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(handler)
    async def inner(request: Any, context: Any) -> Any:
        return await handler(request, context, "session")

    return inner


class Calling:
    async def __call__(self, request: Any, context: Any) -> Any:
        return HeartbeatResponse()

    @staticmethod
    async def static(request: Any, context: Any) -> Any: ...

    @classmethod
    async def of_class(cls, request: Any, context: Any) -> Any: ...

    async def missing_argument(request: Any, context: Any) -> Any: ...  # noqa: N805 - what is tested


class Responses:
    """A class whose instances can be iterated over."""

    def __init__(self, request: Any, context: Any) -> None:
        self._left = 1

    def __aiter__(self) -> Responses:
        return self

    async def __anext__(self) -> Message:
        raise StopAsyncIteration


TAKEN: dict[str, tuple[Any, Any]] = {
    "coroutine": (UNARY, coroutine),
    "generator": (STREAM, generator),
    "an awaitable": (UNARY, awaitable),
    "an iterator": (STREAM, iterator),
    "a plain def for a stream, as the base declares it": (STREAM, plain),
    "an annotation that cannot be read": (UNARY, out_of_reach),
    "partial": (UNARY, functools.partial(too_many, extra=1)),
    "partial of a generator": (STREAM, functools.partial(generator)),
    "decorated": (UNARY, traced(coroutine)),
    "decorated generator": (STREAM, traced(generator)),
    "decorated without wraps": (UNARY, traced_without_name(coroutine)),
    "made awaitable": (UNARY, awaiting(plain)),
    "given one more": (UNARY, with_session(too_many)),
    "lambda": (UNARY, lambda request, context: coroutine(context, request)),
    "object": (UNARY, Calling()),
    "static": (UNARY, Calling.static),
    "class method": (UNARY, Calling.of_class),
    "class": (STREAM, Responses),
    "AsyncMock": (UNARY, AsyncMock()),
    "MagicMock": (UNARY, MagicMock(side_effect=coroutine)),
    "MagicMock for a stream": (STREAM, MagicMock(side_effect=generator)),
    "compiled": (UNARY, "text".find),
    "optional arguments": (UNARY, functools.partial(coroutine)),
}


@pytest.mark.parametrize("name", TAKEN)
def test_what_can_serve_is_taken(name: str) -> None:
    method, handler = TAKEN[name]
    assert Binding(method, handler).handler is handler


REFUSED: dict[str, tuple[Any, Any, str]] = {
    "no function": (UNARY, None, "is not callable, but None"),
    "plain": (UNARY, plain, "is a plain 'def', which cannot be awaited: write 'async def'"),
    "decorated plain": (UNARY, traced(plain), "is a plain 'def', which cannot be awaited"),
    "partial of plain": (UNARY, functools.partial(plain), "is a plain 'def', which cannot be awaited"),
    "plain with an annotation": (UNARY, listing, r"returns list\[eventflux_transport.*\], which cannot be awaited"),
    "a list for a stream": (STREAM, listing, "returns list.*, but its method streams: write 'async def' and yield"),
    "an awaitable for a stream": (STREAM, awaitable, "but its method streams"),
    "coroutine for a stream": (STREAM, coroutine, "is an 'async def' without 'yield', but its method streams"),
    "decorated coroutine for a stream": (STREAM, traced(coroutine), "is an 'async def' without 'yield'"),
    "generator for one": (UNARY, generator, "is an 'async def' with 'yield', but its method has one response"),
    "plain generator for a stream": (STREAM, plain_generator, "is a plain 'def' with 'yield'"),
    "plain generator": (UNARY, plain_generator, "is a plain 'def' with 'yield'"),
    "too few": (UNARY, too_few, r"takes \(request: 'Any'\) -> 'Any', and is called with \(request, context\)"),
    "too many": (UNARY, too_many, r"and is called with \(request, context\)"),
    "without self": (UNARY, Calling().missing_argument, r"and is called with \(request, context\)"),
    "class": (UNARY, HeartbeatResponse, "is the class HeartbeatResponse: give an async function"),
    "AsyncMock for a stream": (STREAM, AsyncMock(), "its method streams responses"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_serve_is_refused_with_the_name_of_its_method(name: str) -> None:
    method, handler, words = REFUSED[name]
    with pytest.raises(ConfigError, match=f"the handler of {method.path} .*{words}"):
        Binding(method, handler)


def test_a_method_is_bound_as_what_it_is() -> None:
    with pytest.raises(ConfigError, match=r"StreamEvents is server_streaming: bind it with Binding.server_streaming"):
        Binding.unary(STREAM, coroutine)
    with pytest.raises(ConfigError, match="a handler is bound to a Method, not to 'Heartbeat'"):
        Binding.unary("Heartbeat", coroutine)  # type: ignore[arg-type]  # what is tested


@pytest.mark.parametrize(
    ("attribute", "handler", "words"),
    [
        ("heartbeat", None, "heartbeat is not callable"),
        ("heartbeat", lambda self, request: None, r"takes \(self, request\)"),
        ("heartbeat", staticmethod(plain), "heartbeat is a plain 'def'"),
        ("heartbeat", classmethod(too_few), r"is called with \(cls, request, context\)"),
        ("heartbeat", HeartbeatResponse, "heartbeat is the class"),
        ("stream_events", coroutine, "stream_events is an 'async def' without 'yield'"),
        ("stream_messages", coroutine, "stream_messages is an 'async def' without 'yield'"),
        ("send_message", generator, "send_message is an 'async def' with 'yield'"),
    ],
)
def test_a_service_with_a_wrong_handler_cannot_be_made(attribute: str, handler: Any, words: str) -> None:
    kind = type("Node", (Good,), {attribute: handler})
    with pytest.raises(ConfigError, match=f"^Node.{words}|^Node.*{words}"):
        kind()


def test_services_are_made_with_and_without_arguments() -> None:
    class Named(Good):
        def __init__(self, name: str) -> None:
            self.name = name

    class Counted:
        def __new__(cls, *arguments: Any) -> Any:
            return super().__new__(cls)

    class Mixed(Named, Counted):
        heartbeat = staticmethod(coroutine)

    assert Named("a").name == "a"
    assert Mixed("b").name == "b"
    Good()
    with pytest.raises(TypeError, match="takes no arguments"):
        Good("a")  # type: ignore[call-arg]  # what is tested
    with pytest.raises(TypeError, match="abstract"):
        TransportService()  # type: ignore[abstract]  # what is tested


def test_a_handler_may_come_from_a_class_that_comes_before() -> None:
    class Sync:
        def heartbeat(self, request: HeartbeatRequest, context: Context) -> HeartbeatResponse:
            return HeartbeatResponse()

    kind = type("Node", (Sync, Good), {})
    with pytest.raises(ConfigError, match=r"Node.heartbeat is a plain 'def' that returns .*HeartbeatResponse"):
        kind()


def test_abstract_methods_of_one_s_own_are_no_handlers() -> None:
    class Authorized(Good):
        @abstractmethod
        def allows(self, request: object, context: Context) -> bool: ...

    class Node(Authorized):
        def allows(self, request: object, context: Context) -> bool:
            return True

    assert Node().allows(None, None)  # type: ignore[arg-type]  # nothing is looked at


@pytest.mark.parametrize("attribute", ["heartbeat", "stream_events"])
async def test_a_handler_put_on_an_instance_is_looked_at_when_it_is_served(attribute: str) -> None:
    service = Good()
    setattr(service, attribute, plain_generator)
    with pytest.raises(ConfigError, match="is a plain 'def' with 'yield'"):
        async with serve([service], memory_endpoint()):
            pytest.fail("served")
    setattr(service, attribute, None)
    with pytest.raises(ConfigError, match="is not callable"):
        ServiceDispatcher([service])
