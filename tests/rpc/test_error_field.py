"""The texts of error fields beside protobuf's own JSON, and what is refused."""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import pytest
from google.protobuf import json_format, wrappers_pb2
from hypothesis import given
from hypothesis import strategies as st

from cluster_sdk import Job, NodeState
from eventflux_runtime import CodecError
from eventflux_runtime.rpc.error_field import EnumValue, ErrorField, MessageValue, ScalarValue

NAMES = {0: "NODE_STATE_UNSPECIFIED", 1: "NODE_STATE_READY", 2: "NODE_STATE_FULL"}
STATE = EnumValue(NodeState, NAMES)

WRAPPERS: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "int32": (wrappers_pb2.Int32Value, st.integers(-(2**31), 2**31 - 1)),
    "uint32": (wrappers_pb2.UInt32Value, st.integers(0, 2**32 - 1)),
    "int64": (wrappers_pb2.Int64Value, st.integers(-(2**63), 2**63 - 1)),
    "uint64": (wrappers_pb2.UInt64Value, st.integers(0, 2**64 - 1)),
    "double": (wrappers_pb2.DoubleValue, st.floats()),
    "bool": (wrappers_pb2.BoolValue, st.booleans()),
    "string": (wrappers_pb2.StringValue, st.text()),
    "bytes": (wrappers_pb2.BytesValue, st.binary()),
}


def same(one: object, other: object) -> bool:
    return one == other or (isinstance(one, float) and isinstance(other, float) and math.isnan(one + other))


@pytest.mark.parametrize("name", WRAPPERS)
@given(data=st.data())
def test_protobuf_s_json_has_the_same_value(name: str, data: st.DataObject) -> None:
    wrapper, values = WRAPPERS[name]
    value = data.draw(values)
    field = ErrorField("f", ScalarValue(name))
    text = field.to_text(value)
    theirs = json.loads(json_format.MessageToJson(wrapper(value=value)))
    assert text == theirs if isinstance(theirs, str) else same(json.loads(text), theirs)
    assert same(field.from_text(text), value)
    assert type(field.from_text(text)) is type(value)


@pytest.mark.parametrize("name", WRAPPERS)
@given(data=st.data())
def test_lists_are_json_arrays(name: str, data: st.DataObject) -> None:
    values = data.draw(st.lists(WRAPPERS[name][1], max_size=5))
    field = ErrorField("f", ScalarValue(name), is_repeated=True)
    text = field.to_text(values)
    assert isinstance(json.loads(text), list)
    assert all(same(*pair) for pair in zip(field.from_text(text), values, strict=True))


@given(st.floats(width=32))
def test_a_float_is_in_its_range(value: float) -> None:
    field = ErrorField("f", ScalarValue("float"))
    assert same(field.from_text(field.to_text(value)), value)
    assert struct.pack("f", value)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("int32", "-5", -5),
        ("double", "2", 2.0),
        ("double", "1e-3", 0.001),
        ("double", "-Infinity", -math.inf),
        ("bool", "false", False),
        ("string", "[1]", "[1]"),
        ("bytes", "", b""),
    ],
)
def test_texts_that_others_write(name: str, text: str, value: object) -> None:
    found = ErrorField("f", ScalarValue(name)).from_text(text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("int32", ""),
        ("int32", "5.0"),
        ("int32", " 5"),
        ("int32", "1_0"),
        ("int32", "٣"),
        ("int32", "2147483648"),
        ("int32", "9" * 5000),
        ("uint64", "-1"),
        ("double", ""),
        ("double", "nan"),
        ("double", "inf"),
        ("double", "1_0"),
        ("double", "1e999"),
        ("double", "0x10"),
        ("float", "1e39"),
        ("bool", "True"),
        ("bool", "1"),
        ("bytes", "a"),
        ("bytes", "ä==="),
        ("bytes", "-_-_"),
    ],
)
def test_texts_of_no_such_value_are_refused(name: str, text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - which one is no matter: the error becomes the plain one
        ErrorField("f", ScalarValue(name)).from_text(text)


@pytest.mark.parametrize("text", ["", "5", "{}", "[", "null", '["x"]', "[5.5]", "[true]", "[null]", "[[1]]"])
def test_texts_of_no_such_list_are_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - as above
        ErrorField("f", ScalarValue("int32"), is_repeated=True).from_text(text)


def test_a_list_that_is_nested_without_end_is_refused() -> None:
    with pytest.raises((ValueError, RecursionError)):
        ErrorField("f", ScalarValue("int32"), is_repeated=True).from_text("[" * 100_000)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("int32", True),
        ("int32", 5.0),
        ("int32", 2**31),
        ("int64", "5"),
        ("double", "5"),
        ("double", True),
        ("float", 1e39),
        ("double", 10**400),
        ("bool", 1),
        ("string", b"x"),
        ("bytes", "x"),
        ("bytes", bytearray(b"x")),
    ],
)
def test_values_of_another_type_are_refused(name: str, value: object) -> None:
    with pytest.raises((ValueError, OverflowError)):
        ErrorField("f", ScalarValue(name)).to_text(value)


def test_an_enum_travels_by_its_name_in_the_idl() -> None:
    field = ErrorField("f", STATE)
    assert field.to_text(NodeState.FULL) == "NODE_STATE_FULL"
    assert field.from_text("NODE_STATE_FULL") is NodeState.FULL
    assert field.from_text("2") is NodeState.FULL
    assert field.to_text(NodeState(77)) == "77"
    unknown = field.from_text("77")
    assert (unknown, type(unknown)) == (77, NodeState)


@pytest.mark.parametrize("text", ["FULL", "node_state_full", "", "2147483648", "2.0"])
def test_an_enum_of_another_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - as above
        ErrorField("f", STATE).from_text(text)


def test_a_message_is_a_json_object() -> None:
    field = ErrorField("f", MessageValue(Job))
    assert json.loads(field.to_text(Job(name="ü", cpus=4))) == {"name": "ü", "cpus": 4}
    assert field.from_text('{"cpus": 4}') == Job(cpus=4)
    assert field.from_text('{"cpus": 4, "newer": [1]}') == Job(cpus=4)
    with pytest.raises(CodecError):
        field.from_text('{"cpus": "x"}')
    with pytest.raises(ValueError, match="expected Job, not 'x'"):
        field.to_text("x")
