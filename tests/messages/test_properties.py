"""What holds for every message: round trips, agreement with other encoders, and an orderly end for any input."""

from __future__ import annotations

import contextlib
import tracemalloc
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from librt.strings import BytesWriter

from eventflux_runtime import CodecError
from eventflux_transport import TransportMessage
from kitchen_package import Maps, Nothings, Scalars, Shape, Tree, WellKnown
from tests.support.bincode_reference import encode_native
from tests.support.catalogue import descriptor_of, message_classes
from tests.support.strategy import any_message, messages_of

KINDS = pytest.mark.parametrize("kind", message_classes(), ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
FEW = settings(max_examples=6, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
SOME = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@KINDS
@FEW
@given(data=st.data())
def test_native_round_trip_and_reference(kind: type[Any], data: st.DataObject) -> None:
    message = data.draw(messages_of(kind))
    encoded = message.to_wire()
    assert encoded == encode_native(message, descriptor_of(kind))
    assert kind.from_wire(encoded) == message


@KINDS
@FEW
@given(data=st.data())
def test_protobuf_agrees(kind: type[Any], data: st.DataObject) -> None:
    message = data.draw(messages_of(kind))
    proto = message.to_proto()
    parsed = type(proto).FromString(proto.SerializeToString())
    assert parsed == proto
    assert kind.from_proto(parsed) == message


@FEW
@given(message=messages_of(TransportMessage), before=st.binary(max_size=9), after=st.binary(max_size=9))
def test_a_message_is_read_from_the_middle_of_a_buffer(message: Any, before: bytes, after: bytes) -> None:
    from eventflux_transport import codec

    writer = BytesWriter()
    writer.write(before)
    codec.encode_transport_message(message, writer)
    end = len(writer)
    writer.write(after)
    assert codec.decode_transport_message(writer.getvalue(), len(before), end) == message


@KINDS
def test_every_truncation_is_a_codec_error(kind: type[Any]) -> None:
    data = kind().to_wire()
    for end in range(len(data)):
        with pytest.raises(CodecError) as caught:
            kind.from_wire(data[:end])
        assert caught.value.field
        assert 0 <= caught.value.offset <= end


@SOME
@given(message=any_message(), data=st.data())
def test_a_truncated_message_is_a_codec_error(message: Any, data: st.DataObject) -> None:
    encoded = message.to_wire()
    assume(encoded)
    end = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises(CodecError) as caught:
        type(message).from_wire(encoded[:end])
    assert caught.value.field
    assert 0 <= caught.value.offset <= end


@SOME
@given(message=any_message(), rest=st.binary(min_size=1, max_size=4))
def test_trailing_bytes_are_a_codec_error(message: Any, rest: bytes) -> None:
    with pytest.raises(CodecError, match="but the input goes on to byte"):
        type(message).from_wire(message.to_wire() + rest)


@settings(SOME, max_examples=100)
@given(message=any_message(), data=st.data())
def test_a_mutated_message_is_a_value_or_a_codec_error(message: Any, data: st.DataObject) -> None:
    encoded = bytearray(message.to_wire())
    assume(encoded)
    for _ in range(data.draw(st.integers(1, 3))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.sampled_from([0, 1, 2, 0x7F, 0x80, 0xFF]))
    try:
        decoded = type(message).from_wire(bytes(encoded))
    except CodecError:
        return
    assert type(message).from_wire(decoded.to_wire()).to_wire() == decoded.to_wire()


@KINDS
@FEW
@given(data=st.binary(max_size=200))
def test_garbage_is_a_value_or_a_codec_error(kind: type[Any], data: bytes) -> None:
    try:
        decoded = kind.from_wire(data)
    except CodecError:
        return
    assert isinstance(decoded, kind)


HOSTILE = [b"\xff" * 8, b"\xff" * 7 + b"\x7f", b"\x00" * 4 + b"\x01" + b"\x00" * 3, b"\x00" * 7 + b"\x80"]


@pytest.mark.parametrize("length", HOSTILE, ids=lambda length: length.hex())
@pytest.mark.parametrize("kind", [TransportMessage, Scalars, Maps, Tree, Shape, Nothings, WellKnown])
def test_no_length_is_believed_beyond_the_input(kind: type[Any], length: bytes) -> None:
    """Puts a monstrous length in every place where one could stand, and watches the memory."""
    template = kind().to_wire() + bytes(64)
    tracemalloc.start()
    try:
        for position in range(len(template) - 8):
            hostile = template[:position] + length + template[position + 8 :]
            with contextlib.suppress(CodecError):
                kind.from_wire(hostile)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 200_000


@pytest.mark.parametrize("kind", [TransportMessage, Scalars, Maps, Tree, Shape, Nothings, WellKnown])
@pytest.mark.parametrize("filling", [0, 1, 64])
def test_memory_stays_in_the_order_of_the_input(kind: type[Any], filling: int) -> None:
    """Bytes that read as many small counts make the most objects out of the least input."""
    data = bytes([filling, 0, 0, 0, 0, 0, 0, 0]) * 2000 if filling else bytes(16_000)
    tracemalloc.start()
    try:
        with contextlib.suppress(CodecError):
            kind.from_wire(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100 * len(data)
