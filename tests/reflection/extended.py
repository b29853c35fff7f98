"""A file that extends protobuf's options, and a service of another one that imports it, in a pool of their own."""

from __future__ import annotations

from typing import Final

from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

__all__ = ["EXTENDED", "EXTENDING", "SERVICE", "THING"]


def _files() -> tuple[FileDescriptorProto, FileDescriptorProto]:
    extending = FileDescriptorProto(
        name="extended/option.proto",
        package="extended",
        syntax="proto3",
        dependency=["google/protobuf/descriptor.proto"],
    )
    for number, name in ((50_002, "second"), (50_001, "first")):
        extending.extension.add(
            name=name,
            number=number,
            extendee=".google.protobuf.FieldOptions",
            type=FieldDescriptorProto.TYPE_STRING,
            label=FieldDescriptorProto.LABEL_OPTIONAL,
        )
    extended = FileDescriptorProto(
        name="extended/service.proto",
        package="extended",
        syntax="proto3",
        dependency=[extending.name, *extending.dependency],
    )
    message = extended.message_type.add(name="Thing")
    message.oneof_decl.add(name="choice")
    message.field.add(
        name="one",
        number=1,
        type=FieldDescriptorProto.TYPE_STRING,
        label=FieldDescriptorProto.LABEL_OPTIONAL,
        oneof_index=0,
    )
    message.enum_type.add(name="Size").value.add(name="SMALL", number=0)
    extended.service.add(name="Things").method.add(
        name="Get", input_type=".extended.Thing", output_type=".extended.Thing"
    )
    return extending, extended


def _described() -> tuple[FileDescriptor, FileDescriptor]:
    pool = DescriptorPool()
    pool.AddSerializedFile(descriptor_pb2.DESCRIPTOR.serialized_pb)
    extending, extended = _files()
    for file in (extending, extended):
        pool.Add(file)
    return pool.FindFileByName(extending.name), pool.FindFileByName(extended.name)


EXTENDING, EXTENDED = _described()
SERVICE: Final = "extended.Things"
THING: Final = message_factory.GetMessageClass(EXTENDED.message_types_by_name["Thing"])
"""Protobuf's class of the message."""
