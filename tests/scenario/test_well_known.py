"""Methods that take or give what protobuf brings, and messages that hold it anywhere: the same on every wire."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from eventflux_runtime import (
    CodecError,
    Context,
)
from eventflux_runtime.well_known import (
    Any as AnyMessage,
)
from eventflux_runtime.well_known import (
    BoolValue,
    BytesValue,
    Duration,
    Empty,
    FieldMask,
    JsonValue,
    ListValue,
    NullValue,
    StringValue,
    Struct,
    Timestamp,
    UInt64Value,
    Value,
)
from kitchen_package import (
    Aged,
    Carried,
    CarriedOneAny,
    CarriedOneBlock,
    CarriedOneEmpty,
    CarriedOneMask,
    CarriedOneNumber,
    CarriedOneSpan,
    Keywords,
    KitchenClient,
    KitchenService,
    KnownClient,
    KnownService,
    Point,
    Tree,
)
from kitchen_package import Timestamp as OwnTimestamp
from tests.support.wires import WIRES, address, connect, serve

EVERYTHING: Final = Carried(
    any_by_name={"": AnyMessage.pack(Point(x=1.5)), "empty": AnyMessage()},
    anything=[AnyMessage.pack(AnyMessage.pack(Value(None))), AnyMessage.pack(Struct({"a": [None]}))],
    objects={-1: {}, 2: {"a": {"b": [1.0, None, "c", True]}}},
    arrays={True: [], False: [None, [{}]]},
    lists=[[], [1.0], [[]]],
    times={"t": Timestamp(-1, 999_999_999)},
    spans=[Duration(), Duration(-1, -1)],
    empties={"": Empty(), "e": Empty()},
    nulls={0: NullValue.NULL_VALUE},
    blocks={"": b"", "b": b"\xff"},
)
CHOICES: Final = (
    CarriedOneAny(AnyMessage.pack(Point())),
    CarriedOneSpan(Duration()),
    CarriedOneMask(FieldMask(["a.b"])),
    CarriedOneEmpty(Empty()),
    CarriedOneNumber(0.0),
    CarriedOneBlock(b""),
)


class Known(KnownService):
    """Gives back what it gets, in the form that the method asks for."""

    async def find(self, request: StringValue, context: Context) -> Struct:
        return Struct({request.value: None})

    async def look(self, request: StringValue, context: Context) -> Value:
        return Value([request.value])

    async def put(self, request: Aged, context: Context) -> BoolValue:
        return BoolValue(bool(request.name))

    async def watch(self, request: OwnTimestamp, context: Context) -> AsyncIterator[Timestamp]:
        for nanos in range(3):
            yield Timestamp(1, nanos)

    async def store(self, request: Struct, context: Context) -> Empty:
        assert request == Struct({"a": [1.0]})
        return Empty()

    async def load(self, request: Empty, context: Context) -> Struct:
        return Struct({"a": {"b": None}})

    async def relay(self, requests: AsyncIterator[Value], context: Context) -> AsyncIterator[Value]:
        async for request in requests:
            yield request

    async def join(self, requests: AsyncIterator[ListValue], context: Context) -> ListValue:
        return ListValue([item async for request in requests for item in request.values])

    async def count(self, request: BytesValue, context: Context) -> UInt64Value:
        return UInt64Value(2**64 - len(request.value))

    async def pass_(self, request: AnyMessage, context: Context) -> AnyMessage:
        return request

    async def carry(self, request: Carried, context: Context) -> Carried:
        return request


class Kitchen(KitchenService):
    """Gives back what it gets."""

    async def import_(self, request: Keywords, context: Context) -> Keywords:
        return request

    async def gather(self, requests: Any, context: Context) -> Any:
        raise NotImplementedError

    async def scatter(self, request: Empty, context: Context) -> AsyncIterator[Tree]:
        yield nested(100)

    def exchange(self, requests: Any, context: Context) -> Any:
        raise NotImplementedError


def nested(levels: int) -> Tree:
    tree = Tree()
    for _ in range(levels):
        tree = Tree(left=tree)
    return tree


@asynccontextmanager
async def known(wire: str, tmp_path: Path) -> AsyncIterator[KnownClient]:
    async with (
        serve([Known(), Kitchen()], address(wire, tmp_path)) as server,
        connect(server.endpoints[0]) as channel,
    ):
        yield KnownClient(channel)


on_each_wire = pytest.mark.parametrize("wire", WIRES)


@on_each_wire
async def test_a_method_takes_and_gives_them_by_themselves(wire: str, tmp_path: Path) -> None:
    async with known(wire, tmp_path) as client:
        with pytest.warns(DeprecationWarning, match="call Look"):
            assert await client.find(StringValue("a")) == Struct({"a": None})  # type: ignore[deprecated, unused-ignore] # on purpose
        assert await client.look(StringValue("")) == Value([""])
        assert await client.put(Aged(name="n")) == BoolValue(True)
        assert await client.store(Struct({"a": [1]})) == Empty()
        assert await client.load(Empty()) == Struct({"a": {"b": None}})
        assert await client.count(BytesValue(b"ab")) == UInt64Value(2**64 - 2)
        packed = await client.pass_(AnyMessage.pack(Point(x=2.5)))
        assert packed.unpack(Point) == Point(x=2.5)


@on_each_wire
async def test_a_stream_carries_them_by_themselves(wire: str, tmp_path: Path) -> None:
    given: tuple[JsonValue, ...] = (None, False, 0.0, "", [], {}, {"a": [None]})
    values = [Value(value) for value in given]
    async with known(wire, tmp_path) as client:
        async with client.watch(OwnTimestamp()) as watch:
            assert [moment.nanos async for moment in watch] == [0, 1, 2]
        async with client.relay() as relay:
            for value in values:
                await relay.send(value)
            await relay.end()
            assert [value async for value in relay] == values
        async with client.join() as join:
            await join.send(ListValue([None, "a"]))
            await join.send(ListValue([[]]))
            assert await join.finish() == ListValue([None, "a", []])


@on_each_wire
async def test_a_message_holds_them_anywhere(wire: str, tmp_path: Path) -> None:
    async with known(wire, tmp_path) as client:
        assert await client.carry(EVERYTHING) == EVERYTHING
        for choice in CHOICES:
            assert await client.carry(Carried(one=choice)) == Carried(one=choice)


@on_each_wire
async def test_each_wire_has_the_same_depth(wire: str, tmp_path: Path) -> None:
    deepest: object = None
    for _ in range(33):
        deepest = {"k": deepest}
    async with known(wire, tmp_path) as client:
        assert isinstance(deepest, dict)
        assert await client.load(Empty()) is not None
        packed = await client.pass_(AnyMessage.pack(Struct(deepest)))
        assert packed.unpack(Struct) == Struct(deepest)
        with pytest.raises(CodecError, match="nested more than 100 levels deep"):
            await client.store(Struct({"k": {"k": deepest}}))
        async with KitchenClient(client._channel).scatter(Empty()) as trees:
            assert [tree async for tree in trees] == [nested(100)]


def test_json_has_the_same() -> None:
    assert Carried.from_json(EVERYTHING.to_json()) == EVERYTHING
    for choice in CHOICES:
        assert Carried.from_json(Carried(one=choice).to_json()) == Carried(one=choice)
