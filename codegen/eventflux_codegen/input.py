"""What a run reads: the descriptors of .proto files, from wherever they come, and which of the files it is about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from eventflux_codegen.compiler import compile_protos, make_legible
from eventflux_codegen.descriptor_set import arrange, own_files, read_descriptor_set, verify
from eventflux_codegen.error import GenerationError, Place
from eventflux_codegen.options import Options
from eventflux_codegen.proto_files import Folders, Names, expand
from eventflux_codegen.yaml_source import Places

__all__ = ["Input"]


@dataclass(frozen=True, slots=True)
class Input:
    """Descriptors in one order, whoever made them: the same files give the same package."""

    descriptors: FileDescriptorSet
    """The listed files and what they import, dependencies first."""
    listed: tuple[str, ...]
    """The files that were asked for, sorted."""
    include: tuple[Path, ...] = ()
    """Where the files lie, for places in error messages."""

    @staticmethod
    def read(options: Options, folder: Path, places: Places) -> Input:
        """What the options name; their paths are relative to `folder`.

        Raises:
            GenerationError: a file is not there, or wrong.
        """
        include = tuple(folder / path for path in options.include)
        if options.descriptor_set is not None:
            return _read_set(options, folder, include, places)
        listed = expand(options.protos, Folders(include), places)
        descriptors = compile_protos(listed, include, places)
        return Input(arrange(descriptors, listed), tuple(sorted(listed)), include)

    @staticmethod
    def given(files: Sequence[FileDescriptorProto], listed: Iterable[str], place: Place) -> Input:
        """Descriptors that a caller has: protoc or buf, of which this is a plugin.

        Raises:
            GenerationError: they are not whole.
        """
        names = tuple(sorted(listed))
        descriptors = arrange(FileDescriptorSet(file=files), names)
        verify(descriptors, place)
        make_legible(descriptors)
        return Input(descriptors, names)


def _read_set(options: Options, folder: Path, include: tuple[Path, ...], places: Places) -> Input:
    path = folder / (options.descriptor_set or "")
    place = places("descriptor_set")
    descriptors = read_descriptor_set(path, place)
    own = own_files(descriptors)
    if not options.protos:
        raise GenerationError("protos is empty: name files of the descriptor set, or '.' for all", places("protos"))
    listed = expand(options.protos, Names(own), places)
    arranged = arrange(descriptors, listed)
    verify(arranged, Place(str(path)))
    make_legible(arranged)
    return Input(arranged, tuple(sorted(listed)), include)
