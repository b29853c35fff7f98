"""Where the protobuf modules of .proto files go, while their descriptors keep the names that the files have.

A module lies in a generated package, under a name that Python takes, and imports the others from where they lie. protoc
puts a module where the name of its file says, so it is given files that are renamed accordingly. What it writes for
protobuf's process-wide pool gets the real names again: the pool takes a file twice if both times it is the same.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from eventflux_codegen.error import GenerationError
from eventflux_codegen.well_known import is_provided, is_well_known
from eventflux_codegen.yaml_source import Places

__all__ = ["PbModule", "moved_name", "pb_modules", "relocate", "restore"]

PbModule = tuple[str, str, str]
"""A module of protobuf's classes: its package, its name, and what it is called where it is imported."""

_NO_IDENTIFIER: Final = re.compile(r"[^A-Za-z0-9_]")
_DESCRIPTOR: Final = re.compile(r"^DESCRIPTOR = \S+\.AddSerializedFile\((?P<serialized>b'.*')\)$", re.MULTILINE)
_OFFSET: Final = re.compile(r"^( +_globals\['\w+'\]\._serialized_(?:start|end)=)(\d+)$", re.MULTILINE)


def pb_modules(
    files: Mapping[str, str], elsewhere: Mapping[str, str], places: Places, *, is_tree: bool = False
) -> dict[str, PbModule]:
    """Where the module of each file is.

    Args:
        files: each file, and the package that its module is to be made in.
        elsewhere: files whose module somebody else has, and that module in full.
        places: of the options.
        is_tree: whether a package is for a proto package, so that its folder need not stand in the names of modules.

    Raises:
        GenerationError: two files have one module in protoc's own Python code already.
    """
    _refuse_twins(dict.fromkeys([*files, *elsewhere]), places)
    found = {file: _at(module) for file, module in elsewhere.items()}
    provided = [file for file in files if file not in found and is_provided(file)]
    found |= {file: _provided_module(file) for file in provided}
    packages: dict[str, list[str]] = {}
    for file, package in files.items():
        if file not in found:
            packages.setdefault(package, []).append(file)
    taken = [local for _, _, local in found.values()]
    for package, own in packages.items():
        stems = _module_stems(own, package if is_tree else "", taken)
        found |= {file: (package, f"{stem}_pb2", f"{stem}_pb2") for file, stem in stems.items()}
    return found


def _at(module: str) -> PbModule:
    parent, _, name = module.rpartition(".")
    return parent, name, module.replace(".", "_")


def _provided_module(file: str) -> PbModule:
    parent, _, name = file.removesuffix(".proto").replace("/", ".").rpartition(".")
    return parent, f"{name}_pb2", _imported_as(file)


def _module_stems(own: Sequence[str], package: str, imported: Iterable[str]) -> dict[str, str]:
    """What the module of each file is called, without ``_pb2``; ``sub/point.proto`` becomes ``sub_point``.

    Files that would meet are told apart by their folders: ``a/b.proto`` beside ``a_b.proto`` becomes ``a__b``.
    """
    taken = set(imported)
    short = {file: _without_folder(file, package) for file in own}
    stems = {file: _stem(name, "_") for file, name in short.items()}
    often = Counter(stems.values())
    stems = {file: _stem(file, "__") if often[stem] > 1 else stem for file, stem in stems.items()}
    for file in sorted(own):
        stem, number = stems[file], 2
        while f"{stems[file]}_pb2" in taken:
            stems[file], number = f"{stem}_{number}", number + 1
        taken.add(f"{stems[file]}_pb2")
    return stems


def relocate(descriptors: FileDescriptorSet, modules: Mapping[str, PbModule]) -> FileDescriptorSet:
    """The same descriptors, with every file where protoc finds the name of its module."""
    copies = FileDescriptorSet()
    for file in descriptors.file:
        copy = copies.file.add()
        copy.CopyFrom(file)
        copy.name = moved_name(modules[file.name])
        for index, dependency in enumerate(file.dependency):
            copy.dependency[index] = moved_name(modules[dependency])
    return copies


def moved_name(module: PbModule) -> str:
    """The name of the file of which protoc makes a module."""
    package, name, _ = module
    return f"{package.replace('.', '/')}/{name.removesuffix('_pb2')}.proto".removeprefix("/")


def restore(text: str, moved: FileDescriptorProto, original: FileDescriptorProto) -> str:
    """The text of a module that protoc made of a moved file, with the descriptor that the original has.

    Names stand at the beginning of a serialized file, so what differs is that beginning, and all offsets by its length.
    """
    found = _DESCRIPTOR.search(text)
    assert found is not None, f"protoc writes no descriptor of {moved.name}"
    serialized: bytes = ast.literal_eval(found["serialized"])
    before, after = _beginning(moved), _beginning(original)
    assert serialized.startswith(before), f"the descriptor of {moved.name} begins in another way"
    shift = len(after) - len(before)
    start, end = found.span("serialized")
    text = f"{text[:start]}{after + serialized[len(before) :]!r}{text[end:]}"
    text = _OFFSET.sub(lambda offset: f"{offset[1]}{int(offset[2]) + shift}", text)
    return text.replace(f"# source: {moved.name}\n", f"# source: {original.name}\n", 1)


def _beginning(file: FileDescriptorProto) -> bytes:
    package = file.package or None  # which protoc leaves out where it is empty
    return FileDescriptorProto(name=file.name, package=package, dependency=file.dependency).SerializeToString()


def _stem(file: str, separator: str) -> str:
    stem = _NO_IDENTIFIER.sub("_", file.removesuffix(".proto").replace("/", separator))
    return stem if stem.isidentifier() else f"file_{stem}"


def _without_folder(file: str, package: str) -> str:
    """The name of a file of a proto package, without the folder that says the same as the package."""
    folder, _, name = file.rpartition("/")
    plain = "." + re.sub(r"_(?=\.|$)", "", package)  # without what keeps its parts from being keywords or modules
    return name if folder and plain.endswith(f".{folder.replace('/', '.')}") else file


def _imported_as(file: str) -> str:
    if is_well_known(file):
        return f"google_{file.removesuffix('.proto').rpartition('/')[2]}_pb2"
    return f"{file.removesuffix('.proto').replace('/', '_')}_pb2"


def _refuse_twins(files: Iterable[str], places: Places) -> None:
    taken: dict[str, str] = {}
    for file in files:
        module = f"{file.removesuffix('.proto').replace('-', '_').replace('/', '.')}_pb2"
        if module in taken:
            message = f"{taken[module]} and {file} would both become {module}, for protoc too: rename one"
            raise GenerationError(message, places("protos"))
        taken[module] = file
