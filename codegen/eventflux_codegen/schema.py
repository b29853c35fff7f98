"""The descriptors as an indexed tree: every message, enum and service under its full name, with comments and places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
    SourceCodeInfo,
)

from eventflux_codegen.compiler import is_well_known
from eventflux_codegen.error import GenerationError, Place

__all__ = ["EnumNode", "MessageNode", "Schema", "ServiceNode", "Source"]


@dataclass(frozen=True, slots=True)
class Source:
    """One .proto file: its descriptor, where it lies, and what was written about each element."""

    descriptor: FileDescriptorProto
    file: str
    locations: dict[tuple[int, ...], SourceCodeInfo.Location]

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


@dataclass(frozen=True, slots=True)
class _Node:
    source: Source
    path: tuple[int, ...]
    full_name: str

    @property
    def package(self) -> str:
        return self.source.descriptor.package

    @property
    def place(self) -> Place:
        return self.source.place(self.path)

    @property
    def comment(self) -> str:
        return self.source.comment(self.path)


@dataclass(frozen=True, slots=True)
class MessageNode(_Node):
    """A message, nested ones included; map entries are not messages here."""

    descriptor: DescriptorProto

    def entry(self, field: FieldDescriptorProto) -> DescriptorProto | None:
        """The entry type of a map field; None for any other field."""
        for nested in self.descriptor.nested_type:
            if nested.options.map_entry and field.type_name == f".{self.full_name}.{nested.name}":
                return nested
        return None

    def field_comment(self, index: int) -> str:
        """The comment of a field, by its index in the descriptor."""
        return self.source.comment((*self.path, 2, index))

    def field_place(self, index: int) -> Place:
        """The line of a field, by its index in the descriptor."""
        return self.source.place((*self.path, 2, index))


@dataclass(frozen=True, slots=True)
class EnumNode(_Node):
    """An enum, nested ones included."""

    descriptor: EnumDescriptorProto


@dataclass(frozen=True, slots=True)
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

    @staticmethod
    def of(descriptors: FileDescriptorSet, include: Sequence[Path]) -> Schema:
        """Indexes descriptors; of protobuf's own types, those that the files really use.

        Raises:
            GenerationError: a file is not proto3.
        """
        schema = Schema({}, {}, {}, tuple(_source(file, include) for file in descriptors.file))
        for source in schema.sources:
            if source.descriptor.syntax != "proto3":
                if is_well_known(source.descriptor.name):
                    continue
                raise _not_proto3(source)
            for index, message in enumerate(source.descriptor.message_type):
                schema._add_message(source, (4, index), source.descriptor.package, message)
            for index, enum in enumerate(source.descriptor.enum_type):
                schema._add_enum(source, (5, index), source.descriptor.package, enum)
            for index, service in enumerate(source.descriptor.service):
                if not is_well_known(source.descriptor.name):
                    name = _join(source.descriptor.package, service.name)
                    schema.services[name] = ServiceNode(source, (6, index), name, service)
        return schema._without_unused()

    def _add_message(self, source: Source, path: tuple[int, ...], scope: str, message: DescriptorProto) -> None:
        name = _join(scope, message.name)
        self.messages[name] = MessageNode(source, path, name, message)
        for index, nested in enumerate(message.nested_type):
            if not nested.options.map_entry:
                self._add_message(source, (*path, 3, index), name, nested)
        for index, enum in enumerate(message.enum_type):
            self._add_enum(source, (*path, 4, index), name, enum)

    def _add_enum(self, source: Source, path: tuple[int, ...], scope: str, enum: EnumDescriptorProto) -> None:
        name = _join(scope, enum.name)
        self.enums[name] = EnumNode(source, path, name, enum)

    def _without_unused(self) -> Schema:
        used: set[str] = set()
        pending = [name for name, node in self.messages.items() if not is_well_known(node.source.descriptor.name)]
        used.update(name for name, node in self.enums.items() if not is_well_known(node.source.descriptor.name))
        for service in self.services.values():
            for method in service.descriptor.method:
                pending += [method.input_type[1:], method.output_type[1:]]
        while pending:
            name = pending.pop()
            if name not in used:
                used.add(name)
                if name in self.messages:
                    pending += _references(self.messages[name])
        return Schema(
            {name: node for name, node in self.messages.items() if name in used},
            {name: node for name, node in self.enums.items() if name in used},
            self.services,
            self.sources,
        )


def _references(node: MessageNode) -> Iterator[str]:
    for field in node.descriptor.field:
        entry = node.entry(field)
        for candidate in entry.field if entry is not None else (field,):
            if candidate.type_name:
                yield candidate.type_name[1:]


def _source(file: FileDescriptorProto, include: Sequence[Path]) -> Source:
    found = (path / file.name for path in include if (path / file.name).is_file())
    locations = {tuple(location.path): location for location in file.source_code_info.location}
    return Source(file, str(next(found, file.name)), locations)


def _not_proto3(source: Source) -> GenerationError:
    found = source.descriptor.syntax or "proto2"
    return GenerationError(
        f'{found} is not supported, only proto3 is: give the file syntax = "proto3"', source.place((12,))
    )


def _join(scope: str, name: str) -> str:
    return f"{scope}.{name}" if scope else name
