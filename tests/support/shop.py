"""An inventory for the commands to call: ours on every wire, and a plain grpcio server with reflection and health."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import anyio
import grpc
from anyio.from_thread import start_blocking_portal
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2
from grpc_status import rpc_status

from eventflux_runtime import Context, ErrorDetail, InvalidArgument, NotFound, ServerConfig, Unauthenticated, serve
from eventflux_runtime.error_details import BadRequest, BadRequestFieldViolation
from inventory_sdk import (
    ChangeSummary,
    GetItemRequest,
    InventoryService,
    Item,
    ItemOriginSupplier,
    Reservation,
    ReservationResult,
    ReservationResultOutcomeConfirmation,
    StockChange,
    StockChangeChangeAdded,
    WatchRequest,
)
from inventory_sdk import inventory_pb2 as pb
from inventory_sdk import inventory_pb2_grpc as rpc

__all__ = ["SERVICE", "WATCHING", "Shop", "grpcio_shop", "shop"]

SERVICE: Final = "shop.inventory.v1.Inventory"
WATCHING: Final = threading.Semaphore(0)
"""Released for each watch that has come to its endless part."""
UNKNOWN_DETAIL: Final = ErrorDetail("type.googleapis.com/shop.secret.Plan", b"\x08\x2a")


class Shop(InventoryService):
    """Has every item but ``missing``; a change of ``stop`` is refused, a watch of ``forever`` has no end."""

    async def get_item(self, request: GetItemRequest, context: Context) -> Item:
        if request.sku == "missing":
            violation = BadRequestFieldViolation(field="sku", description="nobody has it")
            raise NotFound(
                "no such ïtem",
                details=[BadRequest(field_violations=[violation]), UNKNOWN_DETAIL],
                metadata={"hint": "elsewhere"},
            )
        await context.send_initial_metadata({"node": "shop"})
        context.set_trailers([(key, value) for key, value in context.metadata if key.startswith("x-")])
        return Item(sku=request.sku, stock={"a": 1}, price_cents=5, origin=ItemOriginSupplier("acme"))

    async def record_changes(self, requests: AsyncIterator[StockChange], context: Context) -> ChangeSummary:
        summary = ChangeSummary()
        async for change in requests:
            if change.sku == "stop":
                raise InvalidArgument("stopped")
            summary.changes += 1
        return summary

    async def watch_items(self, request: WatchRequest, context: Context) -> AsyncIterator[StockChange]:
        for number, sku in enumerate(request.skus):
            yield StockChange(sku=sku, change=StockChangeChangeAdded(number))
            if sku == "forever":
                WATCHING.release()
                await anyio.sleep_forever()

    async def reserve(self, requests: AsyncIterator[Reservation], context: Context) -> AsyncIterator[ReservationResult]:
        async for reservation in requests:
            outcome = ReservationResultOutcomeConfirmation(f"{reservation.sku}-{reservation.count}")
            yield ReservationResult(outcome=outcome)
            if reservation.sku == "last":
                return


async def _admit(context: Context, proceed: Callable[[], Awaitable[None]]) -> None:
    """Lets callers in that say the word."""
    if context.metadata.get("authorization") != "Bearer 42":
        raise Unauthenticated("who are you?")
    await proceed()


@contextmanager
def shop(folder: Path, *, reflection: bool | None = None, is_guarded: bool = False) -> Iterator[dict[str, str]]:
    """Our server in a thread, on four wires; the URL of each."""
    urls = ["tcp://127.0.0.1:0", f"unix://{folder}/shop.sock", "grpc://127.0.0.1:0", "ws://127.0.0.1:0/rpc"]
    config = ServerConfig(drain_grace_s=0, reflection=reflection)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(
            serve([Shop()], *urls, config=config, interceptors=[_admit] if is_guarded else [])
        ) as server,
    ):
        yield {url.partition(":")[0]: url for url in server.endpoints}


class _PlainShop(rpc.InventoryServicer):
    """The same by grpcio, as far as it is called."""

    def GetItem(self, request: pb.GetItemRequest, context: Any) -> pb.Item:  # noqa: N802 - the IDL's name
        if request.sku == "missing":
            status = status_pb2.Status(code=5, message="no such ïtem")
            violation = error_details_pb2.BadRequest.FieldViolation(field="sku", description="nobody has it")
            packed = any_pb2.Any()
            packed.Pack(error_details_pb2.BadRequest(field_violations=[violation]))
            status.details.append(packed)
            status.details.append(any_pb2.Any(type_url=UNKNOWN_DETAIL.type_url, value=UNKNOWN_DETAIL.value))
            context.abort_with_status(rpc_status.to_status(status))
        return pb.Item(sku=request.sku, stock={"a": 1}, supplier="acme")

    def RecordChanges(  # noqa: N802 - the IDL's name
        self, request_iterator: Iterator[pb.StockChange], context: Any
    ) -> pb.ChangeSummary:
        return pb.ChangeSummary(changes=sum(1 for _ in request_iterator))

    def WatchItems(self, request: pb.WatchRequest, context: Any) -> Iterator[pb.StockChange]:  # noqa: N802 - the same
        return (pb.StockChange(sku=sku) for sku in request.skus)

    def Reserve(  # noqa: N802 - the IDL's name
        self, request_iterator: Iterator[pb.Reservation], context: Any
    ) -> Iterator[pb.ReservationResult]:
        for reservation in request_iterator:
            yield pb.ReservationResult(confirmation=f"{reservation.sku}-{reservation.count}")


@contextmanager
def grpcio_shop(version: str) -> Iterator[tuple[str, health.HealthServicer]]:
    """A plain grpcio server that serves its reflection in one version; its URL, and what it says of its health."""
    with ThreadPoolExecutor(8) as threads:
        server = grpc.server(threads)
        rpc.add_InventoryServicer_to_server(_PlainShop(), server)
        statuses = health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(statuses, server)
        service = f"grpc.reflection.{version}.ServerReflection"
        servicer = reflection.ReflectionServicer((SERVICE, service))
        # The messages of both versions are the same but for their names.
        handler = grpc.stream_stream_rpc_method_handler(
            servicer.ServerReflectionInfo,
            reflection_pb2.ServerReflectionRequest.FromString,
            reflection_pb2.ServerReflectionResponse.SerializeToString,
        )
        handlers = grpc.method_handlers_generic_handler(service, {"ServerReflectionInfo": handler})
        server.add_generic_rpc_handlers((handlers,))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"grpc://127.0.0.1:{port}", statuses
        finally:
            server.stop(None).wait()
