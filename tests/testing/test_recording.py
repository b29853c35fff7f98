"""Conversations that are written down, answered from the file, and held against a server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from eventflux_runtime import (
    Channel,
    ConfigError,
    Context,
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    ResponseInfo,
)
from eventflux_runtime.error_details import BadRequest
from eventflux_runtime.testing import (
    FakeService,
    Recorder,
    Replay,
    serve_in_memory,
    serve_in_memory_blocking,
    verify_recording,
)
from inventory_sdk import (
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
)
from tests.support.jumping import anyio_backend
from tests.support.shop import Shop

__all__ = ["anyio_backend"]


async def converse(channel: Channel) -> list[Any]:
    """Calls of each kind, some of which fail; what they gave."""
    client = InventoryClient(channel)
    given: list[Any] = []
    info = ResponseInfo()
    secret = {"authorization": "Bearer t0ken", "x-bag": "1"}
    given.append(await client.get_item(GetItemRequest(sku="a"), metadata=secret, response=info))
    given.append((info.initial_metadata["node"], info.trailers["x-bag"]))
    with pytest.raises(NotFound) as missing:
        await client.get_item(GetItemRequest(sku="missing"))
    found = missing.value.find(BadRequest)
    assert found is not None
    given.append((missing.value.message, missing.value.metadata["hint"], found.field_violations[0].field))
    async with client.watch_items(WatchRequest(skus=["a", "b"])) as watch:
        async with client.record_changes() as changes:
            await changes.send(StockChange(sku="1"))
            given.append(await watch.receive())
            await changes.send(StockChange(sku="2"))
            given.append(await changes.finish())
        given.extend([change async for change in watch])
    async with client.reserve() as stream:
        for sku in ("x", "last"):
            await stream.send(Reservation(sku=sku, count=2))
            given.append(await stream.receive())
        with pytest.raises(anyio.EndOfStream):
            await stream.receive()
    with pytest.raises(InvalidArgument):
        async with client.record_changes() as changes:
            await changes.send(StockChange(sku="stop"))
            await changes.finish()
    async with client.watch_items(WatchRequest(skus=["forever"])) as watch:
        given.append(await watch.receive())
    return given


async def recorded(path: Path, **options: Any) -> list[Any]:
    """Records the calls of a channel to the shop."""
    with Recorder(path, **options) as recorder:
        async with serve_in_memory(Shop(), client_interceptors=[recorder]) as channel:
            return await converse(channel)


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_a_recording_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    with anyio.fail_after(10):
        await recorded(path, with_times=False)
    lines = lines_of(path)
    assert lines[0] == {"event": "recording", "version": 1}
    assert lines[1:5] == [
        {
            "event": "start",
            "call": 1,
            "method": "/shop.inventory.v1.Inventory/GetItem",
            "metadata": [["authorization", "<redacted>"], ["x-bag", "1"]],
            "timeout_s": 2.5,
        },
        {"event": "request", "call": 1, "message": {"sku": "a"}},
        {
            "event": "response",
            "call": 1,
            "message": {"sku": "a", "stock": {"a": 1}, "priceCents": "5", "supplier": "acme"},
        },
        {"event": "end", "call": 1, "initial_metadata": [["node", "shop"]], "trailers": [["x-bag", "1"]]},
    ]
    ends = {line["call"]: line for line in lines if line["event"] == "end"}
    assert [ends[call].get("code", "OK") for call in sorted(ends)] == [
        "OK",
        "NOT_FOUND",
        "OK",
        "OK",
        "OK",
        "INVALID_ARGUMENT",
        "CANCELLED",
    ]
    assert ends[2]["details"][0]["fieldViolations"] == [{"field": "sku", "description": "nobody has it"}]
    assert ends[7]["cancel_cause"] == "caller"
    assert "t0ken" not in path.read_text()


async def test_two_recordings_without_times_are_equal(tmp_path: Path) -> None:
    for name in ("1", "2"):
        await recorded(tmp_path / name, with_times=False)
    assert (tmp_path / "1").read_text() == (tmp_path / "2").read_text()


@pytest.mark.parametrize(("asked_s", "written_s"), [(5, 5), (30, 30), (0.5, 0.5), (3600, 3600), (12.5, 13)])
async def test_deadlines_are_rounded_up(tmp_path: Path, asked_s: float, written_s: float) -> None:
    path = tmp_path / "calls"
    with Recorder(path) as recorder:
        async with serve_in_memory(Shop(), client_interceptors=[recorder]) as channel:
            await InventoryClient(channel).get_item(GetItemRequest(), timeout_s=asked_s)
    assert lines_of(path)[1]["timeout_s"] == written_s


async def test_times(tmp_path: Path) -> None:
    await recorded(tmp_path / "calls")
    lines = lines_of(tmp_path / "calls")[1:]
    assert [line["at_s"] for line in lines] == sorted(line["at_s"] for line in lines)
    assert all(line["duration_s"] > 0 for line in lines if line["event"] == "end")


async def test_a_recording_answers_as_the_server_did(tmp_path: Path) -> None:
    path = tmp_path / "calls"
    with anyio.fail_after(20):
        given = await recorded(path)
        for is_grpc in (False, True):
            with Replay(path, InventoryService) as replay:
                async with serve_in_memory(*replay.services, is_grpc=is_grpc) as channel:
                    assert await converse(channel) == given
        with Replay(path, InventoryService, in_order=False) as replay:
            async with serve_in_memory(*replay.services) as channel:
                assert await converse(channel) == given


async def one_call(path: Path, sku: str = "a", times: int = 1) -> None:
    with Recorder(path) as recorder:
        async with serve_in_memory(Shop(), client_interceptors=[recorder]) as channel:
            for number in range(times):
                await InventoryClient(channel).get_item(GetItemRequest(sku=sku + str(number or "")))


async def test_another_request_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "calls"
    await one_call(path)
    for in_order in (True, False):
        with pytest.raises(AssertionError) as told, Replay(path, InventoryService, in_order=in_order) as replay:
            async with serve_in_memory(*replay.services) as channel:
                with pytest.raises(FailedPrecondition, match='"sku": "b"'):
                    await InventoryClient(channel).get_item(GetItemRequest(sku="b"))
        assert '-  "sku": "a"\n+  "sku": "b"' in str(told.value)

    def without_sku(request: Any) -> Any:
        return msgspec.structs.replace(request, sku="")

    with Replay(path, InventoryService, adjust=without_sku) as replay:
        async with serve_in_memory(*replay.services) as channel:
            await InventoryClient(channel).get_item(GetItemRequest(sku="b"))


async def test_other_calls_are_told(tmp_path: Path) -> None:
    path = tmp_path / "calls"
    await one_call(path, times=2)
    unmade = "not made: call 2, /shop.inventory.v1.Inventory/GetItem"
    with pytest.raises(AssertionError, match=unmade), Replay(path, InventoryService) as replay:
        async with serve_in_memory(*replay.services) as channel:
            await InventoryClient(channel).get_item(GetItemRequest(sku="a"))
    for in_order, reason in ((True, "call 1, /shop.inventory.v1.Inventory/GetItem: found"), (False, "one call more")):
        replay = Replay(path, InventoryService, in_order=in_order)
        with pytest.raises(AssertionError, match=reason), replay:
            async with (
                serve_in_memory(*replay.services) as channel,
                InventoryClient(channel).watch_items(WatchRequest()) as watch,
            ):
                with pytest.raises(FailedPrecondition, match="not as recorded"):
                    await watch.receive()
    with Replay(path, InventoryService, in_order=False) as replay:
        async with serve_in_memory(*replay.services) as channel:
            for sku in ("a1", "a"):
                assert (await InventoryClient(channel).get_item(GetItemRequest(sku=sku))).sku == sku


@pytest.mark.parametrize(("skus", "reason"), [(["1"], "and fewer came"), (["1", "2", "3"], "and more came")])
async def test_streams_of_other_lengths(tmp_path: Path, skus: list[str], reason: str) -> None:
    path = tmp_path / "calls"

    async def send(channel: Channel, skus: Sequence[str]) -> None:
        async with InventoryClient(channel).record_changes() as changes:
            for sku in skus:
                await changes.send(StockChange(sku=sku))
            await changes.finish()

    with Recorder(path) as recorder:
        async with serve_in_memory(Shop(), client_interceptors=[recorder]) as channel:
            await send(channel, ["1", "2"])
    with pytest.raises(AssertionError, match=reason), Replay(path, InventoryService) as replay:
        async with serve_in_memory(*replay.services) as channel:
            with pytest.raises(FailedPrecondition):
                await send(channel, skus)


async def test_a_client_that_waits_for_what_was_not_recorded(tmp_path: Path) -> None:
    path = tmp_path / "calls"
    with Recorder(path) as recorder:
        async with (
            serve_in_memory(Shop(), client_interceptors=[recorder]) as channel,
            InventoryClient(channel).reserve() as stream,
        ):
            await stream.send(Reservation(sku="x"))
            await stream.send(Reservation(sku="last"))
            assert len([result async for result in stream]) == 2
    replay = Replay(path, InventoryService)
    with pytest.raises(AssertionError, match=r"no further request came within 5.0 s"), replay:
        async with serve_in_memory(*replay.services) as channel, InventoryClient(channel).reserve() as stream:
            with pytest.raises(FailedPrecondition):
                await stream.send(Reservation(sku="x"))
                await stream.receive()


async def test_a_server_that_answers_as_recorded(tmp_path: Path) -> None:
    path = tmp_path / "calls"
    with anyio.fail_after(20):
        await recorded(path)
        async with serve_in_memory(Shop()) as channel:
            await verify_recording(path, channel, InventoryService)


class OtherShop(Shop):
    async def get_item(self, request: GetItemRequest, context: Context) -> Item:
        return Item(sku=request.sku, title="new")

    async def watch_items(self, request: WatchRequest, context: Context) -> AsyncIterator[StockChange]:
        yield StockChange(sku="a")
        if request.skus == ["forever"]:
            await anyio.sleep_forever()

    async def reserve(self, requests: AsyncIterator[Reservation], context: Context) -> AsyncIterator[ReservationResult]:
        async for request in requests:
            yield ReservationResult(outcome=ReservationResultOutcomeConfirmation(f"{request.sku}-{request.count}"))
            yield ReservationResult()


async def test_a_server_that_answers_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "calls"
    with anyio.fail_after(20):
        await recorded(path)
        async with serve_in_memory(OtherShop()) as channel:
            with pytest.raises(AssertionError) as told:
                await verify_recording(path, channel, InventoryService)
    text = str(told.value)
    assert '+  "title": "new"' in text
    assert "call 1, /shop.inventory.v1.Inventory/GetItem: without the trailers [('x-bag', '1')]" in text
    assert "call 2, /shop.inventory.v1.Inventory/GetItem: one response more than was recorded" in text
    assert "call 3, /shop.inventory.v1.Inventory/WatchItems: another response" in text
    assert "ended with OK: '', where a response was recorded" in text
    assert "call 5, /shop.inventory.v1.Inventory/Reserve: another response" in text
    assert "call 4" not in text
    assert "call 6" not in text


async def test_a_server_that_hangs_or_is_another(tmp_path: Path) -> None:
    path = tmp_path / "calls"
    await one_call(path)

    async def hang(request: GetItemRequest, context: Context) -> Item:
        await anyio.sleep_forever()
        raise AssertionError

    with anyio.fail_after(10):
        async with serve_in_memory(FakeService(InventoryService, get_item=hang)) as channel:
            with pytest.raises(AssertionError, match=r"nothing came within 5.0 s: a response was recorded"):
                await verify_recording(path, channel, InventoryService)
    async with serve_in_memory(Shop()) as channel:
        with pytest.raises(ConfigError, match="none of the services has this method"):
            await verify_recording(path, channel)
    with pytest.raises(ConfigError, match="the channel is not open"):
        await verify_recording(path, channel, InventoryService)


async def test_what_differs_each_time_and_what_was_redacted(tmp_path: Path) -> None:
    path = tmp_path / "calls"
    seen: list[Any] = []

    class Clock(Shop):
        async def get_item(self, request: GetItemRequest, context: Context) -> Item:
            seen.append(context.metadata.get("authorization"))
            return Item(sku=str(len(seen)))

    def without_number(item: Any) -> Any:
        return msgspec.structs.replace(item, sku="")

    with Recorder(path) as recorder:
        async with serve_in_memory(Clock(), client_interceptors=[recorder]) as channel:
            await InventoryClient(channel).get_item(GetItemRequest(), metadata={"authorization": "1"})
            await verify_recording_of(path, channel)
    async with serve_in_memory(Clock()) as channel:
        again = {"authorization": "2"}
        await verify_recording(path, channel, InventoryService, metadata=again, adjust=without_number)
    assert seen == ["1", "2"]


async def verify_recording_of(path: Path, channel: Channel) -> None:
    with pytest.raises(ConfigError, match="is not whole|is no recording"):
        await verify_recording(path, channel, InventoryService)


async def test_a_deadline_is_replayed(tmp_path: Path) -> None:
    path = tmp_path / "calls"
    started = anyio.Event()

    async def hang(request: GetItemRequest, context: Context) -> Item:
        started.set()
        await anyio.sleep_forever()
        raise AssertionError

    hanging = FakeService(InventoryService, get_item=hang)
    with anyio.fail_after(10):
        with Recorder(path) as recorder:
            async with serve_in_memory(hanging, client_interceptors=[recorder]) as channel:
                with pytest.raises(DeadlineExceeded):
                    await InventoryClient(channel).get_item(GetItemRequest(), timeout_s=0.1)
        (end,) = [line for line in lines_of(path) if line["event"] == "end"]
        assert (end["code"], end["cancel_cause"]) == ("DEADLINE_EXCEEDED", "deadline")
        with Replay(path, InventoryService) as replay:
            async with serve_in_memory(*replay.services) as channel:
                with pytest.raises(DeadlineExceeded):
                    await InventoryClient(channel).get_item(GetItemRequest())


async def test_a_server_records_too(tmp_path: Path) -> None:
    path = tmp_path / "calls"

    async def talk(channel: Channel) -> list[Any]:
        client = InventoryClient(channel)
        item = await client.get_item(GetItemRequest(sku="a"))
        with pytest.raises(NotFound) as missing:
            await client.get_item(GetItemRequest(sku="missing"))
        async with client.reserve() as stream:
            await stream.send(Reservation(sku="x"))
            await stream.send(Reservation(sku="last"))
            return [item, missing.value.details, [result async for result in stream]]

    with Recorder(path) as recorder:
        async with serve_in_memory(Shop(), server_interceptors=[recorder.on_server]) as channel:
            given = await talk(channel)
    with Replay(path, InventoryService) as replay:
        async with serve_in_memory(*replay.services) as channel:
            assert await talk(channel) == given


async def test_calls_that_outlast_the_recording(tmp_path: Path) -> None:
    path = tmp_path / "calls"
    recorder = Recorder(path)
    async with serve_in_memory(Shop(), client_interceptors=[recorder]) as channel:
        with recorder:
            watch = InventoryClient(channel).watch_items(WatchRequest(skus=["forever"]))
            await watch.__aenter__()
            await watch.receive()
        watch.cancel()
        with pytest.raises(ConfigError, match="is not entered: use 'with Recorder"):
            await InventoryClient(channel).get_item(GetItemRequest())
    assert lines_of(path)[-1]["cancel_cause"] == "stopped"


def test_blocking_clients(tmp_path: Path) -> None:
    path = tmp_path / "calls"
    with Recorder(path) as recorder, serve_in_memory_blocking(Shop(), client_interceptors=[recorder]) as channel:
        item = InventoryBlockingClient(channel).get_item(GetItemRequest(sku="a"))
    with Replay(path, InventoryService) as replay, serve_in_memory_blocking(*replay.services) as channel:
        assert InventoryBlockingClient(channel).get_item(GetItemRequest(sku="a")) == item


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not whole"),
        ("hello\n", "line 1 of .* is none of a recording"),
        ('{"event":"recording","version":7}\n', "is no recording of version 1"),
        ('{"event":"start","call":1,"method":"/a/b"}\n', "is no recording of version 1"),
        ('{"event":"recording","version":1}\n{"event":"end","call":1}\n', "line 2 .* call 1, which is not under way"),
        (
            '{"event":"recording","version":1}\n{"event":"start","call":1,"method":"/a/b"}\n',
            r"no end of call \[1\]; record it again",
        ),
        ('{"event":"recording","version":1}\n{"event":"start","call":1,"methd":"/a/b"}\n', "line 2"),
    ],
)
def test_files_that_are_no_recordings(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "calls").write_text(text)
    with pytest.raises(ConfigError, match=reason):
        Replay(tmp_path / "calls", InventoryService)
