"""Kinds of changes to an IDL, two packages made of it before and after all of them, and protobuf as the judge."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from google.protobuf import json_format, text_format
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from eventflux_codegen.generator import generate
from eventflux_codegen.order import Order

__all__ = ["CHANGES", "KINDS", "Change", "Version", "make_versions"]

KINDS: Final = {
    "Unary": "({0}) returns ({1})",
    "Up": "(stream {0}) returns ({1})",
    "Down": "({0}) returns (stream {1})",
    "Both": "(stream {0}) returns (stream {1})",
}
"""The kinds of calls, by the end of a method's name."""


@dataclass(frozen=True, slots=True)
class Change:
    """A message as it was and as it is, and values of either, in protobuf's text format."""

    old: str
    new: str
    old_values: tuple[str, ...]
    new_values: tuple[str, ...]
    old_name: str = ""
    new_name: str = ""
    """The message's name, where that changes; else it is that of the change."""


def _change(old: str, new: str, old_values: str, new_values: str) -> Change:
    return Change(old, new, tuple(old_values.split("; ")), tuple(new_values.split("; ")))


CHANGES: Final = {
    "Same": _change("int32 a = 1;", "int32 a = 1;", "a: 1; ", "a: 2; "),
    "FieldAdded": _change("int32 a = 1;", "int32 a = 1; string b = 2;", "a: 1; ", 'a: 2 b: "x"; b: "y"'),
    "FieldRemoved": _change("int32 a = 1; string b = 2;", "int32 a = 1;", 'a: 1 b: "x"; b: "y"', "a: 2; "),
    "FieldRenamed": _change("int32 a = 1;", "int32 b = 1;", "a: 1; ", "b: 2; "),
    "JsonNameChanged": _change(
        "int32 a = 1; int32 b = 2;", 'int32 a = 1 [json_name = "x"]; int32 b = 2;', "a: 1 b: 2; ", "a: 3 b: 4"
    ),
    "RenamedWithItsJsonName": _change(
        "int32 old_a = 1;", 'int32 new_a = 1 [json_name = "oldA"];', "old_a: 1; ", "new_a: 2; "
    ),
    "NameTakenAgain": _change("int32 a = 1;", "string a = 2; int32 b = 1;", "a: 1; ", 'a: "x" b: 2; a: "7"'),
    "FieldRenumbered": _change("int32 a = 1; int32 b = 2;", "int32 a = 3; int32 b = 2;", "a: 1 b: 4", "a: 2 b: 5"),
    "FieldsSwapped": _change("int32 a = 1; string b = 2;", "int32 a = 2; string b = 1;", 'a: 1 b: "x"', 'a: 2 b: "y"'),
    "FieldsReordered": _change(
        "int32 a = 1; string b = 2;", "string b = 2; int32 a = 1;", 'a: 1 b: "x"', 'a: 2 b: "y"'
    ),
    "Int32ToInt64": _change("int32 a = 1;", "int64 a = 1;", "a: -1; a: 7", "a: -1; a: 4294967303; a: -2147483649"),
    "Int32ToUint32": _change("int32 a = 1;", "uint32 a = 1;", "a: -1; a: 7", "a: 4294967295; a: 7"),
    "Int32ToSint32": _change("int32 a = 1;", "sint32 a = 1;", "a: -1; a: 7; a: 8", "a: -1; a: 7; a: -8"),
    "Int64ToSint64": _change("int64 a = 1;", "sint64 a = 1;", "a: -1; a: 7", "a: -1; a: 7"),
    "Int32ToBool": _change("int32 a = 1;", "bool a = 1;", "a: 0; a: 1; a: 7; a: -1", "a: true; "),
    "Int32ToEnum": _change("int32 a = 1;", "Kind a = 1;", "a: 1; a: 99; a: -1", "a: KIND_ONE; "),
    "Int32ToFixed32": _change("int32 a = 1;", "fixed32 a = 1;", "a: 1; a: -1", "a: 1; a: 4294967295"),
    "Fixed32ToSfixed32": _change("fixed32 a = 1;", "sfixed32 a = 1;", "a: 7; a: 4294967295", "a: 7; a: -1"),
    "Fixed64ToSfixed64": _change("fixed64 a = 1;", "sfixed64 a = 1;", "a: 7; a: 18446744073709551615", "a: 7; a: -1"),
    "Fixed32ToFloat": _change("fixed32 a = 1;", "float a = 1;", "a: 1065353216; a: 7", "a: 1.5; a: -0.0"),
    "FloatToDouble": _change("float a = 1;", "double a = 1;", "a: 1.5", "a: 1.5"),
    "Uint64ToString": _change("uint64 a = 1;", "string a = 1;", "a: 7", 'a: "7"'),
    "StringToBytes": _change("string a = 1;", "bytes a = 1;", 'a: "x\\303\\251"; ', 'a: "x"; a: "\\377"'),
    "BytesToMessage": _change(
        "bytes a = 1;", "Point a = 1;", 'a: "\\010\\007"; a: "\\377"; a: ""', "a { x: 7 }; a { }; "
    ),
    "StringToMessage": _change("string a = 1;", "Point a = 1;", 'a: "x"; ', "a { x: 7 }; a { x: -1 }; "),
    "PlainToOptional": _change("int32 a = 1;", "optional int32 a = 1;", "a: 1; ", "a: 1; a: 0; "),
    "MessageToOptional": _change("Point a = 1;", "optional Point a = 1;", "a { x: 1 }; ", "a { x: 1 }; a { }"),
    "OneToMany": _change("int32 a = 1;", "repeated int32 a = 1;", "a: 1; ", "a: [1, 2]; a: 3; a: 0; "),
    "OneToManyUnpacked": _change("int32 a = 1;", "repeated int32 a = 1 [packed = false];", "a: 1", "a: [1, 2]; a: 3"),
    "OneToManyTexts": _change("string a = 1;", "repeated string a = 1;", 'a: "x"; ', 'a: ["x", "y"]; a: ""; '),
    "OneToManyMessages": _change(
        "Point a = 1;", "repeated Point a = 1;", "a { x: 1 }", "a { x: 1 } a { y: 2 } a { x: 3 }; a { }"
    ),
    "PackedToUnpacked": _change(
        "repeated int32 a = 1;", "repeated int32 a = 1 [packed = false];", "a: [1, 2]", "a: [3, 4]; "
    ),
    "IntoOneof": _change(
        "int32 a = 1; string b = 2;",
        "oneof kind { int32 a = 1; string b = 2; }",
        'a: 1; b: "x"; a: 1 b: "x"; ',
        'a: 0; b: "x"; ',
    ),
    "OneofRenamed": _change(
        "oneof kind { int32 a = 1; string b = 2; }",
        "oneof sort { int32 a = 1; string b = 2; }",
        "a: 1; ",
        'b: "x"; a: 0',
    ),
    "OneofSplit": _change(
        "oneof kind { int32 a = 1; string b = 2; }",
        "oneof kind { int32 a = 1; } oneof other { string b = 2; }",
        'a: 1; b: "x"',
        'a: 1 b: "x"; b: "y"; ',
    ),
    "ChoiceAdded": _change(
        "oneof kind { int32 a = 1; }",
        "oneof kind { int32 a = 1; Point b = 2; }",
        "a: 1",
        "a: 2; b { x: 1 }; b { }; ",
    ),
    "ChoiceRemoved": _change(
        "oneof kind { int32 a = 1; string b = 2; }", "oneof kind { int32 a = 1; }", 'a: 1; b: "x"', "a: 2; "
    ),
    "MessageForAnEqual": _change("Point a = 1;", "Pair a = 1;", "a { x: 1 y: 2 }", "a { x: 3 y: 4 }"),
    "MessageForAnother": _change("Point a = 1;", "Named a = 1;", "a { x: 1 y: 2 }", 'a { x: "text" }; a { y: 2 }'),
    "MapValue": _change(
        "map<string, int32> a = 1;",
        "map<string, int64> a = 1;",
        'a { key: "k" value: -1 }',
        'a { key: "k" value: 4294967303 } a { key: "l" value: 1 }',
    ),
    "MapKey": _change(
        "map<int32, string> a = 1;",
        "map<sint32, string> a = 1;",
        'a { key: 3 value: "x" } a { key: -1 value: "y" }',
        'a { key: 2 value: "x" } a { key: -1 value: "y" }',
    ),
    "MapToEntries": _change(
        "map<string, int32> a = 1;",
        "repeated Entry a = 1;",
        'a { key: "k" value: 1 }',
        'a { key: "k" value: 1 } a { key: "k" value: 2 }; a { }',
    ),
    "MapMessage": _change(
        "map<string, Point> a = 1;",
        "map<string, Named> a = 1;",
        'a { key: "k" value { y: 2 } }; a { key: "k" value { x: 2 } }',
        'a { key: "k" value { y: 2 } }; a { key: "k" value { x: "t" } }',
    ),
    "ValueAdded": _change("Growing a = 1;", "Growing a = 1;", "a: GROWING_ONE", "a: GROWING_TWO; a: 99"),
    "ValueRemoved": _change("Fading a = 1;", "Fading a = 1;", "a: FADING_TWO; a: FADING_ONE", "a: FADING_ONE"),
    "ValueRenamed": _change("Turning a = 1;", "Turning a = 1;", "a: TURNING_THIS; ", "a: TURNING_THAT"),
    "ValueAlias": _change("Doubling a = 1;", "Doubling a = 1;", "a: DOUBLING_ONE", "a: DOUBLING_FIRST"),
    "EnumToInt32": _change("Growing a = 1;", "int32 a = 1;", "a: GROWING_ONE; a: 7", "a: 1; a: 9"),
    "EnumToString": _change("Growing a = 1;", "string a = 1;", "a: GROWING_ONE; ", 'a: "GROWING_ONE"; a: "1"'),
    "ValueOfMap": _change(
        "map<string, Growing> a = 1;",
        "map<string, Growing> a = 1;",
        'a { key: "k" value: GROWING_ONE }',
        'a { key: "k" value: GROWING_TWO } a { key: "l" value: GROWING_ONE }',
    ),
    "ValueInOneof": _change(
        "oneof kind { Growing a = 1; string b = 2; }",
        "oneof kind { Growing a = 1; string b = 2; }",
        "a: GROWING_ONE",
        'a: GROWING_TWO; b: "x"',
    ),
    "ToWrapper": _change("int32 a = 1;", "google.protobuf.Int32Value a = 1;", "a: 7; ", "a { value: 7 }; a { }; "),
    "TextToTimestamp": _change(
        "string a = 1;", "google.protobuf.Timestamp a = 1;", 'a: "x"; a: ""; ', "a { seconds: 1 nanos: 2 }; "
    ),
    "ValuesInList": _change(
        "repeated Growing a = 1;", "repeated Growing a = 1;", "a: GROWING_ONE a: 7", "a: [GROWING_TWO, GROWING_ONE]"
    ),
    "Deep": _change(
        "repeated DeepOuter a = 1;",
        "repeated DeepOuter a = 1;",
        'a { inner { key: "k" value { x: -1 more { x: 5 } } } }',
        'a { inner { key: "k" value { x: -1 z: "new" more { x: 5 } } } }; a { }',
    ),
    "Renamed": Change("int32 a = 1;", "int32 a = 1;", ("a: 1",), ("a: 2",), "WasNamed", "IsNamed"),
    "Swapped": Change("int32 a = 1;", "string b = 1; int64 a = 2;", ("a: 1",), ('b: "x" a: 3',), "WasThis", "IsThat"),
}
"""By name; each is a message, and methods of all kinds that carry it."""

