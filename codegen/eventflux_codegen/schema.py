"""The descriptors as an indexed tree: every message, enum and service under its full name, with comments and places."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FeatureSet,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
    SourceCodeInfo,
)

from eventflux_codegen.error import GenerationError, Place
from eventflux_codegen.features import Presence, features_of, is_delimited, is_packed, narrowed, presence_of
from eventflux_codegen.foreign import Names
from eventflux_codegen.well_known import is_descriptor, is_well_known

__all__ = ["EnumNode", "MessageNode", "Schema", "ServiceNode", "Source"]

_MESSAGES: Final = 4
_ENUMS: Final = 5
_SERVICES: Final = 6
_EXTENSIONS: Final = 7
"""Numbers of the parts of a file's descriptor, of which paths are made."""


@dataclass(frozen=True)
class Source:
    """One .proto file: its descriptor, where it lies, and what was written about each element."""

    descriptor: FileDescriptorProto
    file: str
    locations: dict[tuple[int, ...], SourceCodeInfo.Location]
    is_listed: bool
    """Whether the options name it; of a file that is only imported, the package has what it needs."""
    is_elsewhere: bool
    """Whether another package has its types."""

    @property
    def is_well_known(self) -> bool:
        """Whether protobuf itself brings it."""
        return is_well_known(self.descriptor.name)

    @cached_property
    def features(self) -> FeatureSet:
        """What holds in the file, where nothing says otherwise."""
        return features_of(self.descriptor)

    @property
    def has_classes(self) -> bool:
        """Whether its messages may become classes: a file of proto2 may be there for its options alone."""
        syntax = self.descriptor.syntax or "proto2"
        return self.is_listed or self.is_elsewhere or self.is_well_known or syntax != "proto2"

    def place(self, path: Sequence[int]) -> Place:
        """The line of an element."""
        location = self.locations.get(tuple(path))
        return Place(self.file, location.span[0] + 1 if location is not None else 0)

    def comment(self, path: Sequence[int]) -> str:
        """The comment above an element, or else the one behind it; empty without one."""
        location = self.locations.get(tuple(path))
        if location is None:
            return ""
        return location.leading_comments.strip() or location.trailing_comments.strip()


@dataclass(frozen=True)
class _Node:
    source: Source
    path: tuple[int, ...]
    full_name: str
    features: FeatureSet
    """What holds in it, where its parts do not say otherwise."""

    @property
    def package(self) -> str:
        return self.source.descriptor.package

    @property
    def local_name(self) -> str:
        """The full name without the package."""
        return self.full_name[len(self.package) + 1 :] if self.package else self.full_name

    @property
    def place(self) -> Place:
        return self.source.place(self.path)

    @property
    def comment(self) -> str:
        return self.source.comment(self.path)


@dataclass(frozen=True)
class MessageNode(_Node):
    """A message, nested ones included; map entries are not messages here."""

    descriptor: DescriptorProto

    @cached_property
    def _entries(self) -> dict[str, DescriptorProto]:
        nested = self.descriptor.nested_type
        return {f".{self.full_name}.{entry.name}": entry for entry in nested if entry.options.map_entry}

    @property
    def references(self) -> Iterator[str]:
        """The full names of the messages and enums that its fields have."""
        for proto in self.descriptor.field:
            entry = self.entry(proto)
            for candidate in entry.field if entry is not None else (proto,):
                if candidate.type_name:
                    yield candidate.type_name[1:]

    def entry(self, field: FieldDescriptorProto) -> DescriptorProto | None:
        """The entry type of a map field; None for any other field."""
        return self._entries.get(field.type_name) if field.type_name else None

    def is_choice(self, field: FieldDescriptorProto) -> bool:
        """Whether a field is one of a oneof, and not of one that only stands for `optional`."""
        return field.HasField("oneof_index") and not field.proto3_optional

    def choices(self, oneof: int) -> list[int]:
        """The indices of the fields of a oneof; none, if it only stands for an `optional`."""
        return [
            index
            for index, field in enumerate(self.descriptor.field)
            if self.is_choice(field) and field.oneof_index == oneof
        ]

    def presence(self, field: FieldDescriptorProto) -> Presence:
        """Whether a message knows that a single field was set."""
        return presence_of(field, self._features_of(field))

    def is_packed(self, field: FieldDescriptorProto) -> bool:
        """Whether the elements of a list are written as one record, if their type allows it."""
        return is_packed(field, self._features_of(field))

    def is_delimited(self, field: FieldDescriptorProto) -> bool:
        """Whether a field is a group; the entries of a map never are."""
        return self.entry(field) is None and is_delimited(field, self._features_of(field))

    def _features_of(self, field: FieldDescriptorProto) -> FeatureSet:
        return narrowed(self.features, field.options)

    def field_comment(self, index: int) -> str:
        """The comment of a field, by its index in the descriptor."""
        return self.source.comment((*self.path, 2, index))

    def field_place(self, index: int) -> Place:
        """The line of a field, by its index in the descriptor."""
        return self.source.place((*self.path, 2, index))


@dataclass(frozen=True)
class EnumNode(_Node):
    """An enum, nested ones included."""

    descriptor: EnumDescriptorProto

    @property
    def is_closed(self) -> bool:
        """Whether a number without a name is no value of it."""
        return narrowed(self.features, self.descriptor.options).enum_type == FeatureSet.CLOSED


@dataclass(frozen=True)
class ServiceNode(_Node):
    """A service."""

    descriptor: ServiceDescriptorProto


