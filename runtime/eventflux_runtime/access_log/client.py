"""The access log of a channel."""

from __future__ import annotations

from typing import TypeVar

from eventflux_runtime.access_log.line import AccessLog, CallLine
from eventflux_runtime.client.interceptor import ClientProceed
from eventflux_runtime.rpc.call_head import CallHead
from eventflux_runtime.rpc.method import AnyMethod

__all__ = ["ClientAccessLog"]

T = TypeVar("T")


class ClientAccessLog(AccessLog):
    """A client's interceptor: a line of log for each call, when it has ended, at a bounded rate."""

    async def __call__(self, method: AnyMethod, head: CallHead, proceed: ClientProceed[T]) -> T:
        """See `ClientInterceptor`."""
        if self.wants(method):
            head = head.observed_by(CallLine(self, method, is_client=True))
        return await proceed(head)
