"""TypeScript reads and writes what proto2 and editions have beside proto3 as Python does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflux_runtime import CodecError
from legacy_package import Choice, Open, Order, Part, Size
from tests.messages.test_proto2 import RECORD, WHOLE, block, varint
from tests.support.typescript import Driver
from tests.typescript.test_codec import SOME

MODULE = "gen/legacy_package/messages.js"
SHORT = Order(name="x", size=Size.SMALL, main=Part(id=1))


def assert_alike(typescript: Driver, data: bytes) -> None:
    answer = typescript.ask(MODULE, "legacy.Order", "protobuf", data)
    try:
        order = Order.from_protobuf(data)
    except CodecError:
        assert "refusal" in answer, answer
        return
    try:
        expected = order.to_protobuf().hex(), order.to_wire().hex()
    except CodecError:  # an entry of a map without its message has one that lacks a field
        assert answer["protobuf"].startswith("refused: ")
        return
    assert (answer.get("protobuf"), answer.get("native")) == expected, answer


@SOME
@given(records=st.lists(RECORD, max_size=6))
def test_any_records_are_read_and_written_alike(typescript: Driver, records: list[bytes]) -> None:
    assert_alike(typescript, WHOLE.to_protobuf() + b"".join(records))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        SHORT.to_protobuf(),
        b"\x0a\x01x\x28\x00",
        b"\x0a\x01x\x28\x00\x6a\x00",
        SHORT.to_protobuf() + b"\x28\x09",  # no such size: the one before stays
        SHORT.to_protobuf() + block(7, b"\x01\x09\x02"),
        SHORT.to_protobuf() + b"\x38\x01\x38\x09",  # not packed
        SHORT.to_protobuf() + block(9, b"\x0a\x01k\x10\x09"),
        SHORT.to_protobuf() + block(9, b"\x0a\x01k"),
        SHORT.to_protobuf() + block(9, b"\x10\x01\x18\x07"),
        SHORT.to_protobuf() + block(17, b"\x08\x03"),  # an entry without its message, which lacks a field then
        SHORT.to_protobuf() + block(11, b"\x08\x05") + b"\x50\x01" + block(11, block(2, b"\x08\x01")),
        SHORT.to_protobuf() + block(11, b"\x08\x05") + b"\x50\x07" + block(11, block(2, b"\x08\x01")),
        SHORT.to_protobuf() + varint(150 << 3 | 3) + b"\x08\x01" + varint(150 << 3 | 4),
        SHORT.to_protobuf() + varint(150 << 3 | 3) + varint(151 << 3 | 4),
    ],
)
def test_closed_enums_and_required_fields_are_read_alike(typescript: Driver, data: bytes) -> None:
    assert_alike(typescript, data)


def test_the_native_layout_is_read_alike(typescript: Driver) -> None:
    answer = typescript.ask(MODULE, "legacy.Order", "native", WHOLE.to_wire())
    assert (answer["native"], answer["protobuf"]) == (WHOLE.to_wire().hex(), WHOLE.to_protobuf().hex())
    for number in (0, 1, 2, 9):
        data = WHOLE.to_wire().replace(b"\x02\0\0\0", bytes([number, 0, 0, 0]), 1)
        answer = typescript.ask(MODULE, "legacy.Order", "native", data)
        try:
            Order.from_wire(data)
        except CodecError:
            assert "which its enum does not have" in answer["refusal"]
        else:
            assert answer["native"] == data.hex()


def test_an_edition_is_read_alike(typescript: Driver) -> None:
    choice = Choice(needed="n", explicit="", packed=[1, 2], expanded=[3], open=Open(7))
    answer = typescript.ask(MODULE, "legacy.Choice", "protobuf", choice.to_protobuf())
    assert (answer["native"], answer["protobuf"]) == (choice.to_wire().hex(), choice.to_protobuf().hex())


def test_what_protobuf_brings_may_be_required(typescript: Driver) -> None:
    answer = typescript.ask(MODULE, "legacy.Filled", "protobuf", b"")
    assert answer["refusal"] == "legacy.Filled.value: is required, but absent"
