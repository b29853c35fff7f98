"""Fingerprints tell all types apart: a field of another type is never read in the native layout of the first."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

from eventflux_codegen.build import build_package
from eventflux_codegen.error import Place
from eventflux_codegen.input import Input
from eventflux_codegen.product import FileOptions
from eventflux_codegen.schema import Schema
from eventflux_codegen.yaml_source import Places

TYPES: Final = [
    "double",
    "float",
    "int32",
    "int64",
    "uint32",
    "uint64",
    "sint32",
    "sint64",
    "fixed32",
    "fixed64",
    "sfixed32",
    "sfixed64",
    "bool",
    "string",
    "bytes",
    "enum",
    "message",
]
KEYS: Final = [name for name in TYPES if name not in ("double", "float", "bytes", "enum", "message")]


def fingerprint(label: str, kind: str, key: str = "") -> int:
    """The fingerprint of a method with a message that has one field."""
    file = FileDescriptorProto(name="a.proto", package="t", syntax="proto3")
    file.enum_type.add(name="Kind").value.add(name="NONE", number=0)
    file.message_type.add(name="Point")
    message = file.message_type.add(name="M")
    field = message.field.add(name="a", number=1, label=FieldDescriptorProto.LABEL_OPTIONAL)
    holder = field
    if label == "map":
        entry = message.nested_type.add(name="AEntry")
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, type=number_of(key), label=field.label)
        holder = entry.field.add(name="value", number=2, label=field.label)
        field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, ".t.M.AEntry"
    if label in ("repeated", "map"):
        field.label = FieldDescriptorProto.LABEL_REPEATED
    if label in ("optional", "oneof"):
        field.proto3_optional = label == "optional"
        field.oneof_index = 0
        message.oneof_decl.add(name="_a" if label == "optional" else "choice")
    holder.type = number_of(kind)
    if kind in ("enum", "message"):
        holder.type_name = ".t.Kind" if kind == "enum" else ".t.Point"
    file.service.add(name="S").method.add(name="Go", input_type=".t.M", output_type=".t.M")
    source = Input.given([file], ["a.proto"], Place("a"))
    package = build_package(
        Schema.of(source.descriptors, [Path()], source.listed), FileOptions(package="p", protos=()), Places("a", 0)
    )
    return package.services[0].methods[0].fingerprint


def number_of(kind: str) -> FieldDescriptorProto.Type.ValueType:
    return FieldDescriptorProto.Type.Value(f"TYPE_{kind.upper()}")


def test_every_type_and_form_has_a_fingerprint_of_its_own() -> None:
    forms = [(label, kind, "") for label in ("", "optional", "repeated", "oneof") for kind in TYPES]
    forms += [("map", kind, "string") for kind in TYPES]
    forms += [("map", "string", key) for key in KEYS if key != "string"]
    same = {("optional", "message", "")}  # a message may be absent in any case
    found = {fingerprint(*form) for form in forms if form not in same}
    assert len(found) == len(forms) - len(same)
    assert fingerprint("optional", "message") == fingerprint("", "message")
