"""The access log of a server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from eventflux_runtime.access_log.line import AccessLog, CallLine
from eventflux_runtime.rpc.context import Context

__all__ = ["ServerAccessLog"]


class ServerAccessLog(AccessLog):
    """A server's interceptor: a line of log for each call, when it has ended, at a bounded rate."""

    async def __call__(self, context: Context, proceed: Callable[[], Awaitable[None]]) -> None:
        """See `ServerInterceptor`."""
        if self.wants(context.method):
            context.observe(CallLine(self, context.method, is_client=False))
        await proceed()
