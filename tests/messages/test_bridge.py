"""The bridge to protobuf's own objects."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from google.protobuf import any_pb2, timestamp_pb2
from hypothesis import given
from hypothesis import strategies as st

from eventflux_runtime import CodecError
from eventflux_runtime.codegen_api import MessageCodec
from eventflux_runtime.well_known import Any as AnyMessage
from eventflux_runtime.well_known import Duration, Timestamp
from eventflux_transport import EventFilter, EventRequest, Message, MessageType, TransportMessage, transport_pb2
from eventflux_transport.methods import EVENT_REQUEST_CODEC, TRANSPORT_MESSAGE_CODEC
from inventory_sdk import StockChange, StockChangeChangeAdded, StockChangeChangeMoved, StockChangeMove
from kitchen_package import (
    Color,
    Keywords,
    KeywordsMatchIn,
    Nothing,
    Nothings,
    NothingsChoiceNothing,
    Point,
    Scalars,
    Shape,
    ShapeFillGradient,
    ShapeKindNothing,
    WellKnown,
    kitchen_pb2,
)


def test_the_objects_are_those_of_the_generated_pb2_module() -> None:
    proto = Message(id="m", message_type=MessageType.QUERY, headers={"k": "v"}).to_proto()
    assert type(proto) is transport_pb2.TransportMessage
    assert proto == transport_pb2.TransportMessage(
        id="m", message_type=transport_pb2.MESSAGE_TYPE_QUERY, headers={"k": "v"}
    )
    assert TransportMessage.from_proto(proto) == Message(id="m", message_type=MessageType.QUERY, headers={"k": "v"})


def test_a_zero_with_a_sign_is_not_taken_for_one_that_was_never_set() -> None:
    again = Scalars.from_proto(Scalars(a_double=-0.0, a_float=-0.0).to_proto())
    assert [math.copysign(1, value) for value in (again.a_double, again.a_float)] == [-1, -1]


def test_unknown_enum_numbers_survive() -> None:
    message = EventFilter(message_types=[MessageType(99), MessageType.EVENT, MessageType(-5)])
    again = EventFilter.from_proto(transport_pb2.EventFilter.FromString(message.to_proto().SerializeToString()))
    assert again == message
    assert [int(each) for each in again.message_types] == [99, 1, -5]
    assert EventFilter.from_wire(message.to_wire()) == message
    assert EventFilter.from_json(message.to_json()) == message


def test_presence_is_kept() -> None:
    assert EventRequest().to_proto().HasField("filter") is False
    assert EventRequest(filter=EventFilter()).to_proto().HasField("filter") is True
    assert (
        EventRequest.from_proto(transport_pb2.EventRequest(filter=transport_pb2.EventFilter())).filter == EventFilter()
    )
    absent, default = Scalars(), Scalars(maybe_uint32=0, maybe_string="", maybe_color=Color.UNSPECIFIED)
    assert Scalars.from_proto(absent.to_proto()).maybe_uint32 is None
    assert Scalars.from_proto(default.to_proto()) == default
    assert Scalars.from_wire(default.to_wire()) == default


def test_choices_are_kept_even_if_they_hold_a_default() -> None:
    messages: list[Any] = [
        Shape(kind=ShapeKindNothing(value=False), fill=ShapeFillGradient(value=Point())),
        Nothings(choice=NothingsChoiceNothing(value=Nothing())),
        StockChange(change=StockChangeChangeAdded(value=0)),
        StockChange(change=StockChangeChangeMoved(value=StockChangeMove())),
    ]
    for message in messages:
        assert type(message).from_proto(message.to_proto()) == message
        assert type(message).from_wire(message.to_wire()) == message
        assert type(message).from_json(message.to_json()) == message


def test_names_that_python_reserves() -> None:
    message = Keywords(from_="a", class_=1, None_=True, import_=["x"], str_="s", match=KeywordsMatchIn(value="i"))
    proto = message.to_proto()
    assert getattr(proto, "from") == "a"
    assert proto.WhichOneof("match") == "in"
    assert Keywords.from_proto(proto) == message
    assert json.loads(message.to_json())["from"] == "a"


def test_well_known_types_have_protobufs_own_objects() -> None:
    message = WellKnown(
        at=Timestamp(seconds=1_700_000_000, nanos=5), lasting=Duration(seconds=3), json={"n": 1.5}, value="s"
    )
    proto = message.to_proto()
    assert isinstance(proto.at, timestamp_pb2.Timestamp)
    assert isinstance(Timestamp().to_proto(), timestamp_pb2.Timestamp)
    assert WellKnown.from_proto(proto) == message
    assert json.loads(message.to_json()) == {
        "at": "2023-11-14T22:13:20.000000005Z",
        "lasting": "3s",
        "json": {"n": 1.5},
        "value": "s",
    }
    assert WellKnown.from_json(message.to_json()) == message
    packed = any_pb2.Any()
    packed.Pack(Point(x=1.0).to_proto())
    assert AnyMessage.from_proto(packed).to_proto() == packed


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (TransportMessage(priority=2**31), "TransportMessage.priority"),
        (TransportMessage(id=7), "TransportMessage.id"),  # type: ignore[arg-type] # wrong on purpose
        (TransportMessage(id="\ud800"), "TransportMessage.id"),
        (TransportMessage(headers=[1]), "TransportMessage.headers"),  # type: ignore[arg-type] # wrong on purpose
        (TransportMessage(headers=[]), "TransportMessage.headers"),  # type: ignore[arg-type] # wrong on purpose
        (TransportMessage(payload=bytearray()), "TransportMessage.payload"),  # type: ignore[arg-type] # wrong on purpose
        (TransportMessage(priority=0.0), "TransportMessage.priority"),  # type: ignore[arg-type] # wrong on purpose
        (TransportMessage(message_type=None), "TransportMessage.message_type"),  # type: ignore[arg-type] # on purpose
        (EventFilter(stream_names="abc"), "EventFilter.stream_names"),  # type: ignore[arg-type] # wrong on purpose
        (EventRequest(filter=EventFilter(end_timestamp=2**63)), "EventFilter.end_timestamp"),
        (Shape(kind="round"), "Shape.kind"),  # type: ignore[arg-type] # wrong on purpose
    ],
)
def test_a_value_that_does_not_fit_is_named_alike_on_both_wires(message: Any, field: str) -> None:
    for attempt in (message.to_proto, message.to_wire):
        with pytest.raises(CodecError) as caught:
            attempt()
        assert caught.value.field == field


@pytest.mark.parametrize("codec", [TRANSPORT_MESSAGE_CODEC, EVENT_REQUEST_CODEC], ids=lambda codec: codec.type_name)
@given(data=st.binary(max_size=60))
def test_garbage_is_a_value_or_a_codec_error(codec: MessageCodec[Any], data: bytes) -> None:
    try:
        decoded = codec.from_protobuf(data)
    except CodecError:
        return
    assert codec.from_protobuf(codec.to_protobuf(decoded)) == decoded


def test_codecs_carry_both_encodings() -> None:
    message = Message.event(b"x").with_header("k", "v")
    data = TRANSPORT_MESSAGE_CODEC.to_protobuf(message)
    assert transport_pb2.TransportMessage.FromString(data) == message.to_proto()
    assert TRANSPORT_MESSAGE_CODEC.from_protobuf(data) == message
    assert TRANSPORT_MESSAGE_CODEC.type_name == transport_pb2.TransportMessage.DESCRIPTOR.full_name
    with pytest.raises(CodecError, match="priority"):
        TRANSPORT_MESSAGE_CODEC.to_protobuf(Message(priority=2**40))


def test_descriptors_keep_the_names_of_their_files() -> None:
    assert transport_pb2.DESCRIPTOR.name == "transport.proto"
    assert kitchen_pb2.DESCRIPTOR.name == "kitchen.proto"
    names = {dependency.name for dependency in kitchen_pb2.DESCRIPTOR.dependencies}
    assert "shared/point.proto" in names
    assert "google/protobuf/timestamp.proto" in names