_SHARED: Final = """
message Point { int32 x = 1; int32 y = 2; }
message Pair { int32 x = 1; int32 y = 2; }
message Named { string x = 1; int32 y = 2; }
message Entry { string key = 1; int32 value = 2; }
message DeepOuter { map<string, DeepInner> inner = 1; }
enum Kind { KIND_NONE = 0; KIND_ONE = 1; }
"""
_OLD: Final = """
enum Growing { GROWING_NONE = 0; GROWING_ONE = 1; }
enum Fading { FADING_NONE = 0; FADING_ONE = 1; FADING_TWO = 2; }
enum Turning { TURNING_NONE = 0; TURNING_THIS = 1; }
enum Doubling { DOUBLING_NONE = 0; DOUBLING_ONE = 1; }
message DeepInner { int32 x = 1; DeepInner more = 2; }
"""
_NEW: Final = """
enum Growing { GROWING_NONE = 0; GROWING_ONE = 1; GROWING_TWO = 2; }
enum Fading { FADING_NONE = 0; FADING_ONE = 1; }
enum Turning { TURNING_NONE = 0; TURNING_THAT = 1; }
enum Doubling { option allow_alias = true; DOUBLING_NONE = 0; DOUBLING_FIRST = 1; DOUBLING_ONE = 1; }
message DeepInner { sint32 x = 1; DeepInner more = 2; string z = 3; }
"""
_METHODS: Final = """
service Ways {{
{ways}
}}
service Methods {{
  rpc {changed}(Point) returns (Point);
  rpc Kept(Point) returns (Point);
}}
service {service} {{ rpc Get(Point) returns (Point); }}
"""


