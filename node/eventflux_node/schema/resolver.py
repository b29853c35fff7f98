"""Descriptors by name, in a pool of their own, fetched from wherever a source has them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Final, TypeVar

from google.protobuf.descriptor import Descriptor, FileDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError

from eventflux_node.schema.api import SchemaError

__all__ = ["Files", "Resolver"]

D = TypeVar("D")

_OPAQUE_BASE: Final = "eventflux.opaque"
_WELL_KNOWN: Final = "google.protobuf."
_WELL_KNOWN_FILES: Final = (
    "any",
    "api",
    "duration",
    "empty",
    "field_mask",
    "source_context",
    "struct",
    "timestamp",
    "type",
    "wrappers",
)
_UNNAMED: Final = "eventflux.Unnamed"
"""What stands for a type whose name is none, or one that JSON has a form of its own for."""


class Files(ABC):
    """Where files come from: a server, or a set that is there already."""

    @abstractmethod
    async def of_symbol(self, symbol: str) -> Iterable[bytes]:
        """The serialised file that defines a name, perhaps with others; nothing: it is not known."""

    @abstractmethod
    async def by_name(self, name: str) -> Iterable[bytes]:
        """The serialised file of a path, perhaps with others; nothing: it is not known."""


class Resolver:
    """A pool that is filled as names are asked for.

    Invariants: each file is in the pool once, behind all that it imports. What is not known is asked for once.
    """

    def __init__(self, files: Files) -> None:
        self.pool = DescriptorPool()
        self.files: dict[str, FileDescriptorProto] = {}
        """The files that the source gave, by path, with their comments."""
        self._source = files
        self._added: set[str] = set()
        self._unknown: set[str] = set()
        self._stand_ins: set[str] = set()

    async def find(self, type_url: str) -> Descriptor | None:
        """The type of a URL as an `Any` has it, or of a full name; None where nobody knows it."""
        name = type_url.rpartition("/")[2]
        if name in self._stand_ins:
            return None
        found: Descriptor | None = await self._find(name, self.pool.FindMessageTypeByName)
        return found

    async def find_service(self, name: str) -> ServiceDescriptor | None:
        """The service of a full name; None where nobody knows it."""
        return await self._find(name, self.pool.FindServiceByName)

    async def file_of(self, symbol: str) -> FileDescriptor | None:
        """The file that defines a name; None where nobody knows it."""
        return await self._find(symbol, self.pool.FindFileContainingSymbol)

    def opaque(self, type_url: str) -> Descriptor:
        """A type of that name with nothing but the bytes in a field ``value``, for messages that nobody can read."""
        name = type_url.rpartition("/")[2]
        if name.startswith(_WELL_KNOWN) or not all(part.isascii() and part.isidentifier() for part in name.split(".")):
            name = _UNNAMED
        if name not in self._stand_ins:
            package, _, short = name.rpartition(".")
            file = FileDescriptorProto(name=f"{_OPAQUE_BASE}/{name}", package=package, syntax="proto3")
            file.message_type.add(name=short).field.add(
                name="value",
                number=1,
                type=FieldDescriptorProto.TYPE_BYTES,
                label=FieldDescriptorProto.LABEL_OPTIONAL,
            )
            try:
                self._pool_add(file)
            except SchemaError:  # some of protobuf's implementations take no package of a message's name
                return self.opaque(_UNNAMED)
            self._stand_ins.add(name)
        return self.pool.FindMessageTypeByName(name)

    async def _find(self, name: str, look: Callable[[str], D]) -> D | None:
        try:
            return look(name)
        except KeyError:
            pass
        if not name or name in self._unknown:
            return None
        await self.add(await self._source.of_symbol(name) or _well_known_symbol(name))
        try:
            return look(name)
        except KeyError:
            self._unknown.add(name)
            return None

    async def add(self, serialized: Iterable[bytes]) -> None:
        """Puts files into the pool, and all that they import.

        Raises:
            SchemaError: a file is broken, or one that it imports is missing.
        """
        names = [self._keep(data) for data in serialized]
        for name in names:
            await self._add_with_imports(name)

    def _keep(self, data: bytes) -> str:
        try:
            file = FileDescriptorProto.FromString(data)
        except DecodeError:
            raise SchemaError("the source of types gave a descriptor that is none") from None
        self.files.setdefault(file.name, file)
        return file.name

    async def _add_with_imports(self, name: str) -> None:
        """Puts a file into the pool behind those that it imports, without recursion."""
        pending = [name]
        while pending:
            current = pending[-1]
            if current in self._added:
                pending.pop()
                continue
            if current not in self.files:
                await self._fetch(current, pending)
            missing = [other for other in self.files[current].dependency if other not in self._added]
            circle = set(missing) & set(pending)
            if circle:
                raise SchemaError(f"{current} and {min(circle)} import each other")
            if missing:
                pending.extend(missing)
            else:
                self._pool_add(self.files[current])
                pending.pop()

    async def _fetch(self, name: str, importers: list[str]) -> None:
        for data in await self._source.by_name(name) or _well_known(name):
            self._keep(data)
        if name not in self.files:
            importer = next((other for other in reversed(importers) if other != name), "")
            raise SchemaError(f"{importer} imports {name}, which the source of types does not have")

    def _pool_add(self, file: FileDescriptorProto) -> None:
        try:
            self.pool.AddSerializedFile(file.SerializeToString())
            self.pool.FindFileByName(file.name)
        except (TypeError, KeyError) as error:
            reason = " ".join(str(error).split()).removeprefix("Couldn't build proto file into descriptor pool: ")
            raise SchemaError(f"{file.name} is not valid: {reason}") from None
        self._added.add(file.name)


def _well_known(path: str) -> list[bytes]:
    """A file of protobuf's own, which some sources take for granted."""
    stem = path.removeprefix("google/protobuf/").removesuffix(".proto")
    if path != f"google/protobuf/{stem}.proto" or stem not in {*_WELL_KNOWN_FILES, "descriptor"}:
        return []
    file: FileDescriptor = import_module(f"google.protobuf.{stem}_pb2").DESCRIPTOR
    return [file.serialized_pb]


def _well_known_symbol(name: str) -> list[bytes]:
    """The file of a type of protobuf's own, with those that it imports left to be fetched."""
    if not name.startswith(_WELL_KNOWN):
        return []
    for stem in _WELL_KNOWN_FILES:
        file: FileDescriptor = import_module(f"google.protobuf.{stem}_pb2").DESCRIPTOR
        if name.removeprefix(_WELL_KNOWN) in {*file.message_types_by_name, *file.enum_types_by_name}:
            return [file.serialized_pb]
    return []
