"""The generated protobuf codec beside protobuf's own runtime: the same bytes, the same refusals, the same values."""

from __future__ import annotations

import contextlib
import math
import struct
import tracemalloc
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from librt.strings import BytesWriter

from eventflux_runtime import CodecError
from eventflux_transport import EventRequest, TransportMessage, transport_pb2
from eventflux_transport import protobuf as transport_protobuf
from kitchen_package import (
    Color,
    Forest,
    Keywords,
    Maps,
    Nothing,
    Nothings,
    NothingsChoiceNothing,
    Numbers,
    NumbersMixedHigh,
    NumbersMixedLow,
    NumbersMixedMiddle,
    Point,
    Scalars,
    Shape,
    ShapeCircle,
    ShapeKindCircle,
    ShapeKindNothing,
    ShapeKindRadius,
    ShapeKindSquare,
    ShapeSquare,
    Tree,
    TreeGraftedForest,
    Version,
)
from tests.support.catalogue import descriptor_of, message_classes
from tests.support.protobuf_object import has_kept_plain_entries, has_one_order, object_of, quieted, serialized
from tests.support.record import encoded_messages, length_prefixed, mutated, varint
from tests.support.strategy import any_message, messages_of
from tests.support.unknown import unknown_to

KINDS = pytest.mark.parametrize("kind", message_classes(), ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
FEW = settings(max_examples=3, suppress_health_check=SLOW)
SOME = settings(max_examples=40, suppress_health_check=SLOW)


def proto_class(kind: type[Any]) -> Any:
    return type(kind().to_proto())


def assert_same_bytes(message: Any, theirs: Any) -> None:
    """The bytes are equal, but for the order of a map's entries."""
    data, expected = message.to_protobuf(), serialized(theirs)
    assert len(data) == len(expected)
    assert serialized(type(theirs).FromString(data)) == expected
    if has_one_order(message):
        assert data == expected


def assert_read_alike(kind: type[Any], data: bytes) -> None:
    """Both runtimes refuse the bytes, or both read the same, unknown fields included."""
    try:
        theirs = proto_class(kind).FromString(data)
    except DecodeError:
        with pytest.raises(CodecError) as caught:
            kind.from_protobuf(data)
        assert caught.value.field
        assert 0 <= caught.value.offset <= len(data)
        return
    ours = kind.from_protobuf(data)
    if has_kept_plain_entries(theirs):
        return
    assert_same_bytes(ours, quieted(theirs))
    again = kind.from_protobuf(ours.to_protobuf())
    assert again.to_protobuf() == ours.to_protobuf()


@KINDS
@FEW
@given(data=st.data())
def test_a_message_has_the_bytes_that_protobuf_gives_it(kind: type[Any], data: st.DataObject) -> None:
    message = data.draw(messages_of(kind))
    theirs = object_of(message)
    assert_same_bytes(message, theirs)
    assert kind.from_protobuf(theirs.SerializeToString()) == message
    assert message.to_proto() == theirs
    assert kind.from_proto(theirs) == message


@KINDS
@FEW
@given(data=st.data())
def test_other_bytes_are_read_as_protobuf_reads_them(kind: type[Any], data: st.DataObject) -> None:
    records = data.draw(encoded_messages(descriptor_of(kind)))
    assert_read_alike(kind, records)
    assert_read_alike(kind, data.draw(mutated(records)))


@SOME
@given(message=any_message(), data=st.data())
def test_a_mutated_message_is_read_as_protobuf_reads_it(message: Any, data: st.DataObject) -> None:
    assert_read_alike(type(message), data.draw(mutated(message.to_protobuf())))


@SOME
@given(message=any_message(), data=st.data())
def test_a_truncated_message_is_read_as_protobuf_reads_it(message: Any, data: st.DataObject) -> None:
    encoded = message.to_protobuf()
    assume(encoded)
    assert_read_alike(type(message), encoded[: data.draw(st.integers(0, len(encoded) - 1))])


@KINDS
@FEW
@given(data=st.data())
def test_two_messages_put_together_are_merged(kind: type[Any], data: st.DataObject) -> None:
    one, other = data.draw(messages_of(kind)), data.draw(messages_of(kind))
    merged = object_of(one)
    merged.MergeFrom(object_of(other))
    assert_same_bytes(kind.from_protobuf(one.to_protobuf() + other.to_protobuf()), merged)


@KINDS
@FEW
@given(data=st.binary(max_size=60))
def test_garbage_is_read_as_protobuf_reads_it(kind: type[Any], data: bytes) -> None:
    assert_read_alike(kind, data)


@FEW
@given(message=messages_of(TransportMessage), before=st.binary(max_size=9), after=st.binary(max_size=9))
def test_a_message_is_read_from_the_middle_of_a_buffer(message: Any, before: bytes, after: bytes) -> None:
    writer = BytesWriter()
    writer.write(before)
    transport_protobuf.encode_transport_message_protobuf(message, writer)
    end = len(writer)
    writer.write(after)
    assert transport_protobuf.decode_transport_message_protobuf(writer.getvalue(), len(before), end) == message


POINT = bytes.fromhex("09000000000000f03f")
"""``Point(x=1.0)``."""
UNKNOWN = bytes.fromhex("a00605")
"""Field 100, which no message has, as a varint."""

WRITTEN_BY_HAND: list[tuple[Any, str]] = [
    (Scalars(an_int32=-1), "18ffffffffffffffffff01"),
    (Scalars(a_sint32=-(2**31), a_sint64=-(2**63)), "38ffffffff0f 40ffffffffffffffffff01"),
    (Scalars(a_sint32=1, a_sint64=-2), "3802 4003"),
    (Scalars(a_sint64=2**62), "40 80808080808080808001"),
    (Scalars(a_uint64=2**64 - 1, a_uint32=2**32 - 1), "28ffffffff0f 30ffffffffffffffffff01"),
    (Scalars(a_fixed32=2**32 - 1, a_fixed64=2**64 - 1), "4dffffffff 51ffffffffffffffff"),
    (Scalars(a_sfixed32=-2, a_sfixed64=-2), "5dfeffffff 61feffffffffffffff"),
    (Scalars(a_double=-0.0, a_float=-0.0), "090000000000000080 1500000080"),
    (Scalars(a_bool=True, a_string="ü", a_bytes=b"\0"), "6801 7202c3bc 7a0100"),
    (
        Scalars(maybe_uint32=0, maybe_bool=False, maybe_string="", maybe_color=Color(-1)),
        "b00100 c00100 ca0100 d801" + "ff" * 9 + "01",
    ),
    (Scalars(int32s=[1, -1], bools=[True], strings=["", "a"]), "8a020b01" + "ff" * 9 + "01 aa020101 b20200 b2020161"),
    (Numbers(apart=[-1, 1], doubles_apart=[1.0]), "880101 880102 9101000000000000f03f"),
    (Numbers(maybe_int32=0, mixed=NumbersMixedLow(0), maybe_float=0.0), "0800 1000 fd7f00000000"),
    (Numbers(maybe_int32=0, mixed=NumbersMixedMiddle(Numbers()), int64s=[1]), "1000 5200 5a0101"),
    (Numbers(maybe_int32=0, mixed=NumbersMixedHigh(1), maybe_float=0.0), "1000 fd7f00000000 fdffffff0f01000000"),
    (Maps(by_int32={0: ""}), "0a0408001200"),
    (Maps(by_bool={True: Point()}), "5a0408011200"),
    (Maps(by_sint32={-1: True}), "2a0408011001"),
    (Shape(kind=ShapeKindRadius(0.0)), "190000000000000000"),
    (Nothings(choice=NothingsChoiceNothing(Nothing()), many=[Nothing(), Nothing()]), "1200 1200 2200"),
    (unknown_to(Nothings(one=unknown_to(Nothing(), UNKNOWN)), UNKNOWN), "0a03a00605 a00605"),
]


@pytest.mark.parametrize(("message", "text"), WRITTEN_BY_HAND, ids=lambda value: type(value).__name__)
def test_bytes_written_by_hand(message: Any, text: str) -> None:
    data = bytes.fromhex(text)
    assert message.to_protobuf() == data
    assert type(message).from_protobuf(data) == message
    assert_read_alike(type(message), data)


READ_BY_HAND: list[tuple[str, str, Any]] = [
    ("the last scalar wins", "1801 1802", Scalars(an_int32=2)),
    ("bits beyond the 32nd", "18ffffffff1f", Scalars(an_int32=-1)),
    ("bits beyond the 64th", "20ffffffffffffffffff7f", Scalars(an_int64=-1)),
    ("a longer varint", "18858000", Scalars(an_int32=5)),
    ("a longer tag and length", "f280808000" + "81808000" + "61", Scalars(a_string="a")),
    ("any number is true", "688002", Scalars(a_bool=True)),
    ("a zero of ten bytes is false", "68" + "80" * 9 + "00", Scalars(a_bool=False)),
    ("packed and unpacked", "8a02020102 880203 8a020104", Scalars(int32s=[1, 2, 3, 4])),
    ("packed though written apart", "8a01020102", Numbers(apart=[-1, 1])),
    ("an empty packed list", "8a0200", Scalars()),
    ("an enum beyond 32 bits", "d8018180808010", Scalars(maybe_color=Color.RED)),
    ("another wire type", "1a0161 7001", unknown_to(Scalars(), bytes.fromhex("1a01617001"))),
    ("a group", "1b1b0805 1c1c", unknown_to(Scalars(), bytes.fromhex("1b1b08051c1c"))),
    ("an entry without key and value", "0a00", Maps(by_int32={0: ""})),
    ("an entry without a message", "5a020801", Maps(by_bool={True: Point()})),
    ("a key that stands twice", "0a05080112016 1 0a050801120162", Maps(by_int32={1: "b"})),
    (
        "parts of an entry's message",
        "5a18" + "0801 1209" + POINT.hex() + "1209" + "11000000000000f03f",
        Maps(by_bool={True: Point(x=1.0, y=1.0)}),
    ),
    ("an unknown field in an entry", "0a0718050801120161", unknown_to(Maps(), bytes.fromhex("0a0708011201611805"))),
    ("an unknown field in an entry of defaults", "0a06080012001805", unknown_to(Maps(), bytes.fromhex("0a021805"))),
    (
        "such an entry, with a tag of two bytes",
        "b20104 08021805",
        unknown_to(Numbers(), bytes.fromhex("b2010408021805")),
    ),
    ("an enum's name that is not known", "b20104080010 05", Numbers(known_versions={0: Version(5)})),
]


@pytest.mark.parametrize(
    ("text", "expected"), [each[1:] for each in READ_BY_HAND], ids=[each[0] for each in READ_BY_HAND]
)
def test_bytes_that_nobody_writes(text: str, expected: Any) -> None:
    data = bytes.fromhex(text.replace(" ", ""))
    assert type(expected).from_protobuf(data) == expected
    assert_read_alike(type(expected), data)


def test_a_message_in_parts_is_merged() -> None:
    circle = b"\x0a" + length_prefixed(bytes.fromhex("090000000000000040"))
    square = b"\x12" + length_prefixed(bytes.fromhex("090000000000000040"))
    again = b"\x0a" + length_prefixed(UNKNOWN)
    empty = b"\x0a\x00"
    radius = bytes.fromhex("190000000000000000")
    cases = {
        circle + again + empty: Shape(kind=ShapeKindCircle(unknown_to(ShapeCircle(radius=2.0), UNKNOWN))),
        circle + square + again: Shape(kind=ShapeKindCircle(unknown_to(ShapeCircle(), UNKNOWN))),
        circle + again + square: Shape(kind=ShapeKindSquare(ShapeSquare(side=2.0))),
        circle + radius + empty: Shape(kind=ShapeKindCircle(ShapeCircle())),
        circle + empty + square + again + empty: Shape(kind=ShapeKindCircle(unknown_to(ShapeCircle(), UNKNOWN))),
        circle + again + radius: Shape(kind=ShapeKindRadius(0.0)),
        circle + radius + b"\x30\x01": Shape(kind=ShapeKindNothing(value=True)),
        circle + b"\x09" + bytes(8) + empty: unknown_to(
            Shape(kind=ShapeKindCircle(ShapeCircle(radius=2.0))), b"\x09" + bytes(8)
        ),
    }
    for data, expected in cases.items():
        assert Shape.from_protobuf(data) == expected
        assert_read_alike(Shape, data)


def test_parts_of_a_message_within_parts() -> None:
    label = bytes.fromhex("0a0178")
    inner = b"\x12" + length_prefixed(label) + b"\x12" + length_prefixed(UNKNOWN + b"\x12\x00")
    data = b"\x12" + length_prefixed(inner) + b"\x12" + length_prefixed(b"\x12\x00")
    expected = Tree(left=Tree(left=unknown_to(Tree(label="x", left=Tree()), UNKNOWN)))
    assert Tree.from_protobuf(data) == expected
    assert_read_alike(Tree, data)


def test_each_part_of_a_message_consists_of_whole_records() -> None:
    """What only both parts together make a message is refused."""
    cut = b"\x12" + length_prefixed(b"\x0a")
    group, end = b"\x12" + length_prefixed(b"\xa3\x06"), b"\x12" + length_prefixed(b"\xa4\x06")
    for data in (
        cut + b"\x12" + length_prefixed(b"\x01x"),
        group + end,
        b"\x12" + length_prefixed(b"\xa4\x06") + b"\x12\x00",
    ):
        with pytest.raises(CodecError, match=r"^Tree\.left: "):
            Tree.from_protobuf(data)
        assert_read_alike(Tree, data)


def test_what_another_choice_replaces_has_to_be_a_message_all_the_same() -> None:
    bad = b"\x0a" + length_prefixed(b"\x09\x00")
    for behind in (b"\x19" + bytes(8), b"\x12\x00", b"\x0a\x00"):
        with pytest.raises(CodecError, match=r"^Shape"):
            Shape.from_protobuf(bad + behind)
        assert_read_alike(Shape, bad + behind)


def test_what_is_wrong_with_a_message_in_parts_is_said_of_its_last_part() -> None:
    part = b"\x12" + length_prefixed(b"\x12\x00")
    bad = b"\x12" + length_prefixed(b"\x0a\x01\xff")
    with pytest.raises(CodecError, match=r"byte 4 of the input is not UTF-8, counted in all parts") as caught:
        Tree.from_protobuf(part + bad)
    assert (caught.value.field, caught.value.offset) == ("Tree.label", len(part) + 2)


REFUSED: list[tuple[type[Any], str, str, int, str]] = [
    (TransportMessage, "0a", "TransportMessage.id", 0, "begins at byte 0 and is cut off at byte 1"),
    (
        TransportMessage,
        "1001 0a02 61",
        "TransportMessage.id",
        2,
        "begins at byte 2 with the length 2, but the rest of its message has room for 1",
    ),
    (TransportMessage, "0affffffff07", "TransportMessage.id", 0, "with the length 2147483647"),
    (TransportMessage, "0affffffff0f", "TransportMessage.id", 0, "a length takes more than 31 bits"),
    (TransportMessage, "0a818080808000 61", "TransportMessage.id", 0, "a length takes more than 31 bits"),
    (TransportMessage, "0a0161 0a0261ff", "TransportMessage.id", 6, "byte 6 of the input is not UTF-8"),
    (TransportMessage, "2207 0a0161 120 2c3 28", "TransportMessage.headers", 7, "byte 7 of the input is not UTF-8"),
    (
        TransportMessage,
        "10" + "ff" * 10 + "01",
        "TransportMessage.message_type",
        0,
        "a number takes more than ten bytes",
    ),
    (TransportMessage, "1a0161 10ff", "TransportMessage.message_type", 3, "cut off at byte 5"),
    (TransportMessage, "0001", "TransportMessage", 0, "there is no field 0"),
    (TransportMessage, "988080808000 01", "TransportMessage", 0, "a tag takes more than 32 bits"),
    (TransportMessage, "f8ffffff1f 01", "TransportMessage", 0, "a tag takes more than 32 bits"),
    (TransportMessage, "0f", "TransportMessage.id", 0, "there is no wire type 7"),
    (TransportMessage, "a606", "TransportMessage", 0, "there is no wire type 6"),
    (TransportMessage, "0c", "TransportMessage.id", 0, "a group ends that has not begun"),
    (TransportMessage, "a306 ac06", "TransportMessage", 0, "a group ends that has not begun"),
    (TransportMessage, "a306 0801", "TransportMessage", 0, "begins at byte 0 and is cut off at byte 4"),
    (EventRequest, "1203 0a0261", "EventFilter.stream_names", 2, "begins at byte 2 with the length 2"),
    (EventRequest, "1202 1801 12021801 1203 12020 1", "EventFilter.message_types", 10, "counted in all parts"),
    (Scalars, "fa010700000000000000 1801", "Scalars.doubles", 0, "its length is not that of its elements"),
    (Scalars, "8a020180 00", "Scalars.int32s", 0, "its length is not that of its elements"),
    (Scalars, "8a020180", "Scalars.int32s", 0, "cut off at byte 4"),
    (Scalars, "15000000", "Scalars.a_float", 0, "cut off at byte 4"),
    (Scalars, "61000000", "Scalars.a_sfixed64", 0, "cut off at byte 4"),
    (Tree, "a5060000", "Tree", 0, "cut off at byte 4"),
    (Shape, "190000", "Shape.kind", 0, "cut off at byte 3"),
]


def case_name(value: object) -> str | None:
    return value if isinstance(value, str) else ""


@pytest.mark.parametrize(("kind", "text", "field", "offset", "says"), REFUSED, ids=case_name)
def test_bytes_that_are_no_message_are_placed(kind: type[Any], text: str, field: str, offset: int, says: str) -> None:
    data = bytes.fromhex(text.replace(" ", ""))
    with pytest.raises(CodecError) as caught:
        kind.from_protobuf(data)
    assert str(caught.value).startswith(f"{field}: ")
    assert says in str(caught.value)
    assert (caught.value.field, caught.value.offset) == (field, offset)
    assert_read_alike(kind, data)


def nested(levels: int, tag: bytes, inner: bytes = b"") -> bytes:
    for _ in range(levels):
        inner = tag + length_prefixed(inner)
    return inner


def test_messages_lie_no_deeper_than_protobuf_lets_them() -> None:
    groups = b"\xa3\x06" * 50 + b"\xa4\x06" * 50
    entries = b""
    for _ in range(50):
        entries = b"\x22" + length_prefixed(b"\x12" + length_prefixed(entries))
    deepest = [
        nested(100, b"\x12"),
        nested(100, b"\x1a"),
        nested(100, b"\x2a"),
        nested(50, b"\x12", groups),
        b"\xa3\x06" * 100 + b"\xa4\x06" * 100,
        entries,
        nested(1, b"\x12", b"\x12\x00") * 2,
    ]
    for data in deepest:
        Tree.from_protobuf(data)
        assert_read_alike(Tree, data)
    for data in deepest[:-1]:
        with pytest.raises(CodecError, match="nested more than 100 levels deep"):
            Tree.from_protobuf(nested(1, b"\x12", data))
        assert_read_alike(Tree, nested(1, b"\x12", data))
    for data in (nested(100, b"\x12", b"\x22\x00"), nested(100, b"\x12") + nested(101, b"\x12")):
        with pytest.raises(CodecError, match="nested more than 100 levels deep"):
            Tree.from_protobuf(data)
        assert_read_alike(Tree, data)


def test_no_message_is_written_that_lies_too_deep_to_be_read() -> None:
    tree = Tree()
    for _ in range(100):
        tree = Tree(left=tree)
    assert Tree.from_protobuf(tree.to_protobuf()) == tree
    named = Tree()
    for _ in range(50):
        named = Tree(named={"": named})
    assert Tree.from_protobuf(named.to_protobuf()) == named
    leaf = tree
    while leaf.left is not None:
        leaf = leaf.left
    changes = {"left": Tree(), "children": [Tree()], "named": {"": Tree()}, "grafted": TreeGraftedForest(Forest())}
    for name, value in changes.items():
        old = getattr(leaf, name)
        setattr(leaf, name, value)
        with pytest.raises(CodecError, match="nested more than 100 levels deep"):
            tree.to_protobuf()
        setattr(leaf, name, old)


def test_an_entry_is_a_level_too() -> None:
    numbers = Numbers(pieces={"": b""})
    for _ in range(99):
        numbers = Numbers(mixed=NumbersMixedMiddle(numbers))
    assert Numbers.from_protobuf(numbers.to_protobuf()) == numbers
    with pytest.raises(CodecError, match="nested more than 100 levels deep"):
        Numbers(mixed=NumbersMixedMiddle(numbers)).to_protobuf()
    assert_read_alike(Numbers, b"\x52" + length_prefixed(numbers.to_protobuf()))


REFUSED_VALUES: list[tuple[Any, str]] = [
    (TransportMessage(id=None), "TransportMessage.id"),  # type: ignore[arg-type] # wrong on purpose
    (TransportMessage(id=b""), "TransportMessage.id"),  # type: ignore[arg-type] # wrong on purpose
    (TransportMessage(id="\ud800"), "TransportMessage.id"),
    (TransportMessage(payload=bytearray()), "TransportMessage.payload"),  # type: ignore[arg-type] # wrong on purpose
    (TransportMessage(payload=""), "TransportMessage.payload"),  # type: ignore[arg-type] # wrong on purpose
    (TransportMessage(headers=[]), "TransportMessage.headers"),  # type: ignore[arg-type] # wrong on purpose
    (TransportMessage(headers={"k": None}), "TransportMessage.headers"),  # type: ignore[dict-item] # wrong on purpose
    (TransportMessage(priority=0.0), "TransportMessage.priority"),  # type: ignore[arg-type] # wrong on purpose
    (TransportMessage(priority=1.0), "TransportMessage.priority"),  # type: ignore[arg-type] # wrong on purpose
    (TransportMessage(priority=-(2**31) - 1), "TransportMessage.priority"),
    (TransportMessage(timestamp=2**63), "TransportMessage.timestamp"),
    (TransportMessage(timestamp=10**30), "TransportMessage.timestamp"),
    (TransportMessage(message_type=None), "TransportMessage.message_type"),  # type: ignore[arg-type] # wrong on purpose
    (EventRequest(filter="all"), "EventRequest.filter"),  # type: ignore[arg-type] # wrong on purpose
    (Scalars(a_bool=0), "Scalars.a_bool"),  # type: ignore[arg-type] # wrong on purpose
    (Scalars(a_uint32=-1), "Scalars.a_uint32"),
    (Scalars(a_uint64=2**64), "Scalars.a_uint64"),
    (Scalars(a_uint64=-1), "Scalars.a_uint64"),
    (Scalars(a_sint32=2**31), "Scalars.a_sint32"),
    (Scalars(a_sint64=-(2**63) - 1), "Scalars.a_sint64"),
    (Scalars(a_fixed32=2**32), "Scalars.a_fixed32"),
    (Scalars(a_fixed32=1.0), "Scalars.a_fixed32"),  # type: ignore[arg-type] # wrong on purpose
    (Scalars(a_sfixed32=-(2**31) - 1), "Scalars.a_sfixed32"),
    (Scalars(a_sfixed32=1.5), "Scalars.a_sfixed32"),  # type: ignore[arg-type] # wrong on purpose
    (Scalars(a_fixed64=-1), "Scalars.a_fixed64"),
    (Scalars(a_sfixed64=2**63), "Scalars.a_sfixed64"),
    (Scalars(a_float="1"), "Scalars.a_float"),  # type: ignore[arg-type] # wrong on purpose
    (Scalars(a_double=None), "Scalars.a_double"),  # type: ignore[arg-type] # wrong on purpose
    (Scalars(a_double=10**400), "Scalars.a_double"),
    (Scalars(int32s=(1,)), "Scalars.int32s"),  # type: ignore[arg-type] # wrong on purpose
    (Scalars(int32s=[2**31]), "Scalars.int32s"),
    (Scalars(strings="abc"), "Scalars.strings"),  # type: ignore[arg-type] # wrong on purpose
    (Maps(by_bool={True: None}), "Maps.by_bool"),  # type: ignore[dict-item] # wrong on purpose
    (Shape(kind="round"), "Shape.kind"),  # type: ignore[arg-type] # wrong on purpose
    (Shape(kind=ShapeKindCircle(ShapeSquare())), "Shape.kind"),  # type: ignore[arg-type] # wrong on purpose
    (Numbers(mixed=ShapeKindRadius(1.0)), "Numbers.mixed"),  # type: ignore[arg-type] # wrong on purpose
]


@pytest.mark.parametrize(("message", "field"), REFUSED_VALUES, ids=case_name)
def test_a_value_that_does_not_fit_is_named(message: Any, field: str) -> None:
    with pytest.raises(CodecError) as caught:
        message.to_protobuf()
    assert str(caught.value).startswith(f"{field}: expected ")
    assert (caught.value.field, caught.value.offset) == (field, -1)


def test_a_message_of_another_type_is_named() -> None:
    with pytest.raises(CodecError, match="expected a message of type TransportMessage, not"):
        transport_protobuf.encode_transport_message_protobuf(EventRequest(), BytesWriter())  # type: ignore[arg-type] # wrong on purpose


def test_floats_that_are_no_numbers_come_back() -> None:
    again = Scalars.from_protobuf(Scalars(a_double=math.nan, a_float=-math.inf, floats=[math.nan]).to_protobuf())
    assert math.isnan(again.a_double)
    assert again.a_float == -math.inf
    assert math.isnan(again.floats[0])
    assert Scalars(a_float=1e300).to_protobuf() == Scalars(a_float=math.inf).to_protobuf()


def test_unknown_fields_are_bytes_or_refused_at_once() -> None:
    message: Any
    for message, value, found in ((TransportMessage(), None, "NoneType"), (Nothing(), "text", "str")):
        name = type(message).__name__
        with pytest.raises(TypeError, match=f"^{name}.unknown_fields: expected bytes, not {found}$"):
            message.unknown_fields = value
        assert message.unknown_fields == b""


def test_a_child_of_a_class_writes_its_unknown_fields() -> None:
    class Noted(TransportMessage):
        """A user's own child, with a field that the codec does not know."""

        note: str = "new"

    message = unknown_to(Noted(id="i"), UNKNOWN)
    assert message.to_protobuf() == b"\x0a\x01i" + UNKNOWN
    assert Noted.from_protobuf(message.to_protobuf()) == message


def test_unknown_fields_survive_protobufs_own_objects_and_no_layout() -> None:
    message = unknown_to(TransportMessage(id="i"), UNKNOWN)
    assert TransportMessage.from_proto(message.to_proto()) == message
    assert message.to_proto() == transport_pb2.TransportMessage.FromString(b"\x0a\x01i" + UNKNOWN)
    assert TransportMessage.from_wire(message.to_wire()) == TransportMessage(id="i") != message
    assert repr(message) == repr(TransportMessage(id="i"))
    assert Keywords(unknown_fields_=b"x").to_protobuf() == bytes.fromhex("e2010178")


def test_what_lies_in_itself_has_a_repr() -> None:
    tree = Tree(label="x")
    tree.children.append(tree)
    assert repr(tree) == "Tree(label='x', left=None, children=[...], named={}, grafted=None)"


@pytest.mark.parametrize("kind", [TransportMessage, Scalars, Maps, Tree, Shape, Nothings])
@pytest.mark.parametrize("size", [2**20, 2**31 - 1, 2**31, 2**63], ids=hex)
def test_no_length_is_believed_beyond_the_input(kind: type[Any], size: int) -> None:
    tags = [varint(field.number << 3 | wire) for field in descriptor_of(kind).fields for wire in (2, 3)]
    tracemalloc.start()
    try:
        for tag in tags:
            for before in (b"", b"\x12\x0a"):
                with contextlib.suppress(CodecError):
                    kind.from_protobuf(before + tag + varint(size) + bytes(8))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 200_000


def test_many_parts_and_many_unknown_fields_are_read_in_a_time_that_grows_with_the_input() -> None:
    """A part, or an unknown field, that copied what came before it would take minutes here."""
    unknown = UNKNOWN * 200_000
    assert Tree.from_protobuf(unknown).unknown_fields == unknown
    part = b"\x12" + length_prefixed(b"\x12" + length_prefixed(UNKNOWN))
    read = Tree.from_protobuf(part * 100_000)
    assert read == Tree(left=Tree(left=unknown_to(Tree(), UNKNOWN * 100_000)))


def test_parts_at_every_level_are_read_once() -> None:
    """Two parts at each of a hundred levels: a part that was read twice would take forever."""
    data = b""
    for _ in range(100):
        data = b"\x12" + length_prefixed(data) + b"\x12\x00"
    assert_read_alike(Tree, data)
    data = b""
    for _ in range(100):
        data = b"\x2a" + length_prefixed(data) + b"\x2a\x00"
    assert_read_alike(Tree, data)


def test_a_long_message_within_messages_has_a_length_of_several_bytes() -> None:
    for size in (0, 100, 127, 128, 16_383, 16_384, 2_097_152):
        tree = Tree(left=Tree(children=[Tree(label="x" * size)]), named={"k": Tree(label="y" * size)})
        message = TransportMessage(headers={"x" * size: "y" * size})
        for each in (tree, message):
            assert each.to_protobuf() == object_of(each).SerializeToString()
            assert type(each).from_protobuf(each.to_protobuf()) == each


def test_the_kinds_of_nan_that_python_tells_apart_are_kept() -> None:
    data = b"\x09" + struct.pack("<Q", 0x7FF8000000000001)
    assert Scalars.from_protobuf(data).to_protobuf() == data
