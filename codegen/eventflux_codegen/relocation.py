"""Where the protobuf modules of .proto files go: each into the generated package, under a name that Python takes.

Descriptors are renamed accordingly: each file gets a path inside the generated package, so that it does not clash in
protobuf's process-wide pool with a file of the same name that belongs to somebody else.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from eventflux_codegen.error import GenerationError
from eventflux_codegen.well_known import is_provided, is_well_known
from eventflux_codegen.yaml_source import Places

__all__ = ["PbModule", "module_stems", "pb_module", "relocate"]

PbModule = tuple[str, str, str]
"""A module of protobuf's classes: its package, its name, and what it is called where it is imported."""

_NO_IDENTIFIER: Final = re.compile(r"[^A-Za-z0-9_]")


def module_stems(files: Iterable[str], places: Places) -> dict[str, str]:
    """What the module of each file is called, without ``_pb2``; ``sub/point.proto`` becomes ``sub_point``.

    Files that would meet are told apart by their folders: ``a/b.proto`` beside ``a_b.proto`` becomes ``a__b``.

    Raises:
        GenerationError: two files have one module in protoc's own Python code already.
    """
    _refuse_twins(files, places)
    own = [file for file in files if not is_provided(file)]
    taken = {_imported_as(file, "") for file in files if is_provided(file)}
    stems = {file: _stem(file, "_") for file in own}
    often = Counter(stems.values())
    stems = {file: _stem(file, "__") if often[stem] > 1 else stem for file, stem in stems.items()}
    for file in sorted(own):
        stem, number = stems[file], 2
        while f"{stems[file]}_pb2" in taken:
            stems[file], number = f"{stem}_{number}", number + 1
        taken.add(f"{stems[file]}_pb2")
    return stems


def pb_module(file: str, package: str, stems: Mapping[str, str]) -> PbModule:
    """The module of a file."""
    if is_provided(file):
        parent, _, name = file.removesuffix(".proto").replace("/", ".").rpartition(".")
        return parent, f"{name}_pb2", _imported_as(file, "")
    return package, f"{stems[file]}_pb2", _imported_as(file, stems[file])


def relocate(descriptors: FileDescriptorSet, package: str, stems: Mapping[str, str]) -> FileDescriptorSet:
    """The same descriptors, with every file moved into the package whose module nobody else brings."""

    def moved(file: str) -> str:
        return file if is_provided(file) else f"{package.replace('.', '/')}/{stems[file]}.proto"

    copies = FileDescriptorSet()
    for file in descriptors.file:
        copy = copies.file.add()
        copy.CopyFrom(file)
        copy.name = moved(file.name)
        for index, dependency in enumerate(file.dependency):
            copy.dependency[index] = moved(dependency)
    return copies


def _stem(file: str, separator: str) -> str:
    stem = _NO_IDENTIFIER.sub("_", file.removesuffix(".proto").replace("/", separator))
    return stem if stem.isidentifier() else f"file_{stem}"


def _imported_as(file: str, stem: str) -> str:
    if is_well_known(file):
        return f"google_{file.removesuffix('.proto').rpartition('/')[2]}_pb2"
    if is_provided(file):
        return f"{file.removesuffix('.proto').replace('/', '_')}_pb2"
    return f"{stem}_pb2"


def _refuse_twins(files: Iterable[str], places: Places) -> None:
    taken: dict[str, str] = {}
    for file in files:
        module = f"{file.removesuffix('.proto').replace('-', '_').replace('/', '.')}_pb2"
        if module in taken:
            message = f"{taken[module]} and {file} would both become {module}, for protoc too: rename one"
            raise GenerationError(message, places("protos"))
        taken[module] = file
