"""Interceptors: code of the user's around every call of a channel."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from eventflux_runtime.protocol.api import CallHead, ClientCall
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.method import AnyMethod

__all__ = ["ClientInterceptor", "intercepted", "intercepted_stream"]

T = TypeVar("T")
Req = TypeVar("Req")
Res = TypeVar("Res")


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


async def intercepted_stream(
    interceptors: Sequence[ClientInterceptor],
    method: AnyMethod,
    head: CallHead,
    proceed: Callable[[CallHead], Awaitable[ClientCall[Req, Res]]],
) -> ClientCall[Req, Res]:
    """Starts a streaming call through interceptors. Calls that they started and did not hand back are cancelled.

    Raises:
        ConfigError: an interceptor handed back something else.
    """
    started: list[ClientCall[Req, Res]] = []

    async def proceed_and_note(changed: CallHead) -> ClientCall[Req, Res]:
        call = await proceed(changed)
        started.append(call)
        return call

    kept: ClientCall[Req, Res] | None = None
    try:
        result = await intercepted(interceptors, method, head, proceed_and_note)
        kept = next((call for call in started if call is result), None)
    finally:
        for call in started:
            if call is not kept:
                call.cancel()
    if kept is None:
        raise ConfigError(
            f"an interceptor of {method.path} handed back {type(result).__name__} instead of the call: "
            "return what proceed returned"
        )
    return kept
