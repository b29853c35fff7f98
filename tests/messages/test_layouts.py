"""Named layouts: what they carry, and that nothing else is lost silently."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflux_runtime import CodecError
from eventflux_transport import CompressionType, MessageType, TransportMessage
from kitchen_package import Color, Nested, NestedMood, Scalars, Shape, ShapeKindSvg

SENDABLE = [
    MessageType.EVENT,
    MessageType.QUERY,
    MessageType.STATE,
    MessageType.CONTROL,
    MessageType.HEARTBEAT,
    MessageType.CHECKPOINT,
]


def test_a_message_as_eventflux_writes_it() -> None:
    message = TransportMessage(id="m1", payload=b"\x01\x02", headers={"k": "v"}, message_type=MessageType.STATE)
    expected = (
        "0200000000000000 6d31 0200000000000000 0102 0100000000000000 0100000000000000 6b 0100000000000000 76 02000000"
    )
    assert message.to_wire("eventflux") == bytes.fromhex(expected)
    assert TransportMessage.from_wire(bytes.fromhex(expected), "eventflux") == message


@pytest.mark.parametrize(("variant", "message_type"), list(enumerate(SENDABLE)))
def test_variants_count_from_zero(variant: int, message_type: MessageType) -> None:
    data = TransportMessage(message_type=message_type).to_wire("eventflux")
    assert data[-4:] == variant.to_bytes(4, "little")
    assert TransportMessage.from_wire(data, "eventflux").message_type is message_type


@pytest.mark.parametrize(
    "number",
    [MessageType.UNSPECIFIED, MessageType.METADATA, MessageType.ACKNOWLEDGMENT, MessageType(77), MessageType(-1)],
)
def test_a_type_without_a_variant_is_refused(number: MessageType) -> None:
    with pytest.raises(CodecError) as caught:
        TransportMessage(message_type=number).to_wire("eventflux")
    assert caught.value.field == "TransportMessage.message_type"
    assert str(caught.value) == f"TransportMessage.message_type: the layout 'eventflux' has no variant for {number!r}"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("timestamp", 1),
        ("source_node", "n"),
        ("target_node", "n"),
        ("priority", -1),
        ("compression", CompressionType.ZSTD),
        ("compression", CompressionType(9)),
    ],
)
def test_a_field_that_the_layout_lacks_must_keep_its_default(field: str, value: Any) -> None:
    message = TransportMessage.event(b"x")
    message.to_wire("eventflux")
    setattr(message, field, value)
    with pytest.raises(CodecError) as caught:
        message.to_wire("eventflux")
    assert caught.value.field == f"TransportMessage.{field}"
    assert "the layout 'eventflux' has no place for it, so it must keep its default" in str(caught.value)


@pytest.mark.parametrize("variant", [6, 7, 2**31, 2**32 - 1])
def test_an_unknown_variant_is_refused(variant: int) -> None:
    data = TransportMessage(message_type=MessageType.EVENT).to_wire("eventflux")[:-4] + variant.to_bytes(4, "little")
    with pytest.raises(CodecError) as caught:
        TransportMessage.from_wire(data, "eventflux")
    assert caught.value.field == "TransportMessage.message_type"
    assert caught.value.offset == len(data) - 4
    assert f"the variant at byte 24 is {variant}, but must be below 6" in str(caught.value)


@given(st.binary(max_size=80))
def test_garbage_is_a_value_or_a_codec_error(data: bytes) -> None:
    try:
        message = TransportMessage.from_wire(data, "eventflux")
    except CodecError:
        return
    # A map may name a key twice, and the last one counts.
    assert TransportMessage.from_wire(message.to_wire("eventflux"), "eventflux") == message


@given(
    st.builds(
        TransportMessage,
        id=st.text(),
        payload=st.binary(),
        headers=st.dictionaries(st.text(), st.text()),
        message_type=st.sampled_from(SENDABLE),
    )
)
def test_round_trip(message: TransportMessage) -> None:
    data = message.to_wire("eventflux")
    assert TransportMessage.from_wire(data, "eventflux") == message
    for rest in (data[:-1], data + b"\x00"):
        with pytest.raises(CodecError):
            TransportMessage.from_wire(rest, "eventflux")


def test_other_layouts_of_a_users_own() -> None:
    scalars = Scalars(a_string="s", a_bool=True, maybe_color=Color.RED, strings=["x"])
    assert Scalars.from_wire(scalars.to_wire("compact"), "compact") == scalars
    shape = Shape(name="n", kind=ShapeKindSvg(value="<svg/>"))
    assert Shape.from_wire(shape.to_wire("outline"), "outline") == shape
    assert Nested(mood=NestedMood.WILD).to_wire("mood") == bytes(4)


@pytest.mark.parametrize(
    ("message", "layout"),
    [(Scalars(maybe_bool=False), "compact"), (Scalars(doubles=[0.0]), "compact"), (Nested(), "mood")],
)
def test_other_layouts_refuse_what_they_lack(message: Any, layout: str) -> None:
    with pytest.raises(CodecError):
        message.to_wire(layout)


@pytest.mark.parametrize("kind", [TransportMessage, Scalars, Nested])
def test_an_unknown_layout_names_the_known_ones(kind: type[Any]) -> None:
    with pytest.raises(CodecError, match="unknown layout 'nativ': use one of native, "):
        kind().to_wire("nativ")
    with pytest.raises(CodecError, match="unknown layout 'nativ'"):
        kind.from_wire(b"", "nativ")
