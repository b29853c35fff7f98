"""What becomes of a value that is read by another type: protobuf, in either of its forms, is the judge."""

from __future__ import annotations

import itertools
from typing import Any, Final

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from eventflux_codegen.consequence import Reading, Shape, read_as

INTEGERS: Final = {
    "int32": (-(2**31), -1, 1, 2**31 - 1),
    "int64": (-(2**63), -1, 1, 2**31, 2**63 - 1),
    "uint32": (1, 2**31, 2**32 - 1),
    "uint64": (1, 2**32, 2**63, 2**64 - 1),
    "sint32": (-(2**31), -1, 1, 2**31 - 1),
    "sint64": (-(2**63), -1, 1, 2**31, 2**63 - 1),
    "fixed32": (1, 2**31, 2**32 - 1),
    "sfixed32": (-(2**31), -1, 1, 2**31 - 1),
    "fixed64": (1, 2**32, 2**63, 2**64 - 1),
    "sfixed64": (-(2**63), -1, 1, 2**63 - 1),
}
SAMPLES: Final[dict[str, tuple[Any, ...]]] = {
    **INTEGERS,
    "bool": (True,),
    "enum t.Kind": (1, 2**31 - 1, -1),
    "float": (1.5, -2.0),
    "double": (1.5, -2.0),
    "string": ("x", "é!"),
    "bytes": (b"x", b"\xff\xfe", b"\x08\x07"),
    "t.Point": (7, 200),
}


def make_message(kind: str) -> type[Message]:
    """A message with one field of a type."""
    file = FileDescriptorProto(name="t.proto", package="t", syntax="proto3")
    file.enum_type.add(name="Kind").value.add(name="NONE", number=0)
    file.enum_type[0].value.add(name="ONE", number=1)
    point = file.message_type.add(name="Point")
    point.field.add(name="x", number=1, type=FieldDescriptorProto.TYPE_INT32, label=FieldDescriptorProto.LABEL_OPTIONAL)
    field = file.message_type.add(name="M").field.add(name="a", number=1, label=FieldDescriptorProto.LABEL_OPTIONAL)
    if "t." in kind:
        field.type_name = f".{kind.rpartition(' ')[2]}"
        is_enum = kind.startswith("enum")
        field.type = FieldDescriptorProto.TYPE_ENUM if is_enum else FieldDescriptorProto.TYPE_MESSAGE
    else:
        field.type = FieldDescriptorProto.Type.Value(f"TYPE_{kind.upper()}")
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return GetMessageClass(pool.FindMessageTypeByName("t.M"))


MESSAGES: Final = {kind: make_message(kind) for kind in SAMPLES}
ZERO: Final = {"string": "", "bytes": b"", "bool": False}


def written(kind: str, value: Any) -> Any:
    message: Any = MESSAGES[kind]()
    if kind == "t.Point":
        message.a.x = value
    else:
        message.a = value
    return message


def value_of(message: Any) -> Any:
    if message.DESCRIPTOR.fields_by_name["a"].message_type is not None:
        return message.a.x or None if message.HasField("a") else None
    return message.a


def outcomes(writer: str, reader: str, *, is_json: bool) -> list[str]:
    """What became of each sample: right, other, unseen or refused."""
    found = []
    for value in SAMPLES[writer]:
        message = written(writer, value)
        try:
            if is_json:
                read = json_format.Parse(json_format.MessageToJson(message), MESSAGES[reader]())
            else:
                read = MESSAGES[reader].FromString(message.SerializeToString())
        except (DecodeError, json_format.ParseError, UnicodeDecodeError):
            found.append("refused")
            continue
        got = value_of(read)
        is_empty = got is None or got == ZERO.get(reader, 0)
        text = value.encode() if isinstance(value, str) and isinstance(got, bytes) else value
        is_same = got == text and isinstance(got, bool) == isinstance(text, bool)
        is_same = is_same or (isinstance(got, int) and isinstance(value, int) and got == value)
        is_same = is_same or (
            isinstance(got, str) and isinstance(value, bytes) and got.encode() == value and not is_json
        )
        is_same = is_same or (isinstance(got, bytes) and writer == "t.Point" and got == message.a.SerializeToString())
        is_same = is_same or (reader == "t.Point" and isinstance(value, bytes) and value == b"\x08\x07" and got == 7)
        found.append("right" if is_same else "unseen" if is_empty else "other")
    return found


