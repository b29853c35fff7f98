"""Finds the generated classes that belong to protobuf's descriptors, so that tests need not trust the generator."""

from __future__ import annotations

import enum
import functools
import types
import typing
from typing import Any

import msgspec
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, OneofDescriptor

import eventflux_transport.messages
import inventory_sdk.messages
import kitchen_package.messages
from eventflux_runtime import well_known
from eventflux_runtime.codegen_api import Message
from eventflux_runtime.well_known import messages as well_known_messages

__all__ = [
    "MODULES",
    "attribute_of",
    "choices_of",
    "class_of",
    "descriptor_of",
    "entry_of",
    "enum_of",
    "fields_of",
    "is_map",
    "message_classes",
    "real_oneofs",
]

MODULES = (eventflux_transport.messages, inventory_sdk.messages, kitchen_package.messages)


@functools.cache
def _by_full_name(module: types.ModuleType) -> dict[str, type[Any]]:
    classes = [
        kind
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Message) and kind is not Message
    ]
    return {kind().to_proto().DESCRIPTOR.full_name: kind for kind in classes}


def message_classes() -> list[type[Any]]:
    """Every message class of the three packages, and of the runtime's well-known ones, in order."""
    return [kind for module in (*MODULES, well_known_messages) for kind in _by_full_name(module).values()]


def descriptor_of(kind: type[Any]) -> Descriptor:
    """Protobuf's descriptor of a message class."""
    descriptor = kind().to_proto().DESCRIPTOR
    assert isinstance(descriptor, Descriptor)
    return descriptor


def class_of(descriptor: Descriptor, module: types.ModuleType) -> type[Any]:
    """The message class of a descriptor, in one of the packages, or of the runtime for those of protobuf's."""
    if descriptor.file.package == "google.protobuf":
        return _by_full_name(well_known_messages)[descriptor.full_name]
    return _by_full_name(module)[descriptor.full_name]


def enum_of(descriptor: EnumDescriptor, module: types.ModuleType) -> type[enum.IntEnum]:
    """The enum class of a descriptor: its members have the descriptor's numbers, under names that end alike."""
    if descriptor.file.package == "google.protobuf":
        module = well_known
    local = descriptor.full_name.removeprefix(f"{descriptor.file.package}.").replace(".", "")
    renamed = {"Direction": "Heading"}
    kind: type[enum.IntEnum] = getattr(module, renamed.get(local, local))
    assert {int(member) for member in kind} == {value.number for value in descriptor.values}
    return kind


def attribute_of(kind: type[Any], name: str) -> str:
    """The attribute of a field or oneof; a trailing underscore is the only thing that may be added."""
    names = kind.__struct_fields__
    (attribute,) = {name, f"{name}_"} & set(names)
    return str(attribute)


def is_map(field: FieldDescriptor) -> bool:
    """Whether a field is a map."""
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def entry_of(field: FieldDescriptor) -> tuple[FieldDescriptor, FieldDescriptor]:
    """The key and the value of a map field."""
    assert field.message_type is not None
    key, value = field.message_type.fields
    return key, value


def real_oneofs(descriptor: Descriptor) -> list[OneofDescriptor]:
    """The oneofs that do not stand for an `optional`."""
    return [oneof for oneof in descriptor.oneofs if oneof.name != f"_{oneof.fields[0].name}"]


def fields_of(descriptor: Descriptor) -> list[FieldDescriptor]:
    """The fields outside oneofs, in declaration order."""
    inside = {field.name for oneof in real_oneofs(descriptor) for field in oneof.fields}
    return [field for field in descriptor.fields if field.name not in inside]


def choices_of(kind: type[Any], oneof: OneofDescriptor) -> dict[str, type[msgspec.Struct]]:
    """The class of each choice of a oneof, by the name of the field."""
    hints = typing.get_type_hints(kind)
    classes = {each.__name__.lower(): each for each in typing.get_args(hints[attribute_of(kind, oneof.name)])}
    prefix = f"{kind.__name__}{oneof.name}".replace("_", "").lower()
    return {field.name: classes[prefix + field.name.replace("_", "").lower()] for field in oneof.fields}