@dataclass(frozen=True, slots=True)
class Version:
    """The IDL at one time: its generated package, and protobuf's own classes of the same messages."""

    package: Any
    pool: DescriptorPool
    is_new: bool

    def name_of(self, change: str) -> str:
        """The name of a change's message."""
        found = CHANGES[change]
        return (found.new_name if self.is_new else found.old_name) or change

    def message(self, change: str) -> Any:
        """The generated class."""
        return getattr(self.package, self.name_of(change))

    def judge(self, change: str) -> Any:
        """protobuf's class."""
        return GetMessageClass(self.pool.FindMessageTypeByName(f"evolution.{self.name_of(change)}"))

    def values(self, change: str) -> list[bytes]:
        """The sample values of a change, encoded by protobuf."""
        found = CHANGES[change]
        texts = found.new_values if self.is_new else found.old_values
        return [encoded(text_format.Parse(text, self.judge(change)())) for text in texts]

    def read(self, change: str, data: bytes) -> bytes | None:
        """What is left of a value when protobuf reads it here and writes it again; None: it refuses it."""
        try:
            return encoded(self.judge(change).FromString(data))
        except DecodeError:
            return None

    def json(self, change: str, data: bytes) -> str:
        """What protobuf makes of a value in JSON."""
        return json_format.MessageToJson(self.judge(change).FromString(data))

    def read_json(self, change: str, text: str, *, ignore_unknown: bool) -> bytes | None:
        """What is left of a value in JSON when protobuf reads it here; None: it refuses it."""
        try:
            return encoded(json_format.Parse(text, self.judge(change)(), ignore_unknown_fields=ignore_unknown))
        except json_format.ParseError:
            return None


