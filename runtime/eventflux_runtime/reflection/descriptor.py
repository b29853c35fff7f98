"""The descriptors of both versions of ``ServerReflection``, and the classes of their messages.

The definitions are those of https://github.com/grpc/grpc-proto/blob/master/grpc/reflection/v1/reflection.proto, which
are v1alpha's under another name. Each version has a pool of its own: the default one may hold grpcio-reflection's, or
an application's, under the same names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.message import Message

__all__ = ["V1", "V1ALPHA", "message_class"]


class _Field(NamedTuple):
    """A field of a message."""

    number: int
    name: str
    kind: str
    """A scalar of `_SCALARS`, or a message of the same file."""
    is_repeated: bool = False
    is_choice: bool = False
    """Whether it belongs to the message's oneof."""


_SCALARS: Final = {
    "bytes": FieldDescriptorProto.TYPE_BYTES,
    "int32": FieldDescriptorProto.TYPE_INT32,
    "string": FieldDescriptorProto.TYPE_STRING,
}
_REQUEST: Final = "ServerReflectionRequest"
_RESPONSE: Final = "ServerReflectionResponse"
_MESSAGES: Final[Mapping[str, tuple[_Field, ...]]] = {
    _REQUEST: (
        _Field(1, "host", "string"),
        _Field(3, "file_by_filename", "string", is_choice=True),
        _Field(4, "file_containing_symbol", "string", is_choice=True),
        _Field(5, "file_containing_extension", "ExtensionRequest", is_choice=True),
        _Field(6, "all_extension_numbers_of_type", "string", is_choice=True),
        _Field(7, "list_services", "string", is_choice=True),
    ),
    "ExtensionRequest": (_Field(1, "containing_type", "string"), _Field(2, "extension_number", "int32")),
    _RESPONSE: (
        _Field(1, "valid_host", "string"),
        _Field(2, "original_request", _REQUEST),
        _Field(4, "file_descriptor_response", "FileDescriptorResponse", is_choice=True),
        _Field(5, "all_extension_numbers_response", "ExtensionNumberResponse", is_choice=True),
        _Field(6, "list_services_response", "ListServiceResponse", is_choice=True),
        _Field(7, "error_response", "ErrorResponse", is_choice=True),
    ),
    "FileDescriptorResponse": (_Field(1, "file_descriptor_proto", "bytes", is_repeated=True),),
    "ExtensionNumberResponse": (
        _Field(1, "base_type_name", "string"),
        _Field(2, "extension_number", "int32", is_repeated=True),
    ),
    "ListServiceResponse": (_Field(1, "service", "ServiceResponse", is_repeated=True),),
    "ServiceResponse": (_Field(1, "name", "string"),),
    "ErrorResponse": (_Field(1, "error_code", "int32"), _Field(2, "error_message", "string")),
}
_CHOICES: Final = {_REQUEST: "message_request", _RESPONSE: "message_response"}
"""The name of the oneof of a message that has one."""


def _described(package: str) -> FileDescriptor:
    """The descriptor of one version's file, in a pool of its own."""
    file = FileDescriptorProto(name=f"{package.replace('.', '/')}/reflection.proto", package=package, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        if name in _CHOICES:
            message.oneof_decl.add(name=_CHOICES[name])
        for field in fields:
            _add(message, field, package)
    file.service.add(name="ServerReflection").method.add(
        name="ServerReflectionInfo",
        input_type=f".{package}.{_REQUEST}",
        output_type=f".{package}.{_RESPONSE}",
        client_streaming=True,
        server_streaming=True,
    )
    file.options.deprecated = package.endswith("alpha")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool.FindFileByName(file.name)


def _add(message: DescriptorProto, field: _Field, package: str) -> None:
    scalar = _SCALARS.get(field.kind)
    message.field.add(
        name=field.name,
        number=field.number,
        type=FieldDescriptorProto.TYPE_MESSAGE if scalar is None else scalar,
        type_name=f".{package}.{field.kind}" if scalar is None else None,
        label=FieldDescriptorProto.LABEL_REPEATED if field.is_repeated else FieldDescriptorProto.LABEL_OPTIONAL,
        oneof_index=0 if field.is_choice else None,
    )


V1: Final = _described("grpc.reflection.v1")
V1ALPHA: Final = _described("grpc.reflection.v1alpha")


def message_class(type_name: str) -> type[Message]:
    """Protobuf's class of a message of either version, by its full name. Raises KeyError where there is none."""
    package, _, name = type_name.rpartition(".")
    file = next((file for file in (V1, V1ALPHA) if file.package == package), None)
    if file is None:
        raise KeyError(type_name)
    return message_factory.GetMessageClass(file.message_types_by_name[name])
