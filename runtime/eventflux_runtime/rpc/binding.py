"""A method and the handler that serves it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from eventflux_runtime.rpc.context import Context
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.handler import HANDLER_ARGUMENTS, refuse_wrong_handler
from eventflux_runtime.rpc.method import Method, MethodKind

__all__ = ["AnyBinding", "Binding"]

Req = TypeVar("Req")
Res = TypeVar("Res")
Q = TypeVar("Q")
S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Binding(Generic[Req, Res]):
    """A method and the handler that serves it. Made by the four functions below, which tie the types together.

    Raises:
        ConfigError: the handler has the wrong form: it is no ``async def``, it yields although the method has one
            response or does not although it streams, or it takes other arguments than the request and the context.
    """

    method: Method[Req, Res]
    handler: Callable[..., Any]
    is_unary: bool = field(init=False)
    """One request, one response; here because each call asks."""

    def __post_init__(self) -> None:
        method = self.method
        if not isinstance(method, Method):
            raise ConfigError(f"a handler is bound to a Method, not to {method!r}")
        refuse_wrong_handler(
            self.handler,
            f"the handler of {method.path}",
            is_stream=method.kind.streams_responses,
            arguments=HANDLER_ARGUMENTS,
        )
        object.__setattr__(self, "is_unary", method.kind is MethodKind.UNARY)

    @staticmethod
    def unary(method: Method[Q, S], handler: Callable[[Q, Context], Awaitable[S]]) -> Binding[Q, S]:
        """Binds a handler of one request and one response."""
        return _bound(MethodKind.UNARY, method, handler)

    @staticmethod
    def client_streaming(
        method: Method[Q, S], handler: Callable[[AsyncIterator[Q], Context], Awaitable[S]]
    ) -> Binding[Q, S]:
        """Binds a handler of many requests and one response."""
        return _bound(MethodKind.CLIENT_STREAMING, method, handler)

    @staticmethod
    def server_streaming(method: Method[Q, S], handler: Callable[[Q, Context], AsyncIterator[S]]) -> Binding[Q, S]:
        """Binds a handler of one request and many responses."""
        return _bound(MethodKind.SERVER_STREAMING, method, handler)

    @staticmethod
    def bidi(method: Method[Q, S], handler: Callable[[AsyncIterator[Q], Context], AsyncIterator[S]]) -> Binding[Q, S]:
        """Binds a handler of many requests and many responses."""
        return _bound(MethodKind.BIDI, method, handler)


def _bound(kind: MethodKind, method: Method[Q, S], handler: Callable[..., Any]) -> Binding[Q, S]:
    given: object = method
    if isinstance(given, Method) and method.kind is not kind:
        raise ConfigError(f"{method.path} is {method.kind.value}: bind it with Binding.{method.kind.value}")
    return Binding(method, handler)


AnyBinding: TypeAlias = Binding[Any, Any]
"""A handler bound to a method of any messages."""
