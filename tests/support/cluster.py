"""A cluster that fails as it is told, in ours and in plain grpcio: a service with declared errors."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc import aio
from grpc_status import rpc_status

from cluster_sdk import ClusterService, Job, Placement, cluster_pb2, cluster_pb2_grpc
from eventflux_runtime import Context

__all__ = ["FailingCluster", "Failure", "error_info", "raw_cluster", "rich_status"]

Failure: TypeAlias = Callable[[], BaseException]


class FailingCluster(ClusterService):
    """Handlers of each kind that raise what `failure` makes; streams do after their first response."""

    def __init__(self, failure: Failure) -> None:
        self._failure = failure
        self.contexts: list[Context] = []

    async def place(self, request: Job, context: Context) -> Placement:
        self.contexts.append(context)
        raise self._failure()

    async def place_all(self, requests: AsyncIterator[Job], context: Context) -> Placement:
        async for _ in requests:
            pass
        raise self._failure()

    async def watch(self, request: Job, context: Context) -> AsyncIterator[Placement]:
        yield Placement(node="n-1")
        raise self._failure()

    async def place_each(self, requests: AsyncIterator[Job], context: Context) -> AsyncIterator[Placement]:
        async for _ in requests:
            yield Placement(node="n-1")
            raise self._failure()


def error_info(reason: str, domain: str, **metadata: str) -> Any:
    """Google's own message."""
    return error_details_pb2.ErrorInfo(reason=reason, domain=domain, metadata=metadata)


def rich_status(code: int, text: str, *details: Any) -> status_pb2.Status:
    """Google's status with its own messages as details."""
    packed = []
    for detail in details:
        packed.append(any_pb2.Any())
        packed[-1].Pack(detail)
    return status_pb2.Status(code=code, message=text, details=packed)


class _RawCluster(cluster_pb2_grpc.ClusterServicer):
    def __init__(self, status: status_pb2.Status) -> None:
        self._status = status

    async def Place(self, request: Any, context: Any) -> cluster_pb2.Placement:  # noqa: N802 - the IDL's name
        status = rpc_status.to_status(self._status)
        await context.abort(status.code, status.details, status.trailing_metadata)
        raise AssertionError("abort raises")


@contextmanager
def raw_cluster(status: status_pb2.Status) -> Iterator[int]:
    """A plain grpcio server on a thread of its own, whose Place fails with a status; its port."""
    started = threading.Event()
    parts: list[Any] = []

    async def serve() -> None:
        loop, stop, server = asyncio.get_running_loop(), asyncio.Event(), aio.server()
        cluster: Any = _RawCluster
        cluster_pb2_grpc.add_ClusterServicer_to_server(cluster(status), server)
        parts.extend([server.add_insecure_port("127.0.0.1:0"), lambda: loop.call_soon_threadsafe(stop.set)])
        await server.start()
        started.set()
        await stop.wait()
        await server.stop(None)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    started.wait()
    try:
        yield parts[0]
    finally:
        parts[1]()
        thread.join()
