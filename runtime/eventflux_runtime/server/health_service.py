"""The server's side of ``grpc.health.v1.Health``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from eventflux_runtime.health.message import (
    HealthCheckRequest,
    HealthCheckResponse,
    HealthListRequest,
    HealthListResponse,
)
from eventflux_runtime.health.method import HEALTH_CHECK, HEALTH_LIST, HEALTH_WATCH
from eventflux_runtime.rpc.binding import AnyBinding, Binding
from eventflux_runtime.rpc.rpc_error import NotFound, ResourceExhausted, Unavailable
from eventflux_runtime.server.service import Service

if TYPE_CHECKING:
    from eventflux_runtime.health.board import Health
    from eventflux_runtime.rpc.context import Context

__all__ = ["HealthService"]

_MAX_LISTED: Final = 100
"""Names in one list; the number is that of grpc-go."""


class HealthService(Service):
    """Answers from a server's `Health`."""

    def __init__(self, health: Health) -> None:
        self._health = health

    async def check(self, request: HealthCheckRequest, context: Context) -> HealthCheckResponse:
        """The status of a service now.

        Raises:
            NotFound: the server knows no service of that name.
        """
        status = self._health.get(request.service)
        if status is None:
            raise NotFound(f"no service {request.service!r} is known here")
        return HealthCheckResponse(status)

    async def list(self, request: HealthListRequest, context: Context) -> HealthListResponse:
        """The status of every service now, and of the server as a whole.

        Raises:
            ResourceExhausted: there are more names than a list is to hold.
        """
        statuses = self._health.all()
        if len(statuses) > _MAX_LISTED:
            raise ResourceExhausted(f"{len(statuses)} names are known here, and a list holds {_MAX_LISTED}: check one")
        return HealthListResponse(statuses)

    async def watch(self, request: HealthCheckRequest, context: Context) -> AsyncIterator[HealthCheckResponse]:
        """The status of a service now, and each change of it.

        Raises:
            Unavailable: the server is shutting down; nothing else ends a watch from this side.
        """
        async with aclosing(self._health.watch(request.service)) as statuses:
            async for status in statuses:
                yield HealthCheckResponse(status)
        raise Unavailable("the server is shutting down")

    def _bindings(self) -> tuple[AnyBinding, ...]:
        return (
            Binding.unary(HEALTH_CHECK, self.check),
            Binding.unary(HEALTH_LIST, self.list),
            Binding.server_streaming(HEALTH_WATCH, self.watch),
        )
