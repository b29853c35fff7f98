"""What a field or an enum is by the syntax or the edition of its file: present or not, open or closed, packed or not.

A file states features for all that is in it, and what is in it may state others
(https://protobuf.dev/editions/features/). The two older syntaxes are fixed sets of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from google.protobuf.descriptor_pb2 import (
    EnumOptions,
    FeatureSet,
    FieldDescriptorProto,
    FieldOptions,
    FileDescriptorProto,
    FileOptions,
    MessageOptions,
)

__all__ = ["Presence", "features_of", "is_delimited", "is_packed", "narrowed", "presence_of"]


class Presence(Enum):
    """Whether a message knows that a single field was set."""

    IMPLICIT = "implicit"
    """It does not: the default is not written."""
    EXPLICIT = "explicit"
    REQUIRED = "required"
    """It does, and a message without it is not valid."""


_Options = EnumOptions | FieldOptions | FileOptions | MessageOptions

_EDITION: Final = FeatureSet(
    field_presence=FeatureSet.EXPLICIT,
    enum_type=FeatureSet.OPEN,
    repeated_field_encoding=FeatureSet.PACKED,
    message_encoding=FeatureSet.LENGTH_PREFIXED,
)
_DEFAULTS: Final[Mapping[str, FeatureSet]] = {
    "editions": _EDITION,
    "proto3": FeatureSet(
        field_presence=FeatureSet.IMPLICIT,
        enum_type=FeatureSet.OPEN,
        repeated_field_encoding=FeatureSet.PACKED,
        message_encoding=FeatureSet.LENGTH_PREFIXED,
    ),
    "proto2": FeatureSet(
        field_presence=FeatureSet.EXPLICIT,
        enum_type=FeatureSet.CLOSED,
        repeated_field_encoding=FeatureSet.EXPANDED,
        message_encoding=FeatureSet.LENGTH_PREFIXED,
    ),
}
_PRESENCES: Final = {
    FeatureSet.EXPLICIT: Presence.EXPLICIT,
    FeatureSet.IMPLICIT: Presence.IMPLICIT,
    FeatureSet.LEGACY_REQUIRED: Presence.REQUIRED,
}


def features_of(file: FileDescriptorProto) -> FeatureSet:
    """What holds in a file, where nothing says otherwise."""
    return narrowed(_DEFAULTS[file.syntax or "proto2"], file.options)


def narrowed(outer: FeatureSet, options: _Options) -> FeatureSet:
    """What holds in an element whose options may differ from what holds around it."""
    if not options.HasField("features"):
        return outer
    inner = FeatureSet()
    inner.CopyFrom(outer)
    inner.MergeFrom(options.features)
    return inner


def presence_of(field: FieldDescriptorProto, features: FeatureSet) -> Presence:
    """Whether a single field is known to be set; `features` are those of the field."""
    if field.label == FieldDescriptorProto.LABEL_REQUIRED:
        return Presence.REQUIRED
    presence = _PRESENCES[features.field_presence]
    if presence is Presence.IMPLICIT and (field.proto3_optional or field.type == FieldDescriptorProto.TYPE_MESSAGE):
        return Presence.EXPLICIT
    return presence


def is_packed(field: FieldDescriptorProto, features: FeatureSet) -> bool:
    """Whether the elements of a list of numbers are written as one record."""
    if field.options.HasField("packed"):
        return field.options.packed
    return features.repeated_field_encoding == FeatureSet.PACKED


def is_delimited(field: FieldDescriptorProto, features: FeatureSet) -> bool:
    """Whether a message is written as a group, between two tags."""
    if field.type == FieldDescriptorProto.TYPE_GROUP:
        return True
    is_message = field.type == FieldDescriptorProto.TYPE_MESSAGE
    return is_message and features.message_encoding == FeatureSet.DELIMITED