def encoded(message: Message) -> bytes:
    """The bytes of a message, in an order that is always the same."""
    return message.SerializeToString(deterministic=True)


def proto_text(*, is_new: bool) -> str:
    """The IDL before or after all the changes."""
    imports = (f'import "google/protobuf/{name}.proto";\n' for name in ("timestamp", "wrappers"))
    parts = ['syntax = "proto3";\npackage evolution;\n', *imports, _SHARED, _NEW if is_new else _OLD]
    ways = []
    for name, change in CHANGES.items():
        message = (change.new_name if is_new else change.old_name) or name
        parts.append(f"message {message} {{ {change.new if is_new else change.old} }}\n")
        ways += [f"  rpc {name}{kind}{form.format(message, message)};" for kind, form in KINDS.items()]
    for old, old_form in KINDS.items():
        for new, new_form in KINDS.items():
            form = (new_form if is_new else old_form).format("Point", "Point")
            ways.append(f"  rpc Turned{old}To{new}{form};")
    changed, service = ("IsCalled", "IsServed") if is_new else ("WasCalled", "WasServed")
    parts.append(_METHODS.format(ways="\n".join(ways), changed=changed, service=service))
    return "".join(parts)


def make_versions(folder: Path) -> tuple[Version, Version]:
    """The packages before and after, imported from `folder`, which stays in use."""
    with pytest.MonkeyPatch.context() as patch:
        # protobuf's own modules of both would meet in its pool, and nothing here needs them.
        patch.setattr("eventflux_codegen.pipeline.generate_protobuf", lambda *_: {})
        for name in ("old", "new"):
            source = folder / name / "evolution.proto"
            source.parent.mkdir(parents=True)
            source.write_text(proto_text(is_new=name == "new"))
            generate(Order.of_paths([str(source)], f"evolution_{name}", (), str(folder)))
    sys.path.insert(0, str(folder))
    return _version(folder, "old"), _version(folder, "new")


def _version(folder: Path, name: str) -> Version:
    source = Order.of_paths([str(folder / name / "evolution.proto")], "unused", (), ".").read()
    pool = DescriptorPool()
    descriptors: FileDescriptorSet = source.descriptors
    for file in descriptors.file:
        pool.AddSerializedFile(file.SerializeToString())
    return Version(importlib.import_module(f"evolution_{name}"), pool, name == "new")
