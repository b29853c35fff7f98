"""Server interceptors: code of the user's around every handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from eventflux_runtime.rpc.context import Context

__all__ = ["ServerInterceptor"]


class ServerInterceptor(Protocol):
    """Wraps each call of every kind: may refuse it, look at how it ended, or measure it."""

    async def __call__(self, context: Context, proceed: Callable[[], Awaitable[None]]) -> None:
        """Runs around one call.

        `proceed` runs the handler and raises what the handler raised; an `RpcError` raised instead of calling it
        refuses the call.
        """
        ...
