"""The packages that are made of the IDLs of protobuf's conformance runner: its own messages, and those it tests with.

The generator refuses groups and extensions, so they are taken out of the files that have some. What comes of them is
then unknown to the messages, and all else of proto2 and of the editions is tested.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from eventflux_codegen import generate
from eventflux_codegen.compiler import run_protoc

__all__ = ["JUDGED", "PROTOCOL", "JudgedMessage", "generate_packages"]

PROTOCOL: Final = "conformance_protocol"
"""The package of the runner's own messages."""


@dataclass(frozen=True, slots=True)
class JudgedMessage:
    """A message that the runner judges codecs by."""

    type_name: str
    source: str
    """Its file, below the folder of the runner's IDLs."""
    package: str
    """The package that is generated from that."""
    is_reduced: bool
    """Whether groups and extensions are taken out of the file before."""

    @property
    def class_name(self) -> str:
        """The name of its class."""
        return self.type_name.rpartition(".")[2]


def _judged(form: str, name: str, *, is_reduced: bool) -> JudgedMessage:
    source = f"conformance/messages/test_messages_{form}.proto"
    return JudgedMessage(f"protobuf_test_messages.{name}", source, f"made_of_{form}", is_reduced)


JUDGED: Final = (
    _judged("proto3", "proto3.TestAllTypesProto3", is_reduced=False),
    _judged("proto3_editions", "editions.proto3.TestAllTypesProto3", is_reduced=False),
    _judged("proto2", "proto2.TestAllTypesProto2", is_reduced=True),
    _judged("proto2_editions", "editions.proto2.TestAllTypesProto2", is_reduced=True),
    _judged("edition2023", "editions.TestAllTypesEdition2023", is_reduced=True),
)


def generate_packages(include: Path, folder: Path) -> None:
    """Generates every package into a folder."""
    _generate(include, "conformance/conformance.proto", PROTOCOL, folder)
    for judged in JUDGED:
        if judged.is_reduced:
            _generate(_reduce(include, judged, folder), ".", judged.package, folder)
        else:
            _generate(include, judged.source, judged.package, folder)


def _generate(where: Path, protos: str, package: str, folder: Path) -> None:
    """Generates the package of some files of a folder or of a descriptor set, as a user does."""
    source = f"include: [{where}]" if where.is_dir() else f"descriptor_set: {where}"
    config = folder / f"{package}.yaml"
    config.write_text(f"package: {package}\nprotos: [{protos}]\n{source}\n", "utf-8")
    generate(config, accept_breaking=True)  # another version of the runner may have other IDLs


def _reduce(include: Path, judged: JudgedMessage, folder: Path) -> Path:
    """The descriptor set of a file without its groups and extensions."""
    path = folder / f"{judged.package}.binpb"
    done = run_protoc([f"--proto_path={include}", "--include_imports", f"--descriptor_set_out={path}", judged.source])
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    descriptors = FileDescriptorSet.FromString(path.read_bytes())
    pool = DescriptorPool()
    for file in descriptors.file:
        pool.Add(file)
    (file,) = (file for file in descriptors.file if file.name == judged.source)
    file.ClearField("extension")
    for name, message in _messages(file.package, file.message_type):
        _reduce_message(message, pool.FindMessageTypeByName(name))
    path.write_bytes(descriptors.SerializeToString())
    return path


def _reduce_message(message: DescriptorProto, known: Descriptor) -> None:
    message.ClearField("extension")
    message.ClearField("extension_range")
    message.options.ClearField("message_set_wire_format")
    for index in reversed(range(len(message.field))):
        # What an edition makes a group is told by the pool alone.
        if known.fields_by_number[message.field[index].number].type == FieldDescriptor.TYPE_GROUP:
            del message.field[index]


def _messages(scope: str, messages: Iterable[DescriptorProto]) -> Iterator[tuple[str, DescriptorProto]]:
    """Each message with its full name, those within others too."""
    for message in messages:
        name = f"{scope}.{message.name}"
        yield name, message
        yield from _messages(name, message.nested_type)
