"""Plain grpcio on both sides, as generated code uses it: an inventory to call and a caller of one, each on asyncio."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from grpc import aio

from inventory_sdk import inventory_pb2 as pb
from inventory_sdk import inventory_pb2_grpc as rpc

HANG = "hang"
FAIL = "fail"


class RawInventory(rpc.InventoryServicer):
    """Handlers in plain grpcio; an item named HANG waits to be cancelled, one named FAIL is not found."""

    def __init__(self) -> None:
        self.metadata: list[tuple[str, Any]] = []
        self.remaining_s: float | None = None
        self.running = threading.Event()
        self.cancelled = threading.Event()

    async def _obey(self, sku: str, context: Any) -> None:
        self.metadata = list(context.invocation_metadata())
        self.remaining_s = context.time_remaining()
        if sku == FAIL:
            await context.abort(
                grpc.StatusCode.NOT_FOUND, "no such ïtem", (("hint", "elsewhere"), ("raw-bin", b"\x00"))
            )
        if sku == HANG:
            self.running.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise

    async def GetItem(self, request: pb.GetItemRequest, context: Any) -> pb.Item:  # noqa: N802 - the IDL's name
        await self._obey(request.sku, context)
        await context.send_initial_metadata((("node", "raw"),))
        context.set_trailing_metadata((("cost", "1"),))
        return pb.Item(sku=request.sku, stock={"a": 1}, supplier="acme")

    async def RecordChanges(  # noqa: N802 - the IDL's name
        self, request_iterator: AsyncIterator[pb.StockChange], context: Any
    ) -> pb.ChangeSummary:
        summary = pb.ChangeSummary()
        async for change in request_iterator:
            await self._obey(change.sku, context)
            summary.changes += 1
            summary.delta[change.sku] += change.added
        return summary

    async def WatchItems(  # noqa: N802 - the IDL's name
        self, request: pb.WatchRequest, context: Any
    ) -> AsyncIterator[pb.StockChange]:
        for number, sku in enumerate(request.skus):
            await self._obey(sku, context)
            yield pb.StockChange(sku=sku, added=number)

    async def Reserve(  # noqa: N802 - the IDL's name
        self, request_iterator: AsyncIterator[pb.Reservation], context: Any
    ) -> AsyncIterator[pb.ReservationResult]:
        async for reservation in request_iterator:
            await self._obey(reservation.sku, context)
            yield pb.ReservationResult(confirmation=f"{reservation.sku}-{reservation.count}")


@contextmanager
def raw_server() -> Iterator[tuple[str, RawInventory]]:
    """A plain grpcio server on a thread of its own; its URL and its handlers."""
    inventory = RawInventory()
    started = threading.Event()
    ports: list[int] = []
    stops: list[Any] = []

    async def serve() -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        stops.append(lambda: loop.call_soon_threadsafe(stop.set))
        server = aio.server()
        rpc.add_InventoryServicer_to_server(inventory, server)
        ports.append(server.add_insecure_port("127.0.0.1:0"))
        await server.start()
        started.set()
        await stop.wait()
        await server.stop(None)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    started.wait()
    try:
        yield f"grpcio://127.0.0.1:{ports[0]}", inventory
    finally:
        stops[0]()
        thread.join()


async def raw_calls(port: int) -> dict[str, Any]:
    """Makes a call of each kind with plain stubs, and some that fail; what came of each."""
    seen: dict[str, Any] = {}
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = rpc.InventoryStub(channel)
        left = stub.Reserve()
        await left.write(pb.Reservation(sku=HANG))
        await asyncio.sleep(0.2)  # the handler is in its wait by then; if not, it is cancelled before, which is as good
        left.cancel()
        get = stub.GetItem(
            pb.GetItemRequest(sku="bolt"), metadata=(("trace-id", "42"), ("raw-bin", b"\xff")), timeout=20
        )
        seen["item"] = await get
        seen["initial"] = tuple(await get.initial_metadata())
        seen["trailing"] = tuple(await get.trailing_metadata())

        async def changes() -> AsyncIterator[pb.StockChange]:
            for number in range(5):
                yield pb.StockChange(sku="bolt", added=number)

        seen["summary"] = await stub.RecordChanges(changes())
        seen["watched"] = [change.sku async for change in stub.WatchItems(pb.WatchRequest(skus=["a", "b"]))]
        talk = stub.Reserve()
        seen["reserved"] = []
        for count in range(3):
            await talk.write(pb.Reservation(sku="bolt", count=count))
            seen["reserved"].append((await talk.read()).confirmation)
        await talk.done_writing()
        seen["end"] = await talk.read() is aio.EOF
        seen["failure"] = await failure(stub.GetItem(pb.GetItemRequest(sku=FAIL)))
        seen["deadline"] = await failure(stub.GetItem(pb.GetItemRequest(sku=HANG), timeout=0.2))
        seen["garbage"] = await failure(as_bytes(channel, "/shop.inventory.v1.Inventory/GetItem")(b"\xff\xff\xff"))
        seen["unknown"] = await failure(as_bytes(channel, "/shop.inventory.v1.Inventory/Nothing")(b""))
    return seen


def as_bytes(channel: aio.Channel, path: str) -> Any:
    """A method of any path, its messages as they are on the wire."""
    return channel.unary_unary(path)


async def failure(call: Any) -> aio.AioRpcError:
    """How a call failed."""
    try:
        await call
    except aio.AioRpcError as error:
        return error
    raise AssertionError("the call succeeded")
