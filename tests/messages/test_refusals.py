"""What the codec refuses, how it says so, and bytes written by hand for what the vectors leave out."""

from __future__ import annotations

import struct
import sys
from typing import Any

import pytest

from eventflux_runtime import CodecError
from eventflux_runtime.well_known import Empty
from eventflux_transport import EventFilter, EventRequest, MessageType, TransportMessage
from inventory_sdk import Item, ItemOriginPlant, ItemOriginSupplier, Plant
from kitchen_package import (
    Color,
    Forest,
    Maps,
    Nested,
    NestedMood,
    Nothing,
    Nothings,
    NothingsChoiceEmpty,
    Scalars,
    Shape,
    ShapeCircle,
    ShapeFillSolid,
    ShapeKindCircle,
    ShapeKindRadius,
    Tree,
    TreeGraftedForest,
)

IS_TOLD = sys.version_info >= (3, 14)
"""Whether Python shows an integer that has too many digits for a text, by how many there are."""
HUGE_INT = "<int instance with roughly 5001 digits" if IS_TOLD else "a value of type int too long to print"
HUGE_LIST = "[<int instance with roughly 5001 digits" if IS_TOLD else "a value of type list too long to print"


def u64(number: int) -> bytes:
    return struct.pack("<Q", number)


WRITTEN_BY_HAND: list[tuple[Any, str]] = [
    # A oneof is an Option of an enum, behind the plain fields, wherever the IDL has it.
    (
        Shape(name="a", layer=7, kind=ShapeKindRadius(value=1.0), fill=ShapeFillSolid(value=Color.RED)),
        "0100000000000000 61 07000000 01 02000000 000000000000f03f 01 00000000 01000000",
    ),
    (
        Shape(kind=ShapeKindCircle(value=ShapeCircle(radius=-0.0))),
        "0000000000000000 00000000 0100000000 0000000000000080 00",
    ),
    (Nothings(one=Nothing(), many=[Nothing()] * 3), "01 0300000000000000 0000000000000000 00"),
    (Nothings(choice=NothingsChoiceEmpty(value=Empty())), "00 0000000000000000 0000000000000000 01 01000000"),
    (
        Tree(label="r", left=Tree()),
        "010000000000000072 01" + "00" * 8 + "00" + "00" * 8 + "00" * 8 + "00" + "00" * 8 + "00" * 8 + "00",
    ),
    (Forest(trees=[]), "0000000000000000"),
    (Nested(mood=NestedMood.WILD), "00 00 01000000"),
]


@pytest.mark.parametrize(("message", "text"), WRITTEN_BY_HAND, ids=lambda value: type(value).__name__)
def test_bytes_written_by_hand(message: Any, text: str) -> None:
    data = bytes.fromhex(text)
    assert message.to_wire() == data
    assert type(message).from_wire(data) == message


def test_unsigned_and_extreme_numbers() -> None:
    message = Scalars(a_uint32=2**32 - 1, a_uint64=2**64 - 1, a_fixed32=2**31, an_int64=-(2**63), maybe_uint64=2**63)
    data = message.to_wire()
    assert data.count(b"\xff" * 12) == 1
    assert Scalars.from_wire(data) == message


def test_an_alias_of_an_enum_is_the_same_member() -> None:
    assert Color(1) is Color.RED
    assert Color["CRIMSON"] is Color.RED
    assert Scalars.from_wire(Scalars(maybe_color=Color.CRIMSON).to_wire()).maybe_color is Color.RED