@dataclass(frozen=True, slots=True)
class Schema:
    """Everything that is to be generated, by full name, in the order of the files."""

    messages: dict[str, MessageNode]
    enums: dict[str, EnumNode]
    services: dict[str, ServiceNode]
    sources: tuple[Source, ...]
    foreign: Mapping[str, Names] = field(default_factory=dict)
    """Those messages and enums whose classes another package has, and what it calls them."""

    @property
    def own_messages(self) -> dict[str, MessageNode]:
        """The messages whose classes no other package has."""
        return {name: node for name, node in self.messages.items() if name not in self.foreign}

    @property
    def own_enums(self) -> dict[str, EnumNode]:
        """The enums whose classes no other package has."""
        return {name: node for name, node in self.enums.items() if name not in self.foreign}

    @staticmethod
    def of(
        descriptors: FileDescriptorSet,
        include: Sequence[Path],
        listed: Collection[str],
        elsewhere: Collection[str] = (),
    ) -> Schema:
        """Indexes descriptors: all of the listed files, and of those that they import what they use.

        Args:
            descriptors: dependencies first.
            include: where the files lie, for places in error messages.
            listed: the files to make something of.
            elsewhere: files whose types another package has.

        Raises:
            GenerationError: a message has something that no class can be made of.
        """
        sources = tuple(_source(file, include, listed, elsewhere) for file in descriptors.file)
        schema = Schema({}, {}, {}, sources)
        for source in sources:
            features, package = source.features, source.descriptor.package
            for index, message in enumerate(source.descriptor.message_type):
                schema._add_message(source, (_MESSAGES, index), package, features, message)
            for index, enum in enumerate(source.descriptor.enum_type):
                schema._add_enum(source, (_ENUMS, index), package, features, enum)
            for index, service in enumerate(source.descriptor.service):
                if source.is_listed:
                    name = _join(package, service.name)
                    schema.services[name] = ServiceNode(source, (_SERVICES, index), name, features, service)
        used = schema._without_unused()
        used._refuse_extensions()
        return used

    def _add_message(
        self, source: Source, path: tuple[int, ...], scope: str, outer: FeatureSet, message: DescriptorProto
    ) -> None:
        name, features = _join(scope, message.name), narrowed(outer, message.options)
        self.messages[name] = MessageNode(source, path, name, features, message)
        for index, nested in enumerate(message.nested_type):
            if not nested.options.map_entry:
                self._add_message(source, (*path, 3, index), name, features, nested)
        for index, enum in enumerate(message.enum_type):
            self._add_enum(source, (*path, 4, index), name, features, enum)

    def _add_enum(
        self, source: Source, path: tuple[int, ...], scope: str, outer: FeatureSet, enum: EnumDescriptorProto
    ) -> None:
        name = _join(scope, enum.name)
        self.enums[name] = EnumNode(source, path, name, outer, enum)

    def _without_unused(self) -> Schema:
        used = {name for name, node in self.enums.items() if node.source.is_listed}
        pending = [name for name, node in self.messages.items() if node.source.is_listed]
        for service in self.services.values():
            for index, method in enumerate(service.descriptor.method):
                for name in (method.input_type[1:], method.output_type[1:]):
                    place = service.source.place((*service.path, 2, index))
                    self._refuse_unlisted(name, f"{service.full_name}.{method.name}", place)
                    pending.append(name)
        while pending:
            name = pending.pop()
            if name not in used:
                used.add(name)
                if name in self.messages:
                    pending += self._references(self.messages[name])
        return replace(
            self,
            messages={name: node for name, node in self.messages.items() if name in used},
            enums={name: node for name, node in self.enums.items() if name in used},
        )

    def _references(self, node: MessageNode) -> Iterator[str]:
        for index, proto in enumerate(node.descriptor.field):
            if node.is_delimited(proto):
                raise _unsupported("is a group", f"{node.full_name}.{proto.name}", node.field_place(index))
            entry = node.entry(proto)
            for candidate in entry.field if entry is not None else (proto,):
                if candidate.type_name:
                    name = candidate.type_name[1:]
                    self._refuse_unlisted(name, f"{node.full_name}.{proto.name}", node.field_place(index))
                    yield name

    def _refuse_unlisted(self, name: str, user: str, place: Place) -> None:
        source = (self.messages.get(name) or self.enums[name]).source
        if not source.has_classes:
            file = source.descriptor.name
            message = f"{user} has the type {name} of {file}, which is proto2: add that file to protos, too"
            raise GenerationError(message, place)

    def _refuse_extensions(self) -> None:
        """Refuses extensions of messages that are classes; who extends protobuf's own options asks for no class."""
        for source in self.sources:
            for index, extension in enumerate(source.descriptor.extension):
                self._refuse_extension(extension, source, (_EXTENSIONS, index))
        for node in self.messages.values():
            for index, extension in enumerate(node.descriptor.extension):
                self._refuse_extension(extension, node.source, (*node.path, 6, index))

    def _refuse_extension(self, extension: FieldDescriptorProto, source: Source, path: tuple[int, ...]) -> None:
        extended = extension.extendee
        if source.is_listed and extended[1:] in self.messages and not is_descriptor(extended):
            name = f"{extension.name} of {extended[1:]}"
            raise _unsupported("is an extension", name, source.place(path))


def _source(
    file: FileDescriptorProto, include: Sequence[Path], listed: Collection[str], elsewhere: Collection[str]
) -> Source:
    found = (path / file.name for path in include if (path / file.name).is_file())
    locations = {tuple(location.path): location for location in file.source_code_info.location}
    place = str(next(found, file.name))
    return Source(file, place, locations, file.name in listed, file.name in elsewhere)


def _unsupported(what: str, name: str, place: Place) -> GenerationError:
    return GenerationError(f"{name} {what}, and no message class has those: make it a field of its own", place)


def _join(scope: str, name: str) -> str:
    return f"{scope}.{name}" if scope else name
