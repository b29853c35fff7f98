"""Definitions of what protobuf's own modules in a generated package have."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from operator import attrgetter

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from eventflux_node.schema.api import Definition, SchemaError
from eventflux_node.schema.filed import FiledSchema

__all__ = ["definition_in"]


async def definition_in(places: Sequence[str], name: str) -> Definition:
    """What a full name stands for in files that methods name, and in those that they import.

    Args:
        places: where the descriptors of the files are, as ``package.module_pb2:DESCRIPTOR``.
        name: the full name.

    Raises:
        SchemaError: a module cannot be loaded, or none has the name.
    """
    files: dict[str, FileDescriptorProto] = {}
    waiting = [_load(place) for place in places if place]
    while waiting:
        file = waiting.pop()
        if file.name not in files:
            files[file.name] = FileDescriptorProto.FromString(file.serialized_pb)
            waiting += file.dependencies
    return await FiledSchema(tuple(files.values())).define(name)


def _load(place: str) -> FileDescriptor:
    module, _, path = place.partition(":")
    try:
        found: FileDescriptor = attrgetter(path)(import_module(module))
    except (ImportError, TypeError) as error:
        raise SchemaError(f"{module} cannot be loaded: {' '.join(str(error).split())}") from error
    return found
