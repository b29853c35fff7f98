"""Plain grpcio and ours understand each other, each as client and as server, in all four kinds of call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import anyio
import grpc
import pytest
from anyio import to_thread
from google.protobuf import any_pb2, wrappers_pb2

from eventflux_runtime import Context, NotFound, connect, serve
from eventflux_runtime.protocol.api import ResponseInfo
from eventflux_runtime.rpc.metadata import Metadata
from eventflux_runtime.rpc.rpc_error import DeadlineExceeded
from eventflux_runtime.rpc.status import ErrorDetail
from inventory_sdk import (
    ChangeSummary,
    GetItemRequest,
    InventoryClient,
    InventoryService,
    Item,
    Reservation,
    ReservationResult,
    ReservationResultOutcomeConfirmation,
    StockChange,
    StockChangeChangeAdded,
    WatchRequest,
)
from tests.support.plain_grpc import FAIL, HANG, raw_calls, raw_server
from tests.support.wires import SHORT_S

pytestmark = pytest.mark.usefixtures("anyio_backend")

LONG_S = 10


class Inventory(InventoryService):
    """The same service as the plain one, in ours."""

    def __init__(self) -> None:
        self.contexts: list[Context] = []
        self.cancelled = anyio.Event()

    async def _obey(self, sku: str, context: Context) -> None:
        self.contexts.append(context)
        if sku == FAIL:
            packed = any_pb2.Any()
            packed.Pack(wrappers_pb2.StringValue(value="why"))
            detail = ErrorDetail(packed.type_url, packed.value)
            raise NotFound("no such ïtem", details=[detail], metadata={"hint": "elsewhere", "raw-bin": b"\x00"})
        if sku == HANG:
            try:
                await anyio.sleep_forever()
            except anyio.get_cancelled_exc_class():
                self.cancelled.set()
                raise

    async def get_item(self, request: GetItemRequest, context: Context) -> Item:
        await self._obey(request.sku, context)
        await context.send_initial_metadata({"node": "ours"})
        context.set_trailers({"cost": "1"})
        return Item(sku=request.sku, stock={"a": 1})

    async def record_changes(self, requests: AsyncIterator[StockChange], context: Context) -> ChangeSummary:
        summary = ChangeSummary()
        async for change in requests:
            summary.changes += 1
            assert isinstance(change.change, StockChangeChangeAdded)
            summary.delta[change.sku] = summary.delta.get(change.sku, 0) + change.change.value
        return summary

    async def watch_items(self, request: WatchRequest, context: Context) -> AsyncIterator[StockChange]:
        for sku in request.skus:
            await self._obey(sku, context)
            yield StockChange(sku=sku)

    async def reserve(self, requests: AsyncIterator[Reservation], context: Context) -> AsyncIterator[ReservationResult]:
        async for reservation in requests:
            await self._obey(reservation.sku, context)
            text = f"{reservation.sku}-{reservation.count}"
            yield ReservationResult(outcome=ReservationResultOutcomeConfirmation(text))


async def test_a_plain_client_calls_our_server() -> None:
    inventory = Inventory()
    async with serve([inventory], "grpcio://127.0.0.1:0") as server:
        port = int(server.endpoints[0].rpartition(":")[2])
        seen = await to_thread.run_sync(partial(asyncio.run, raw_calls(port)))
        with anyio.fail_after(LONG_S):
            await inventory.cancelled.wait()
    assert (seen["item"].sku, dict(seen["item"].stock)) == ("bolt", {"a": 1})
    assert ("node", "ours") in seen["initial"]
    assert ("cost", "1") in seen["trailing"]
    assert (seen["summary"].changes, dict(seen["summary"].delta)) == (5, {"bolt": 10})
    assert seen["watched"] == ["a", "b"]
    assert seen["reserved"] == ["bolt-0", "bolt-1", "bolt-2"]
    assert seen["end"]
    assert Metadata([("trace-id", "42"), ("raw-bin", b"\xff")]) in [context.metadata for context in inventory.contexts]
    failure = seen["failure"]
    assert (failure.code(), failure.details()) == (grpc.StatusCode.NOT_FOUND, "no such ïtem")
    trailers = dict(failure.trailing_metadata())
    assert (trailers["hint"], trailers["raw-bin"]) == ("elsewhere", b"\x00")
    # google.rpc.Status by hand: code 5, the message, one Any of a StringValue.
    assert trailers["grpc-status-details-bin"] == (
        b"\x08\x05\x12\x0dno such \xc3\xaftem"
        b"\x1a\x38\x0a\x2ftype.googleapis.com/google.protobuf.StringValue\x12\x05\x0a\x03why"
    )
    assert seen["deadline"].code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert seen["garbage"].code() is grpc.StatusCode.INVALID_ARGUMENT
    assert seen["unknown"].code() is grpc.StatusCode.UNIMPLEMENTED


async def test_our_client_calls_a_plain_server() -> None:
    with raw_server() as (url, inventory):
        async with connect(url) as channel:
            client = InventoryClient(channel)
            info = ResponseInfo()
            item = await client.get_item(
                GetItemRequest(sku="bolt"), metadata={"trace-id": "42", "raw-bin": b"\xff"}, timeout_s=20, response=info
            )
            assert (item.sku, item.stock) == ("bolt", {"a": 1})
            assert info.initial_metadata == Metadata([("node", "raw")])
            assert info.trailers == Metadata([("cost", "1")])
            assert {("trace-id", "42"), ("raw-bin", b"\xff")} <= {(key, value) for key, value in inventory.metadata}
            assert inventory.remaining_s is not None
            assert 10 < inventory.remaining_s < 21
            async with client.record_changes() as changes:
                for number in range(5):
                    await changes.send(StockChange(sku="bolt", change=StockChangeChangeAdded(number)))
                assert await changes.finish() == ChangeSummary(changes=5, delta={"bolt": 10})
            async with client.watch_items(WatchRequest(skus=["a", "b"])) as watched:
                assert [change.sku async for change in watched] == ["a", "b"]
            async with client.reserve() as talk:
                for count in range(3):
                    await talk.send(Reservation(sku="bolt", count=count))
                    confirmation = ReservationResultOutcomeConfirmation(f"bolt-{count}")
                    assert (await talk.receive()).outcome == confirmation
                await talk.end()
                with pytest.raises(anyio.EndOfStream):
                    await talk.receive()


async def test_failures_of_a_plain_server_are_ours() -> None:
    with raw_server() as (url, inventory):
        async with connect(url) as channel:
            client = InventoryClient(channel)
            with pytest.raises(NotFound) as caught:
                await client.get_item(GetItemRequest(sku=FAIL))
            assert caught.value.message == "no such ïtem"
            assert caught.value.metadata == Metadata([("hint", "elsewhere"), ("raw-bin", b"\x00")])
            for timeout_s in SHORT_S:
                with pytest.raises(DeadlineExceeded):
                    await client.get_item(GetItemRequest(sku=HANG), timeout_s=timeout_s)
                if inventory.running.is_set():
                    break
            assert await to_thread.run_sync(inventory.cancelled.wait, LONG_S)


async def test_leaving_a_stream_cancels_a_plain_handler() -> None:
    with raw_server() as (url, inventory):
        async with connect(url) as channel:
            client = InventoryClient(channel)
            async with client.reserve() as talk:
                await talk.send(Reservation(sku=HANG))
                assert await to_thread.run_sync(inventory.running.wait, LONG_S)
            assert await to_thread.run_sync(inventory.cancelled.wait, LONG_S)
