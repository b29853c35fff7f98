"""Reads descriptor sets, which hold .proto files as ``buf build`` and ``protoc --descriptor_set_out`` leave them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from eventflux_codegen.error import GenerationError, Place
from eventflux_codegen.well_known import is_well_known

__all__ = ["arrange", "own_files", "read_descriptor_set", "verify"]

_BUF_EXTENSION: Final = 8042
"""The field of a file in which buf notes what it knows beyond the descriptor."""
_IS_IMPORT: Final = 1
"""The field of that which says that the file is only there because another one imports it."""
_HOW: Final = "make it by buf build -o, or by protoc --descriptor_set_out --include_imports --include_source_info"


def read_descriptor_set(path: Path, place: Place) -> FileDescriptorSet:
    """The descriptors in a file, as they stand there.

    Raises:
        GenerationError: no such file, or no descriptor set.
    """
    try:
        descriptors = FileDescriptorSet.FromString(path.read_bytes())
    except OSError as error:
        raise GenerationError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}", place) from None
    except DecodeError:
        raise GenerationError(f"{path} is no descriptor set: {_HOW}", place) from None
    if not descriptors.file or not all(file.name for file in descriptors.file):
        raise GenerationError(f"{path} holds no files: {_HOW}", place)
    return descriptors


def own_files(descriptors: FileDescriptorSet) -> tuple[str, ...]:
    """The files that a set is about: neither protobuf's own, nor those that buf marks as imports."""
    return tuple(file.name for file in descriptors.file if not is_well_known(file.name) and not _is_import(file))


def arrange(descriptors: FileDescriptorSet, listed: Iterable[str]) -> FileDescriptorSet:
    """The listed files and all that they import, dependencies first; in one order, whoever made the descriptors.

    A file that is imported and not there is left out; `verify` tells of it.
    """
    files = {file.name: file for file in descriptors.file}
    done: dict[str, None] = {}
    for name in sorted(listed):
        pending = [name]
        while pending:
            current = pending[-1]
            wanted = (other for other in files[current].dependency if other in files and other not in done)
            # A circle has no order; `verify` tells of it.
            missing = next((other for other in wanted if other not in pending), None)
            if missing is not None:
                pending.append(missing)
            else:
                done.setdefault(pending.pop())
    return FileDescriptorSet(file=[_plain(files[name]) for name in done])


def verify(descriptors: FileDescriptorSet, place: Place) -> None:
    """Raises GenerationError unless the descriptors are whole: protoc has not looked at them on this way.

    Args:
        descriptors: as `arrange` leaves them.
        place: what they were read from.
    """
    pool = DescriptorPool()
    names = {file.name for file in descriptors.file}
    for file in descriptors.file:
        for dependency in file.dependency:
            if dependency not in names:
                raise GenerationError(f"{file.name} imports {dependency}, which is not there: {_HOW}", place)
        try:
            pool.AddSerializedFile(file.SerializeToString())
        except TypeError as error:
            reason = " ".join(str(error).split()).removeprefix("Couldn't build proto file into descriptor pool: ")
            raise GenerationError(f"{file.name} is not valid: {reason}", place) from None


def _is_import(file: FileDescriptorProto) -> bool:
    return any(_has_flag(value) for value in _unknown(file, _BUF_EXTENSION))


def _has_flag(extension: object) -> bool:
    if not isinstance(extension, bytes):
        return False
    try:
        return 1 in _unknown(Empty.FromString(extension), _IS_IMPORT)
    except DecodeError:
        return False


def _unknown(message: Message, number: int) -> list[object]:
    """The values of a field that protobuf does not know."""
    fields = UnknownFieldSet(message)
    found = (fields[index] for index in range(len(fields)))
    return [field.data for field in found if field.field_number == number]


def _plain(file: FileDescriptorProto) -> FileDescriptorProto:
    """A copy without what protobuf does not know of the file itself; options that it does not know stay."""
    copy = FileDescriptorProto()
    for field, value in file.ListFields():
        if field.is_repeated:
            getattr(copy, field.name).extend(value)
        elif field.message_type is not None:
            getattr(copy, field.name).CopyFrom(value)
        else:
            setattr(copy, field.name, value)
    return copy
