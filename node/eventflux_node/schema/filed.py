"""Types of .proto files and of descriptor sets, which need no server."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import DecodeError

from eventflux_node.schema.api import SchemaError
from eventflux_node.schema.described import DescribedSchema
from eventflux_node.schema.resolver import Files
from eventflux_runtime import MissingExtraError

__all__ = ["FiledSchema", "compile_protos", "read_descriptor_sets"]

_HOW: Final = "make it by buf build -o, or by protoc --descriptor_set_out --include_imports --include_source_info"


class FiledSchema(DescribedSchema):
    """The services of files that are there as a whole."""

    def __init__(self, files: Sequence[FileDescriptorProto]) -> None:
        super().__init__(_SetFiles(files))
        self._services = tuple(
            sorted({f"{file.package}.{service.name}".lstrip(".") for file in files for service in file.service})
        )

    async def services(self) -> tuple[str, ...]:
        """Every service of the files, imported ones too."""
        return self._services


class _SetFiles(Files):
    """Files by their paths and by the names that they define."""

    def __init__(self, files: Sequence[FileDescriptorProto]) -> None:
        self._files = {file.name: file for file in files}
        self._homes = {symbol: file.name for file in files for symbol in _symbols(file)}

    async def of_symbol(self, symbol: str) -> Iterable[bytes]:
        home = self._homes.get(symbol)
        return await self.by_name(home) if home is not None else ()

    async def by_name(self, name: str) -> Iterable[bytes]:
        file = self._files.get(name)
        return (file.SerializeToString(),) if file is not None else ()


def _symbols(file: FileDescriptorProto) -> Iterable[str]:
    """The full names of services, messages and enums."""
    prefix = f"{file.package}." if file.package else ""
    yield from (prefix + service.name for service in file.service)
    yield from (prefix + enum.name for enum in file.enum_type)
    waiting = [(prefix + message.name, message) for message in file.message_type]
    while waiting:
        name, message = waiting.pop()
        yield name
        yield from (f"{name}.{enum.name}" for enum in message.enum_type)
        waiting += [(f"{name}.{inner.name}", inner) for inner in message.nested_type]


def read_descriptor_sets(paths: Iterable[Path]) -> FiledSchema:
    """The services of descriptor sets.

    Raises:
        SchemaError: a file cannot be read, or is none.
    """
    files: dict[str, FileDescriptorProto] = {}
    for path in paths:
        try:
            found = FileDescriptorSet.FromString(path.read_bytes())
        except OSError as error:
            raise SchemaError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error
        except DecodeError:
            found = FileDescriptorSet()
        if not found.file or not all(file.name for file in found.file):
            raise SchemaError(f"{path} is no descriptor set: {_HOW}")
        for file in found.file:
            files.setdefault(file.name, file)
    return FiledSchema(tuple(files.values()))


def compile_protos(paths: Sequence[Path], include: Sequence[Path]) -> FiledSchema:
    """The services of .proto files, with their comments.

    Args:
        paths: the files, each below one of the folders, or anywhere where there are none.
        include: where imports are looked for; none: the folder of each file.

    Raises:
        MissingExtraError: grpcio-tools is not installed.
        SchemaError: a file does not compile.
    """
    if importlib.util.find_spec("grpc_tools") is None:
        raise MissingExtraError("--proto", "codegen", package="grpcio-tools")
    for path in paths:
        if not path.is_file():
            raise SchemaError(f"cannot read {path}: no such file")
    folders = [*include] or list(dict.fromkeys(path.parent for path in paths))
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "descriptors.bin"
        command = [sys.executable, "-m", "grpc_tools.protoc", *(f"--proto_path={folder}" for folder in folders)]
        command += ["--include_imports", "--include_source_info", f"--descriptor_set_out={target}"]
        done = subprocess.run(
            [*command, *map(str, paths)], capture_output=True, encoding="utf-8", errors="replace", check=False
        )
        if done.returncode != 0:
            faults = [line for line in done.stderr.splitlines() if "warning:" not in line]
            raise SchemaError(f"protoc: {faults[0] if faults else 'failed without a word'}")
        return FiledSchema(tuple(FileDescriptorSet.FromString(target.read_bytes()).file))
