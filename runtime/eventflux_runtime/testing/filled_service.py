"""Services made of an abstract one, each handler of which hands its call to one function."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, TypeAlias, cast

from eventflux_runtime.rpc.checked import shown
from eventflux_runtime.rpc.context import Context
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.rpc_error import Internal
from eventflux_runtime.server.service import Service, declared_handlers

__all__ = ["Respond", "filled_service", "handler_names"]

Respond: TypeAlias = Callable[[str, AsyncIterator[Any], Context], AsyncIterator[Any]]
"""Gives the responses to the requests of a call, both as streams, whatever the method has. First the handler's name."""


def handler_names(kind: object) -> tuple[str, ...]:
    """The names of the handlers of a generated service class.

    Raises:
        ConfigError: it is none.
    """
    names = tuple(declared_handlers(kind)) if isinstance(kind, type) and issubclass(kind, Service) else ()
    if not names:
        raise ConfigError(f"a generated service class is wanted, such as GreeterService, not {shown(kind)}")
    return names


def filled_service(kind: type, respond: Respond) -> Service:
    """An instance of a generated service class with handlers that respond.

    Raises:
        ConfigError: it is no such class.
    """
    handler_names(kind)
    handlers = {name: _handler(name, declared, respond) for name, declared in declared_handlers(kind).items()}
    return cast("Service", type(f"Filled{kind.__name__}", (kind,), handlers)())


def _handler(name: str, declared: Callable[..., Any], respond: Respond) -> Callable[..., Any]:
    streams_requests = "requests" in inspect.signature(declared).parameters

    def responses(request: Any, context: Context) -> Any:
        return aclosing(cast("Any", respond(name, request if streams_requests else _Only(request), context)))

    async def give_one(_self: object, request: Any, context: Context) -> Any:
        async with responses(request, context) as given:
            async for response in given:
                return response
        raise Internal(f"there is no response of {name}")

    async def give_many(_self: object, request: Any, context: Context) -> AsyncIterator[Any]:
        async with responses(request, context) as given:
            async for response in given:
                yield response

    return give_one if inspect.iscoroutinefunction(declared) else give_many


class _Only:
    """The stream of the one request of a method that has one."""

    def __init__(self, request: Any) -> None:
        self._left = [request]

    def __aiter__(self) -> _Only:
        return self

    async def __anext__(self) -> Any:
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop()
