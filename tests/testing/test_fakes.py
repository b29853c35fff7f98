"""Calls and services that only a test has made."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from eventflux_runtime import (
    CancelCause,
    CodecError,
    ConfigError,
    Context,
    Metadata,
    NotFound,
    Peer,
    RetryPolicy,
    StateKey,
    Unauthenticated,
    Unavailable,
    Unimplemented,
)
from eventflux_runtime.rpc.config import ClientConfig
from eventflux_runtime.testing import FakeCall, FakeService, serve_in_memory, serve_in_memory_blocking
from inventory_sdk import (
    ChangeSummary,
    GetItemRequest,
    InventoryBlockingClient,
    InventoryClient,
    InventoryService,
    Item,
    Reservation,
    ReservationResult,
    ReservationResultOutcomeConfirmation,
    StockChange,
    WatchRequest,
    methods,
)
from tests.support.shop import Shop

USER: StateKey[str] = StateKey("user")


class TestCall:
    async def test_a_handler_is_called_directly(self) -> None:
        peer = Peer("tcp://10.0.0.1:1")
        call = FakeCall(methods.INVENTORY_GET_ITEM, metadata={"x-id": "1"}, timeout_s=5, peer=peer)
        item = await Shop().get_item(GetItemRequest(sku="a"), call.context)
        assert item.sku == "a"
        assert call.initial_metadata == Metadata([("node", "shop")])
        assert call.context.trailers == Metadata([("x-id", "1")])
        assert call.context.method is methods.INVENTORY_GET_ITEM
        assert call.context.peer is peer
        assert call.context.endpoint is None
        assert call.context.protocol == "native"
        remaining_s = call.context.time_remaining_s()
        assert remaining_s is not None
        assert 4 < remaining_s <= 5

    async def test_what_it_raises_is_raised(self) -> None:
        with pytest.raises(NotFound):
            await Shop().get_item(GetItemRequest(sku="missing"), FakeCall().context)

    async def test_an_interceptor_is_called_directly(self) -> None:
        async def answering(context: Context, proceed: Any) -> None:
            if context.metadata.get("user") is None:
                raise Unauthenticated("who?")
            context.state[USER] = "ada"
            context.answer(Item(sku=context.state[USER]))

        call = FakeCall(methods.INVENTORY_GET_ITEM, metadata={"user": "ada"})
        await answering(call.context, None)
        assert call.answered == (Item(sku="ada"),)
        assert call.context.state[USER] == "ada"
        with pytest.raises(Unauthenticated):
            await answering(FakeCall().context, None)

    async def test_why_it_is_cancelled(self) -> None:
        call = FakeCall()
        assert call.context.cancel_cause is None
        call.cancel_cause = CancelCause.DISCONNECTED
        assert call.context.cancel_cause is CancelCause.DISCONNECTED

    async def test_initial_metadata_twice(self) -> None:
        call = FakeCall()
        await call.context.send_initial_metadata({"a": "1"})
        with pytest.raises(ConfigError, match="at most once"):
            await call.context.send_initial_metadata({"a": "1"})


def test_what_a_call_lacks_is_said() -> None:
    with pytest.raises(ConfigError, match="this fake call has no method"):
        print(FakeCall().context.method)
    with pytest.raises(ConfigError, match="within an async function"):
        FakeCall(timeout_s=1)
    with pytest.raises(ConfigError, match="timeout_s"):
        FakeCall(timeout_s=-1)


class TestService:
    async def test_each_kind(self) -> None:
        confirmed = ReservationResult(outcome=ReservationResultOutcomeConfirmation("1"))
        fake = FakeService(
            InventoryService,
            get_item=Item(sku="a"),
            record_changes=ChangeSummary(changes=7),
            watch_items=[StockChange(sku="a"), StockChange(sku="b")],
            reserve=[confirmed],
        )
        with anyio.fail_after(10):
            async with serve_in_memory(fake) as channel:
                client = InventoryClient(channel)
                assert await client.get_item(GetItemRequest(sku="x"), metadata={"user": "ada"}) == Item(sku="a")
                async with client.record_changes() as changes:
                    await changes.send(StockChange(sku="1"))
                    await changes.send(StockChange(sku="2"))
                    assert (await changes.finish()).changes == 7
                async with client.watch_items(WatchRequest(skus=["w"])) as watch:
                    assert [change.sku async for change in watch] == ["a", "b"]
                async with client.reserve() as stream:
                    await stream.send(Reservation(sku="r"))
                    assert [result async for result in stream] == [confirmed]
        assert fake.requests("record_changes") == [StockChange(sku="1"), StockChange(sku="2")]
        assert [call.name for call in fake.seen] == ["get_item", "record_changes", "watch_items", "reserve"]
        assert fake.seen[0].metadata["user"] == "ada"
        assert fake.requests("reserve") == [Reservation(sku="r")]

    async def test_answers_in_turn_and_failures(self) -> None:
        fake = FakeService(
            InventoryService,
            get_item=[Unavailable("busy"), Item(sku="a")],
            watch_items=[StockChange(sku="a"), NotFound("gone")],
        )
        retry = RetryPolicy(max_attempts=2, initial_backoff_s=0.001)
        with anyio.fail_after(10):
            async with serve_in_memory(fake, client_config=ClientConfig(retry=retry)) as channel:
                client = InventoryClient(channel)
                assert await client.get_item(GetItemRequest()) == Item(sku="a")
                seen = []
                with pytest.raises(NotFound, match="gone"):
                    async for change in client.watch_items(WatchRequest()):
                        seen.append(change.sku)
                assert seen == ["a"]
                with pytest.raises(Unimplemented, match="give it one, as reserve="):
                    async with client.reserve() as stream:
                        await stream.receive()

    async def test_a_call_more_than_there_are_answers(self) -> None:
        fake = FakeService(InventoryService, get_item=[NotFound])
        with pytest.raises(AssertionError, match="1 answers for get_item, and this is one call more"):
            async with serve_in_memory(fake) as channel:
                with pytest.raises(NotFound):
                    await InventoryClient(channel).get_item(GetItemRequest())
                await InventoryClient(channel).get_item(GetItemRequest())

    async def test_handlers(self) -> None:
        async def get_item(request: GetItemRequest, context: Context) -> Item:
            return Item(sku=request.sku)

        async def reserve(requests: AsyncIterator[Reservation], context: Context) -> AsyncIterator[ReservationResult]:
            async for request in requests:
                yield ReservationResult(outcome=ReservationResultOutcomeConfirmation(request.sku))

        fake = FakeService(InventoryService, get_item=get_item, reserve=reserve)
        async with serve_in_memory(fake, is_grpc=True) as channel:
            client = InventoryClient(channel)
            assert (await client.get_item(GetItemRequest(sku="x"))).sku == "x"
            async with client.reserve() as stream:
                await stream.send(Reservation(sku="r"))
                assert (await stream.receive()).outcome == ReservationResultOutcomeConfirmation("r")


def test_a_service_for_a_blocking_client() -> None:
    with serve_in_memory_blocking(FakeService(InventoryService, get_item=Item(sku="a"))) as channel:
        assert InventoryBlockingClient(channel).get_item(GetItemRequest()).sku == "a"


async def test_an_option_that_there_is_not() -> None:
    with pytest.raises(ConfigError, match="there is no option 'retry' to serve in memory: there are client_config, "):
        async with serve_in_memory(Shop(), retry=3):  # type: ignore[call-arg]  # what is tested
            pass


def test_a_fake_of_what_is_no_service_or_has_no_such_method() -> None:
    with pytest.raises(ConfigError, match="has no handler 'get_itm': it has get_item, "):
        FakeService(InventoryService, get_itm=Item())
    with pytest.raises(ConfigError, match="a generated service class is wanted"):
        FakeService(InventoryClient)


async def test_errors_of_a_server() -> None:
    async def broken(request: GetItemRequest, context: Context) -> Any:
        raise LookupError("no shelf") if request.sku == "" else ValueError("no sku")

    async def unencodable(request: WatchRequest, context: Context) -> AsyncIterator[Any]:
        yield Item()

    fake = FakeService(InventoryService, get_item=broken, watch_items=unencodable)
    with pytest.raises(LookupError) as one:
        async with serve_in_memory(fake) as channel:
            await InventoryClient(channel).get_item(GetItemRequest())
    assert type(one.value.__context__).__name__ == "Unknown", "what the client got"
    with pytest.raises(ExceptionGroup) as several:
        async with serve_in_memory(fake) as channel:
            for sku in ("", "x"):
                with pytest.raises(Exception, match="raised"):
                    await InventoryClient(channel).get_item(GetItemRequest(sku=sku))
    assert [type(error) for error in several.value.exceptions] == [LookupError, ValueError]
    with pytest.raises(CodecError, match="StockChange"):
        async with serve_in_memory(fake) as channel:
            async for _ in InventoryClient(channel).watch_items(WatchRequest()):
                pass
    async with serve_in_memory(fake, raise_errors=False) as channel:
        with pytest.raises(Exception, match="raised LookupError"):
            await InventoryClient(channel).get_item(GetItemRequest())


async def test_an_error_of_a_server_keeps_what_led_to_it() -> None:
    async def broken(request: GetItemRequest, context: Context) -> Any:
        try:
            raise LookupError("no shelf")
        except LookupError:
            raise ValueError("no sku")  # noqa: B904 - what is tested

    with pytest.raises(ValueError, match="no sku") as told:
        async with serve_in_memory(FakeService(InventoryService, get_item=broken)) as channel:
            await InventoryClient(channel).get_item(GetItemRequest())
    led = told.value.__context__
    assert isinstance(led, LookupError)
    assert type(led.__context__).__name__ == "Unknown", "what the client got"


async def test_a_cancellation_is_not_replaced_by_an_error_of_the_server() -> None:
    async def broken(request: GetItemRequest, context: Context) -> Any:
        raise LookupError("no shelf")

    with anyio.CancelScope() as scope:
        async with serve_in_memory(FakeService(InventoryService, get_item=broken)) as channel:
            with pytest.raises(Exception, match="raised LookupError"):
                await InventoryClient(channel).get_item(GetItemRequest())
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