REFUSED_VALUES: list[tuple[Any, str, str]] = [
    (TransportMessage(id=None), "TransportMessage.id", "expected a str that UTF-8 can encode; found None"),  # type: ignore[arg-type] # wrong on purpose
    (TransportMessage(id=b"x"), "TransportMessage.id", "found b'x'"),  # type: ignore[arg-type] # wrong on purpose
    (TransportMessage(id="\ud800"), "TransportMessage.id", "found '\\ud800'"),
    (TransportMessage(payload="x"), "TransportMessage.payload", "expected bytes; found 'x'"),  # type: ignore[arg-type] # wrong on purpose
    (TransportMessage(payload=bytearray(b"x")), "TransportMessage.payload", "expected bytes"),  # type: ignore[arg-type] # wrong on purpose
    (TransportMessage(headers={"k": 1}), "TransportMessage.headers", "found {'k': 1}"),  # type: ignore[dict-item] # wrong on purpose
    (TransportMessage(headers={1: "v"}), "TransportMessage.headers", "found {1: 'v'}"),  # type: ignore[dict-item] # wrong on purpose
    (TransportMessage(headers=[("k", "v")]), "TransportMessage.headers", "expected a dict of"),  # type: ignore[arg-type] # wrong on purpose
    (TransportMessage(headers={"k": "\udfff"}), "TransportMessage.headers", "that UTF-8 can encode"),
    (TransportMessage(priority=2**31), "TransportMessage.priority", "to 2147483647; found 2147483648"),
    (TransportMessage(priority=-(2**31) - 1), "TransportMessage.priority", "found -2147483649"),
    (TransportMessage(priority=1.0), "TransportMessage.priority", "found 1.0"),  # type: ignore[arg-type] # wrong on purpose
    (TransportMessage(priority=10**5000), "TransportMessage.priority", f"found {HUGE_INT}"),
    (TransportMessage(timestamp=2**63), "TransportMessage.timestamp", "found 9223372036854775808"),
    (TransportMessage(message_type=None), "TransportMessage.message_type", "expected MessageType or an int"),  # type: ignore[arg-type] # wrong on purpose
    (EventRequest(filter="all"), "EventRequest.filter", "expected EventFilter, or None; found 'all'"),  # type: ignore[arg-type] # wrong on purpose
    (EventRequest(filter=EventFilter(end_timestamp="1")), "EventFilter.end_timestamp", "found '1'"),  # type: ignore[arg-type] # wrong on purpose
    (EventFilter(stream_names="abc"), "EventFilter.stream_names", "expected a list of"),  # type: ignore[arg-type] # wrong on purpose
    (EventFilter(stream_names=("a",)), "EventFilter.stream_names", "found ('a',)"),  # type: ignore[arg-type] # wrong on purpose
    (EventFilter(stream_names=["a", 1]), "EventFilter.stream_names", "found ['a', 1]"),  # type: ignore[list-item] # wrong on purpose
    (Scalars(a_bool=1), "Scalars.a_bool", "expected True or False; found 1"),  # type: ignore[arg-type] # wrong on purpose
    (Scalars(a_uint32=-1), "Scalars.a_uint32", "from 0 to 4294967295; found -1"),
    (Scalars(a_uint64=2**64), "Scalars.a_uint64", "from 0 to 18446744073709551615"),
    (Scalars(a_float="1"), "Scalars.a_float", "expected a float; found '1'"),  # type: ignore[arg-type] # wrong on purpose
    (Scalars(a_double=10**400), "Scalars.a_double", "found 100000000000000"),
    (Scalars(maybe_string=1), "Scalars.maybe_string", "expected a str that UTF-8 can encode, or None"),  # type: ignore[arg-type] # wrong on purpose
    (Scalars(bools=[0]), "Scalars.bools", "expected a list of True or False"),  # type: ignore[list-item] # wrong on purpose
    (Scalars(int32s=[10**5000]), "Scalars.int32s", f"found {HUGE_LIST}"),
    (Scalars(colors=[2**31]), "Scalars.colors", "expected a list of Color or an int"),  # type: ignore[list-item] # wrong on purpose
    (Maps(by_bool={True: None}), "Maps.by_bool", "expected a dict of True or False to Point"),  # type: ignore[dict-item] # wrong on purpose
    (Item(origin="acme"), "Item.origin", "expected one of ItemOriginPlant, ItemOriginSupplier, or None; found 'acme'"),  # type: ignore[arg-type] # wrong on purpose
    (Item(origin=ItemOriginSupplier(value=7)), "Item.origin", "ItemOriginSupplier(value=7)"),  # type: ignore[arg-type] # wrong on purpose
    (Item(origin=ItemOriginPlant(value=Tree())), "Item.origin", "expected one of"),  # type: ignore[arg-type] # wrong on purpose
    (Nothings(many=[Nothing()] * 65), "Nothings.many", "65 elements without content, but at most 64 are allowed"),
    (Nothings(many=[1]), "Nothings.many", "expected a list of Nothing"),  # type: ignore[list-item] # wrong on purpose
]


def case_name(value: object) -> str | None:
    return value if isinstance(value, str) else ""


@pytest.mark.parametrize(("message", "field", "text"), REFUSED_VALUES, ids=case_name)
def test_a_value_that_does_not_fit_is_named(message: Any, field: str, text: str) -> None:
    with pytest.raises(CodecError) as caught:
        message.to_wire()
    assert str(caught.value).startswith(f"{field}: ")
    assert text in str(caught.value)
    assert (caught.value.field, caught.value.offset) == (field, -1)


@pytest.mark.parametrize("wrong", [None, "text", Plant(), 7, object()], ids=lambda wrong: type(wrong).__name__)
def test_a_message_of_another_type_is_named(wrong: Any) -> None:
    from librt.strings import BytesWriter

    from eventflux_transport import codec

    with pytest.raises(CodecError, match="expected a message of type TransportMessage, not"):
        codec.encode_transport_message(wrong, BytesWriter())


ID = u64(1) + b"i"
UP_TO_HEADERS = ID + bytes(4) + u64(0)