def agrees(told: str, found: list[str]) -> bool:
    """Whether what is told is what happens."""
    if not told:
        return set(found) == {"right"}
    if told == "is not seen":
        return set(found) == {"unseen"}
    if told == "is refused":
        return set(found) == {"refused"}
    if told.startswith("is refused"):
        return "refused" in found or (" read" in told and "other" in found)
    return "refused" not in found and ("other" in found or "unseen" in found)


LENIENT: Final = {("bool", "enum"), ("bool", "float"), ("bool", "double"), ("float", "enum"), ("double", "enum")}
"""What Python's json_format reads although proto3 gives it no meaning."""
PAIRS: Final = [pair for pair in itertools.product(SAMPLES, repeat=2) if pair[0] != pair[1]]


@pytest.mark.parametrize(("writer", "reader"), PAIRS)
def test_a_value_of_another_type(writer: str, reader: str) -> None:
    reading = read_as(Shape("", writer), Shape("", reader))
    assert agrees(reading.protobuf, outcomes(writer, reader, is_json=False)), reading
    if (writer, reader.partition(" ")[0]) not in LENIENT:
        assert agrees(reading.json, outcomes(writer, reader, is_json=True)), reading


def shape(text: str) -> Shape:
    return Shape.of(text, lambda name: name == "t.Kind")


NO_ZERO: Final = "cannot tell zero from absent"
LAST: Final = "is lost but for the choice that was set last"
UNSET: Final = "is refused where the field is not set"


@pytest.mark.parametrize(
    ("writer", "reader", "expected"),
    [
        ("int32", "int32", Reading()),
        ("t.Kind", "t.Kind", Reading()),
        ("int32", "optional int32", Reading(NO_ZERO, NO_ZERO)),
        ("optional int32", "int32", Reading(NO_ZERO, NO_ZERO)),
        ("t.Point", "optional t.Point", Reading()),
        ("int32", "repeated int32", Reading("", "is refused")),
        ("int32", "repeated sint32", Reading("is read as another number", "is refused")),
        ("repeated int32", "int32", Reading("is not seen, or only its last element", "is refused")),
        ("repeated string", "string", Reading("is lost but for the last element", "is refused")),
        ("repeated t.Point", "t.Point", Reading("is merged into one", "is refused")),
        ("repeated int32", "repeated int64", Reading()),
        (
            "repeated int64",
            "repeated int32",
            Reading(
                "is read as another number where int32 does not hold it", "is refused where int32 does not hold it"
            ),
        ),
        ("int32 in oneof a", "int32 in oneof b", Reading()),
        ("int32 in oneof a", "optional int32", Reading()),
        ("optional int32", "int32 in oneof a", Reading(LAST, LAST)),
        ("map<string, int32>", "map<string, int64>", Reading()),
        ("map<string, int32>", "map<string, sint32>", Reading("is read as another number", "")),
        ("map<int32, string>", "map<sint32, string>", Reading("is read as another number", "")),
        ("map<int32, string>", "map<string, string>", Reading("is not seen", "is refused")),
        ("map<string, int32>", "repeated t.Point", Reading("is read as a list of entries, or refused", "is refused")),
        ("map<string, int32>", "int32", Reading("is not seen", "is refused")),
        ("t.Kind", "int32", Reading("", "is refused where it has a name")),
        ("required int32", "int32", Reading(NO_ZERO, NO_ZERO)),
        ("int32", "required int32", Reading(UNSET, UNSET)),
    ],
)
def test_a_field_of_another_form(writer: str, reader: str, expected: Reading) -> None:
    assert read_as(shape(writer), shape(reader)) == expected


def test_another_message_or_enum_is_right_where_both_agree() -> None:
    told = read_as(Shape("", "t.Point"), Shape("", "t.Pair"))
    assert told.protobuf == told.json == "is read as t.Pair, which is right only where both have the same fields"
    told = read_as(Shape("", "enum t.Kind"), Shape("", "enum t.Other"))
    assert (told.protobuf, told.json) == ("", "is refused where enum t.Other has no such name")
