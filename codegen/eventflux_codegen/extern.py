"""Files that other packages have something of: their types, or protobuf's own classes of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from google.protobuf.descriptor_pb2 import FileDescriptorProto

from eventflux_codegen.error import GenerationError, Place, nearest
from eventflux_codegen.foreign import Names, read_names
from eventflux_codegen.input import Input
from eventflux_codegen.options import Options
from eventflux_codegen.yaml_source import Places

__all__ = ["Extern"]

_PB_MODULE: Final = re.compile(r"(?:\w+\.)*\w+_pb2")


@dataclass(frozen=True, slots=True)
class Extern:
    """What `extern` of the options comes to, by .proto file."""

    homes: Mapping[str, Names] = field(default_factory=dict)
    """Packages of this generator that have the types of files."""
    modules: Mapping[str, str] = field(default_factory=dict)
    """Modules that have protobuf's own classes of files, in full; those of `homes` too."""

    @staticmethod
    def of(options: Options, source: Input, folders: Sequence[Path], places: Places) -> Extern:
        """What the options name.

        Args:
            options: of the run.
            source: what the run reads.
            folders: where packages of this generator may lie, before those that are installed.
            places: of the options.

        Raises:
            GenerationError: a key means no file, a package is not there, or lacks a file.
        """
        homes: dict[str, Names] = {}
        modules: dict[str, str] = {}
        for key, target in options.extern.items():
            place = places("extern", key)
            meant = _meant_by(key, source.descriptors.file)
            if not meant:
                known = {name for file in source.descriptors.file for name in (file.name, file.package) if name}
                raise GenerationError(f"extern: {key} is no file and no package here: {nearest(key, known)}", place)
            if _PB_MODULE.fullmatch(target):
                if not key.endswith(".proto"):
                    message = f"extern: {target} is a module of one file: name the .proto file, instead of {key}"
                    raise GenerationError(message, place)
                modules[key] = target
                continue
            listed = sorted(file.name for file in meant if file.name in source.listed)
            if listed:
                message = f"extern: {listed[0]} is in protos, and {target} is said to have it: keep one"
                raise GenerationError(message, place)
            names = read_names(target, folders, place)
            for file in meant:
                if file.name not in names.files and _has_types(file):
                    message = f"extern: {target} has nothing of {file.name}: {nearest(file.name, names.files)}"
                    raise GenerationError(message, place)
                homes[file.name] = names
        here = {file.name for file in source.descriptors.file} - set(source.listed)
        _follow(homes, here, folders, places("extern"))
        theirs = {file: f"{names.package}.{names.files[file]}" for file, names in homes.items() if file in names.files}
        return Extern(homes, theirs | modules)


def _follow(homes: dict[str, Names], here: Collection[str], folders: Sequence[Path], place: Place) -> None:
    """Adds the packages that those refer to, for the files that are there."""
    pending = list(homes.values())
    while pending:
        for file, package in pending.pop().elsewhere.items():
            if file in here and file not in homes:
                homes[file] = read_names(package, folders, place)
                pending.append(homes[file])


def _meant_by(key: str, files: Sequence[FileDescriptorProto]) -> list[FileDescriptorProto]:
    return [file for file in files if key in {file.name, file.package}]


def _has_types(file: FileDescriptorProto) -> bool:
    return bool(file.message_type or file.enum_type)
