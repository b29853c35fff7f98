"""The client's side of ``grpc.health.v1.Health``, for programs without an event loop."""

from __future__ import annotations

from collections.abc import Generator
from typing import Unpack

from eventflux_runtime.blocking.client import BlockingClient
from eventflux_runtime.client.options import CallOptions
from eventflux_runtime.health.message import HealthCheckRequest, HealthListRequest, ServingStatus
from eventflux_runtime.health.method import HEALTH_CHECK, HEALTH_LIST, HEALTH_WATCH

__all__ = ["BlockingHealthClient"]


class BlockingHealthClient(BlockingClient):
    """Asks any server that serves ``grpc.health.v1.Health`` how it is, on any wire; see `HealthClient`."""

    __slots__ = ()

    def check(self, service: str = "", **options: Unpack[CallOptions]) -> ServingStatus:
        """The status of a service now; without a name, of the server as a whole.

        Raises:
            NotFound: the server knows no service of that name.
            Unimplemented: it does not serve health checks.
        """
        return self._channel.unary(HEALTH_CHECK, HealthCheckRequest(service), **options).status

    def list(self, **options: Unpack[CallOptions]) -> dict[str, ServingStatus]:
        """The status of every service now, by full name; that of the server as a whole is under the empty one.

        Raises:
            ResourceExhausted: the server knows too many names to list them; ours lists 100.
            Unimplemented: it does not list, as servers do that are older than this method, or serves no health checks.
        """
        return self._channel.unary(HEALTH_LIST, HealthListRequest(), **options).statuses

    def watch(self, service: str = "", **options: Unpack[CallOptions]) -> Generator[ServingStatus, None, None]:
        """The status of a service now, and each change of it, without an end.

        A name that the server does not know is SERVICE_UNKNOWN, and is watched on. Close the iterator
        (``contextlib.closing``) to end the watch early. A watch has no deadline unless ``timeout_s`` gives it one.

        Raises:
            Unavailable: the server shuts down, or the connection is lost: watch again.
            Unimplemented: it does not serve health checks.
        """
        options.setdefault("timeout_s", None)
        with self._channel.server_streaming(HEALTH_WATCH, HealthCheckRequest(service), **options) as responses:
            for response in responses:
                yield response.status