REFUSED_BYTES: list[tuple[type[Any], bytes, str, int, str]] = [
    (TransportMessage, b"", "TransportMessage.id", 0, "begins at byte 0, but the input ends at byte 0"),
    (TransportMessage, u64(1)[:7], "TransportMessage.id", 0, "but the input ends at byte 7"),
    (
        TransportMessage,
        u64(4) + b"abc",
        "TransportMessage.id",
        0,
        "length at byte 0 is 4, but the rest of the input has room for 3",
    ),
    (TransportMessage, b"\xff" * 8 + b"abc", "TransportMessage.id", 0, "is 18446744073709551615, but"),
    (TransportMessage, u64(2**63 - 1) + b"abc", "TransportMessage.id", 0, "is 9223372036854775807, but"),
    (TransportMessage, u64(3) + b"a\xffb", "TransportMessage.id", 9, "byte 9 of the input is not UTF-8"),
    (TransportMessage, u64(3) + b"\xed\xa0\x80", "TransportMessage.id", 8, "byte 8 of the input is not UTF-8"),
    (TransportMessage, ID + bytes(3), "TransportMessage.message_type", 9, "begins at byte 9"),
    (
        TransportMessage,
        UP_TO_HEADERS + u64(2) + bytes(31),
        "TransportMessage.headers",
        21,
        "is 2, but the rest of the input has room for 1",
    ),
    (TransportMessage, UP_TO_HEADERS + u64(1) + u64(1) + b"\x80" + bytes(8), "TransportMessage.headers", 37, "byte 37"),
    (
        EventRequest,
        u64(0) + b"\x02" + bytes(4),
        "EventRequest.filter",
        8,
        "the flag at byte 8 is 2, but must be 0 or 1",
    ),
    (EventRequest, u64(0) + b"\x01" + u64(0) + u64(2) + bytes(4), "EventFilter.message_types", 17, "has room for 1"),
    (
        EventRequest,
        u64(0) + b"\x00" + bytes(5),
        "EventRequest",
        13,
        "ends at byte 13, but the input goes on to byte 14",
    ),
    (Nothings, b"\x00" + u64(65) + u64(0) + b"\x00", "Nothings.many", 1, "65 elements without content"),
    (Nothings, b"\x00" + b"\xff" * 8 + u64(0) + b"\x00", "Nothings.many", 1, "18446744073709551615 elements"),
    (
        Shape,
        u64(0) + bytes(4) + b"\x01" + bytes([9, 0, 0, 0]) + bytes(8),
        "Shape.kind",
        13,
        "the variant at byte 13 is 9, but must be below 9",
    ),
    (Shape, u64(0) + bytes(4) + b"\x01" + b"\xff" * 4 + bytes(8), "Shape.kind", 13, "is 4294967295, but"),
    (Nothing, b"\x00", "Nothing", 0, "ends at byte 0, but the input goes on to byte 1"),
]


@pytest.mark.parametrize(("kind", "data", "field", "offset", "text"), REFUSED_BYTES, ids=case_name)
def test_bytes_that_are_no_message_are_placed(kind: type[Any], data: bytes, field: str, offset: int, text: str) -> None:
    with pytest.raises(CodecError) as caught:
        kind.from_wire(data)
    assert str(caught.value).startswith(f"{field}: ")
    assert text in str(caught.value)
    assert (caught.value.field, caught.value.offset) == (field, offset)


def test_a_bool_of_two_is_refused() -> None:
    data = bytearray(Scalars().to_wire())
    position = 8 + 4 + 4 + 8 + 4 + 8 + 4 + 8 + 4 + 8 + 4 + 8
    assert Scalars.from_wire(bytes(data[:position]) + b"\x01" + bytes(data[position + 1 :])).a_bool
    data[position] = 2
    with pytest.raises(CodecError, match=rf"^Scalars.a_bool: the flag at byte {position} is 2, but must be 0 or 1$"):
        Scalars.from_wire(bytes(data))


def nested(levels: int) -> Tree:
    tree = Tree(label="leaf")
    for _ in range(levels - 1):
        tree = Tree(left=tree)
    return tree


def test_nesting_is_limited_alike_in_both_directions() -> None:
    deepest = nested(101)
    data = deepest.to_wire()
    assert Tree.from_wire(data) == deepest
    too_deep = data.replace(u64(4) + b"leaf" + b"\x00", u64(4) + b"leaf" + b"\x01" + Tree().to_wire())
    for attempt in (lambda: Tree.from_wire(too_deep), nested(102).to_wire):
        with pytest.raises(CodecError, match="^Tree: nested more than 100 levels deep$"):
            attempt()


def test_a_message_that_contains_itself_is_refused() -> None:
    tree = Tree()
    tree.children.append(tree)
    with pytest.raises(CodecError, match="nested more than 100 levels deep"):
        tree.to_wire()
    with pytest.raises(CodecError, match="nested more than 100 levels deep"):
        tree.to_proto()
    forest = Forest()
    forest.trees.append(Tree(grafted=TreeGraftedForest(value=forest)))
    with pytest.raises(CodecError, match="nested more than 100 levels deep"):
        forest.to_wire()


def test_a_refused_message_leaves_what_was_written_before() -> None:
    from librt.strings import BytesWriter

    from eventflux_transport import codec

    writer = BytesWriter()
    writer.write(b"before")
    with pytest.raises(CodecError):
        codec.encode_transport_message(TransportMessage(id="x", priority=2**40), writer)
    writer.truncate(6)
    codec.encode_transport_message(TransportMessage(message_type=MessageType.EVENT), writer)
    assert writer.getvalue() == b"before" + TransportMessage(message_type=MessageType.EVENT).to_wire()
