"""Interceptors: code of the user's around every call of a channel."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from eventflux_runtime.method import AnyMethod
from eventflux_runtime.transport_api import CallHead

__all__ = ["ClientInterceptor", "intercepted"]

T = TypeVar("T")


class ClientInterceptor(Protocol):
    """Wraps each call: may change its head, refuse it by raising, measure it, or run it more than once."""

    async def __call__(self, method: AnyMethod, head: CallHead, proceed: Callable[[CallHead], Awaitable[T]]) -> T:
        """Runs around one call.

        For unary calls `proceed` returns the response; for the streaming kinds it returns once the call has started,
        with an object that the interceptor hands back as it is.
        """
        ...


async def intercepted(
    interceptors: Sequence[ClientInterceptor],
    method: AnyMethod,
    head: CallHead,
    proceed: Callable[[CallHead], Awaitable[T]],
) -> T:
    """Runs a call through interceptors, the first of them outermost."""
    if not interceptors:
        return await proceed(head)
    first, rest = interceptors[0], interceptors[1:]
    return await first(method, head, lambda changed: intercepted(rest, method, changed, proceed))
