"""What one encoding carries, every encoding carries: depth of messages in each other, and lists of empty ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.message import DecodeError

from eventflux_runtime import CodecError, Context, connect, serve
from eventflux_runtime.well_known import Any as AnyMessage
from eventflux_runtime.well_known import ListValue, Struct, Value
from kitchen_package import (
    Forest,
    Json,
    KitchenClient,
    KitchenService,
    Nothing,
    Nothings,
    NothingsChoiceNothing,
    Numbers,
    NumbersMixedMiddle,
    NumbersMixedNothing,
    Shape,
    Tree,
    TreeGraftedForest,
    methods,
)

ENCODINGS: dict[str, tuple[Callable[[Any], Any], Callable[[type[Any], Any], Any]]] = {
    "native": (lambda message: message.to_wire(), lambda kind, data: kind.from_wire(data)),
    "protobuf": (lambda message: message.to_protobuf(), lambda kind, data: kind.from_protobuf(data)),
    "json": (lambda message: message.to_json(), lambda kind, data: kind.from_json(data)),
}
EACH = pytest.mark.parametrize("encoding", ENCODINGS)


def nested(levels: int, step: Callable[[Any], Any], inner: Any) -> Any:
    for _ in range(levels):
        inner = step(inner)
    return inner


DEEPEST: list[tuple[str, Any, Callable[[Any], Any], int]] = [
    ("field", Tree(), lambda tree: Tree(left=tree), 100),
    ("list", Tree(), lambda tree: Tree(children=[tree]), 100),
    ("map", Tree(), lambda tree: Tree(named={"k": tree}), 50),
    ("oneof", Tree(), lambda tree: Tree(grafted=TreeGraftedForest(Forest(trees=[tree]))), 50),
    ("own message", Json(), lambda inner: Json(inner=inner), 100),
    ("struct", Struct(), lambda inner: Struct({"k": inner.fields}), 33),
    ("list of json", ListValue(), lambda inner: ListValue([inner.values]), 50),
    ("value", Value(), lambda inner: Value([inner.value]), 50),
]
"""What nests, and how often it may: an entry of a map is a level, and a struct in a struct is three."""


@EACH
@pytest.mark.parametrize(("step", "most"), [(row[2], row[3]) for row in DEEPEST], ids=[row[0] for row in DEEPEST])
def test_depth_has_one_limit(encoding: str, step: Callable[[Any], Any], most: int) -> None:
    inner = next(row[1] for row in DEEPEST if row[2] is step)
    write, read = ENCODINGS[encoding]
    deepest = nested(most, step, inner)
    assert read(type(deepest), write(deepest)) == deepest
    with pytest.raises(CodecError, match="nested more than 100 levels deep"):
        write(step(deepest))


@pytest.mark.parametrize(("step", "most"), [(row[2], row[3]) for row in DEEPEST], ids=[row[0] for row in DEEPEST])
def test_it_is_that_of_protobuf(step: Callable[[Any], Any], most: int) -> None:
    inner = next(row[1] for row in DEEPEST if row[2] is step)
    deepest = nested(most, step, inner)
    data = deepest.to_protobuf()
    proto = type(deepest.to_proto())
    assert proto.FromString(data).SerializeToString()
    outer = step(type(deepest)())
    hostile = _wrapped(outer.to_protobuf(), data) if isinstance(outer, Tree) and outer.left is not None else None
    if hostile is not None:
        with pytest.raises(DecodeError):
            proto.FromString(hostile)
        with pytest.raises(CodecError, match="nested more than 100 levels deep"):
            type(deepest).from_protobuf(hostile)


@EACH
def test_a_message_that_holds_none_counts_where_it_lies(encoding: str) -> None:
    write, read = ENCODINGS[encoding]
    leaf = NumbersMixedNothing(Nothing())
    deepest = nested(99, lambda inner: Numbers(mixed=NumbersMixedMiddle(inner)), Numbers(mixed=leaf))
    data = write(deepest)
    assert read(Numbers, data) == deepest
    with pytest.raises(CodecError, match="nested more than 100 levels deep"):
        write(Numbers(mixed=NumbersMixedMiddle(deepest)))
    if encoding == "protobuf":
        proto = type(deepest.to_proto())
        assert proto.FromString(data).SerializeToString()
        hostile = _wrapped(Numbers(mixed=NumbersMixedMiddle(Numbers())).to_protobuf(), data)
        with pytest.raises(DecodeError):
            proto.FromString(hostile)
        with pytest.raises(CodecError, match="nested more than 100 levels deep"):
            Numbers.from_protobuf(hostile)


def _wrapped(outer: bytes, data: bytes) -> bytes:
    """A message in the only field that another one has."""
    size, length = len(data), b""
    while size > 0x7F:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    return outer[:1] + length + bytes([size]) + data


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Tree, '{"left": ' * 101 + "{}" + "}" * 101),
        (Struct, '{"k": ' * 34 + "{}" + "}" * 34),
        (ListValue, "[" * 52 + "]" * 52),
        (Tree, '{"left": ' * 100_000),
        (ListValue, "[" * 100_000),
        (AnyMessage, '{"@type": "x/google.protobuf.Any", "value": ' * 102 + "{}" + "}" * 102),
    ],
)
def test_json_that_is_nested_deeper_is_refused(kind: type[Any], text: str) -> None:
    with pytest.raises(CodecError, match="nested (more than 100 levels|too) deep"):
        kind.from_json(text)


def test_native_bytes_that_are_nested_deeper_are_refused() -> None:
    deep = nested(100, lambda tree: Tree(left=tree), Tree()).to_wire()
    empty = Tree().to_wire()
    prefix = empty[:8] + b"\x01"
    with pytest.raises(CodecError, match="nested more than 100 levels deep"):
        Tree.from_wire(prefix + deep + empty[9:])
    with pytest.raises(CodecError, match="nested more than 100 levels deep"):
        ListValue.from_wire((b"\x01" + bytes(7) + b"\x01\x05\x00\x00\x00") * 60 + bytes(8))


class Kitchen(KitchenService):
    """Returns what it gets."""

    async def import_(self, request: Any, context: Context) -> Any:
        return request

    async def gather(self, requests: Any, context: Context) -> Nothings:
        shapes = [shape async for shape in requests]
        return Nothings(many=[Nothing()] * shapes[0].layer)

    def scatter(self, request: Any, context: Context) -> Any:
        raise NotImplementedError

    def exchange(self, requests: Any, context: Context) -> Any:
        raise NotImplementedError


@pytest.mark.parametrize("url", ["tcp://127.0.0.1:0", "grpc://127.0.0.1:0"])
@pytest.mark.parametrize("count", [64, 65, 1000])
async def test_a_list_of_empty_messages_has_no_limit_on_any_wire(url: str, count: int) -> None:
    async with (
        serve([Kitchen()], url) as server,
        connect(server.endpoints[0]) as channel,
        KitchenClient(channel).gather() as call,
    ):
        await call.send(Shape(layer=count))
        answer = await call.finish()
    assert len(answer.many) == count


def test_such_methods_alone_leave_the_native_layout() -> None:
    assert methods.KITCHEN_GATHER.prefers_protobuf
    assert not methods.KITCHEN_IMPORT.prefers_protobuf
    assert not methods.KITCHEN_SCATTER.prefers_protobuf


@EACH
def test_other_encodings_than_the_native_layout_bound_no_empty_messages(encoding: str) -> None:
    write, read = ENCODINGS[encoding]
    most = 64 if encoding == "native" else 1000
    message = Nothings(many=[Nothing()] * most, choice=NothingsChoiceNothing(Nothing()))
    assert read(Nothings, write(message)) == message
