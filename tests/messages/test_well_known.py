"""Protobuf's well-known types: one class of each, and what Python people expect of them."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from google.protobuf import any_pb2, duration_pb2, struct_pb2, timestamp_pb2, type_pb2, wrappers_pb2
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from eventflux_runtime import CodecError, well_known
from eventflux_runtime.well_known import Any as AnyMessage
from eventflux_runtime.well_known import Duration, ListValue, Struct, Timestamp, Value
from eventflux_runtime.well_known import messages as known_messages
from kitchen_package import Json, JsonKindAnArray, Point, Scalars, WellKnown, Wrapped, WrappedChoiceFlag
from kitchen_package import Timestamp as OwnTimestamp

EAST = timezone(timedelta(hours=5, minutes=30))
MOMENTS = st.datetimes(timezones=st.sampled_from([UTC, EAST]))


def descriptor_of(name: str) -> Any:
    for module in ("any", "api", "duration", "empty", "field_mask", "source_context", "struct", "timestamp", "type"):
        found = importlib.import_module(f"google.protobuf.{module}_pb2").DESCRIPTOR.message_types_by_name.get(name)
        if found is not None:
            return found
    return wrappers_pb2.DESCRIPTOR.message_types_by_name[name]


def test_classes_have_the_fields_of_protobufs_files() -> None:
    for name in known_messages.__all__:
        kind = getattr(well_known, name)
        if hasattr(kind, "to_proto"):
            assert list(kind.__struct_fields__) == [field.name for field in descriptor_of(name).fields], name
    for enum, members in (
        (well_known.FieldKind, type_pb2.Field.Kind),
        (well_known.FieldCardinality, type_pb2.Field.Cardinality),
        (well_known.Syntax, type_pb2.Syntax),
    ):
        assert [int(member) for member in enum] == list(members.values())


def test_all_packages_share_one_class_of_each() -> None:
    import kitchen_package
    import legacy_package

    for name in ("Any", "Duration", "Empty", "FieldMask", "NullValue", "StringValue"):
        assert getattr(kitchen_package, name) is getattr(well_known, name)
    assert "ListValue" not in dir(legacy_package)  # which is a list wherever the package has one
    assert kitchen_package.Timestamp is OwnTimestamp
    assert type(WellKnown.from_wire(WellKnown(at=Timestamp()).to_wire()).at) is Timestamp
    real = OwnTimestamp(text="x", real=Timestamp(1, 2))
    assert OwnTimestamp.from_protobuf(real.to_protobuf()) == OwnTimestamp.from_wire(real.to_wire()) == real


@given(moment=MOMENTS)
def test_a_datetime_comes_back(moment: datetime) -> None:
    stamp = Timestamp.from_datetime(moment)
    theirs = timestamp_pb2.Timestamp()
    theirs.FromDatetime(moment)
    assert (stamp.seconds, stamp.nanos) == (theirs.seconds, theirs.nanos)
    assert stamp.to_datetime() == moment
    assert stamp.to_datetime(EAST).utcoffset() == EAST.utcoffset(None)
    assert Timestamp.from_nanoseconds(stamp.to_nanoseconds()) == stamp


def test_nanoseconds_are_not_lost() -> None:
    stamp = Timestamp.from_nanoseconds(-1)
    assert (stamp.seconds, stamp.nanos, stamp.to_nanoseconds()) == (-1, 999_999_999, -1)
    assert stamp.to_datetime() == datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    assert Timestamp(0, 1).nanos == 1
    assert abs(Timestamp.now().to_datetime() - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_datetime_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="has no time zone: say which"):
        Timestamp.from_datetime(datetime(2020, 1, 1))  # noqa: DTZ001 - what is tested


@pytest.mark.parametrize("stamp", [Timestamp(2**60), Timestamp(-62_135_596_801), Timestamp(0, -1), Timestamp(0, 10**9)])
def test_a_timestamp_that_is_none_is_a_codec_error(stamp: Timestamp) -> None:
    with pytest.raises(CodecError, match="^Timestamp.(seconds|nanos): expected an int from "):
        stamp.to_datetime()


@given(span=st.timedeltas(timedelta(days=-3_652_500), timedelta(days=3_652_500)))
def test_a_timedelta_comes_back(span: timedelta) -> None:
    duration = Duration.from_timedelta(span)
    theirs = duration_pb2.Duration()
    theirs.FromTimedelta(span)
    assert (duration.seconds, duration.nanos) == (theirs.seconds, theirs.nanos)
    assert duration.to_timedelta() == span


@given(nanoseconds=st.integers(-(10**18), 10**18))
def test_a_duration_has_nanoseconds(nanoseconds: int) -> None:
    duration = Duration.from_nanoseconds(nanoseconds)
    duration.check()
    assert duration.to_nanoseconds() == nanoseconds
    theirs = duration_pb2.Duration(seconds=duration.seconds, nanos=duration.nanos)
    assert duration.to_timedelta() == theirs.ToTimedelta()


@pytest.mark.parametrize("span", [Duration(1, -1), Duration(-1, 1), Duration(315_576_000_001), Duration(0, 10**9)])
def test_a_duration_that_is_none_is_a_codec_error(span: Duration) -> None:
    with pytest.raises(CodecError, match="^Duration.(seconds|nanos): expected "):
        span.to_timedelta()


def test_any_packs_and_unpacks() -> None:
    packed = AnyMessage.pack(Point(x=1.0))
    theirs = any_pb2.Any()
    theirs.Pack(Point(x=1.0).to_proto())
    assert packed.to_proto() == theirs
    assert packed.unpack(Point) == Point(x=1.0)
    assert (packed.type_name, packed.is_(Point), packed.is_(Scalars)) == ("kitchen.shared.Point", True, False)
    assert AnyMessage.pack(packed, "example.org/types").type_url == "example.org/types/google.protobuf.Any"
    with pytest.raises(CodecError, match="^Any.type_url: expected kitchen.sink.Scalars; found 'type.googleapis.com/"):
        packed.unpack(Scalars)
    assert not AnyMessage("kitchen.shared.Point").is_(Point)
    with pytest.raises(CodecError, match="^Point"):
        AnyMessage(packed.type_url, b"\x09").unpack(Point)


def test_plain_values_are_protobufs_messages_on_the_wire() -> None:
    message = WellKnown(json={"a": [1, None, {"b": "c"}], "d": True}, value=2, text="", number=0, flag=False)
    theirs = struct_pb2.Struct()
    theirs.update({"a": [1, None, {"b": "c"}], "d": True})
    proto = message.to_proto()
    assert (proto.json, proto.value.number_value, proto.text.value) == (theirs, 2.0, "")
    assert [proto.HasField(name) for name in ("text", "number", "flag", "value", "json")] == [True] * 5
    read = WellKnown.from_proto(proto)
    assert read == message == WellKnown.from_wire(message.to_wire())
    assert type(read.value) is float


def test_null_is_told_from_absence() -> None:
    assert WellKnown().value is UNSET
    for message in (WellKnown(value=None), WellKnown()):
        assert WellKnown.from_protobuf(message.to_protobuf()).value is message.value
        assert WellKnown.from_wire(message.to_wire()).value is message.value
        assert WellKnown.from_json(message.to_json()).value is message.value


def test_a_value_without_a_kind_is_null() -> None:
    data = bytes.fromhex("2a00")  # the field `value`, without content
    assert WellKnown.from_protobuf(data) == WellKnown(value=None)
    assert Value.from_protobuf(b"") == Value(None) == Value.from_wire(b"\x00")
    assert Value(None).to_wire() == bytes.fromhex("01 00000000 00000000")


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (WellKnown(json=[]), "WellKnown.json"),  # type: ignore[arg-type] # wrong on purpose
        (WellKnown(json={1: 2}), "WellKnown.json"),  # type: ignore[dict-item] # wrong on purpose
        (WellKnown(json={"a": [object()]}), "WellKnown.json"),
        (WellKnown(value={1}), "WellKnown.value"),  # type: ignore[arg-type] # wrong on purpose
        (WellKnown(value=10**400), "WellKnown.value"),
        (WellKnown(value="\ud800"), "WellKnown.value"),
        (WellKnown(text=5), "WellKnown.text"),  # type: ignore[arg-type] # wrong on purpose
        (WellKnown(number="5"), "WellKnown.number"),  # type: ignore[arg-type] # wrong on purpose
        (WellKnown(flag=0), "WellKnown.flag"),  # type: ignore[arg-type] # wrong on purpose
        (WellKnown(at="now"), "WellKnown.at"),  # type: ignore[arg-type] # wrong on purpose
        (Wrapped(strings=[None]), "Wrapped.strings"),  # type: ignore[list-item] # wrong on purpose
        (Wrapped(choice=WrappedChoiceFlag(1)), "Wrapped.choice"),  # type: ignore[arg-type] # wrong on purpose
        (Wrapped(an_int32=2**31), "Wrapped.an_int32"),
        (Wrapped(a_uint64=-1), "Wrapped.a_uint64"),
        (Wrapped(some_bytes="x"), "Wrapped.some_bytes"),  # type: ignore[arg-type] # wrong on purpose
        (Json(kind=JsonKindAnArray({})), "Json.kind"),  # type: ignore[arg-type] # wrong on purpose
        (Struct([]), "Struct.fields"),  # type: ignore[arg-type] # wrong on purpose
        (ListValue({}), "ListValue.values"),  # type: ignore[arg-type] # wrong on purpose
        (Value(object()), "Value.value"),  # type: ignore[arg-type] # wrong on purpose
    ],
)
def test_a_value_that_does_not_fit_is_named_on_each_wire(message: Any, field: str) -> None:
    for attempt in (message.to_wire, message.to_protobuf):
        with pytest.raises(CodecError) as caught:
            attempt()
        assert caught.value.field == field
        assert str(caught.value).startswith(f"{field}: expected ")


@pytest.mark.parametrize(
    ("kind", "data", "reason"),
    [
        (Struct, "0200000000000000", "the length at byte 0 is 2, but the rest of the input has room for 0"),
        (Struct, "01", "begins at byte 0, but the input ends at byte 1"),
        (Struct, "01000000000000000100000000000000ff00", "byte 16 of the input is not UTF-8"),
        (ListValue, "0300000000000000 0000", "the length at byte 0 is 3, but the rest of the input has room for 2"),
        (ListValue, "00000000000000000", "but the input goes on to byte 9"),
        (Value, "02", "the flag at byte 0 is 2"),
        (Value, "01 06000000", "the variant at byte 1 is 6, but must be below 6"),
        (Value, "01 03000000 02", "the flag at byte 5 is 2"),
        (Value, "01 02000000 ffffffffffffff7f", "the length at byte 5 is 9223372036854775807"),
        (Value, "01 01000000 00", "begins at byte 0, but the input ends at byte 6"),
    ],
)
def test_bad_native_bytes_are_named(kind: type[Any], data: str, reason: str) -> None:
    data = data if len(data.replace(" ", "")) % 2 == 0 else f"{data}0"
    with pytest.raises(CodecError, match=reason) as caught:
        kind.from_wire(bytes.fromhex(data))
    assert caught.value.field.startswith(kind.__name__)


def test_each_can_be_a_message_by_itself() -> None:
    for message in (Struct({"a": 1.0}), ListValue([None, "x"]), Value({"a": []}), well_known.StringValue("s")):
        kind: Any = type(message)
        assert kind.from_wire(message.to_wire()) == message
        assert kind.from_protobuf(message.to_protobuf()) == message
        assert kind.from_proto(message.to_proto()) == message
        assert kind.from_json(message.to_json()) == message
