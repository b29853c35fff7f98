"""The standard Python modules of descriptors, as protoc's own plugins make them, and their stubs by mypy-protobuf's."""

from __future__ import annotations

import importlib
import io
import keyword
import re
import sys
import tempfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from google.protobuf.compiler.plugin_pb2 import CodeGeneratorRequest, CodeGeneratorResponse
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

from eventflux_codegen.compiler import run_protoc
from eventflux_codegen.naming import as_json_name
from eventflux_codegen.relocation import PbModule, relocate, restore

__all__ = ["generate_protobuf"]

_JSON_NAME: Final = FieldDescriptorProto.JSON_NAME_FIELD_NUMBER
_STUB_PLUGINS: Final = ("mypy_protobuf.main:main", "mypy_protobuf.main:grpc")
_UNCHECKED: Final = """\
# mypy: ignore-errors
# pyright: basic, reportMissingImports=false, reportMissingModuleSource=false, reportAttributeAccessIssue=false"""
"""A user need not have protobuf, grpcio and Google's modules, nor the packages of stubs for them."""


def generate_protobuf(
    descriptors: FileDescriptorSet, modules: Mapping[str, PbModule], heads: Mapping[str, str]
) -> dict[tuple[str, str], str]:
    """The modules of protoc's own plugins and the stubs of mypy-protobuf's, by package and file name.

    Args:
        descriptors: files and all that they import, dependencies first.
        modules: where the module of each of them is.
        heads: the packages that are made, and the lines that their files begin with. Modules of other packages are
            imported and not made.
    """
    own = [index for index, file in enumerate(descriptors.file) if modules[file.name][0] in heads]
    if not own:
        return {}
    moved = relocate(descriptors, modules)
    names = [moved.file[index].name for index in own]
    texts = _run_builtins(_without_json_names(moved), names)
    for index in own:
        original, stem = descriptors.file[index], moved.file[index].name.removesuffix(".proto")
        texts[f"{stem}_pb2.py"] = restore(texts[f"{stem}_pb2.py"], moved.file[index], original)
        if original.service:
            texts[f"{stem}_pb2_grpc.py"] = _without_keywords(texts[f"{stem}_pb2_grpc.py"])
        else:  # protoc writes a module without anything in it
            del texts[f"{stem}_pb2_grpc.py"]
    with_services = [moved.file[index].name for index in own if descriptors.file[index].service]
    for plugin, wanted in zip(_STUB_PLUGINS, (names, with_services), strict=True):
        texts |= _run_plugin(plugin, moved, wanted)
    done = {}
    for path, text in texts.items():
        folder, _, name = path.rpartition("/")
        package = folder.replace("/", ".")
        done[package, name] = f"{heads[package]}\n{_UNCHECKED}\n{_without_version_check(text)}"
    return done


def _run_builtins(descriptors: FileDescriptorSet, names: Sequence[str]) -> dict[str, str]:
    """What protoc's own plugins write, by path."""
    with tempfile.TemporaryDirectory() as scratch:
        source, out = Path(scratch, "descriptors.bin"), Path(scratch, "out")
        out.mkdir()
        source.write_bytes(descriptors.SerializeToString(deterministic=True))
        run_protoc(
            [f"--descriptor_set_in={source}", f"--python_out={out}", f"--grpc_python_out={out}", *names]
        ).check_returncode()
        return {path.relative_to(out).as_posix(): path.read_text("utf-8") for path in sorted(out.rglob("*.py"))}


def _run_plugin(plugin: str, descriptors: FileDescriptorSet, names: Sequence[str]) -> dict[str, str]:
    """Runs a protoc plugin that is a Python entry point, within this process: to start one takes longer than its work.

    An entry point of a plugin reads a request from standard input and writes the response to standard output.
    """
    if not names:
        return {}
    request = CodeGeneratorRequest(file_to_generate=names, proto_file=descriptors.file, parameter="quiet")
    module, _, function = plugin.partition(":")
    run = getattr(importlib.import_module(module), function)
    written = io.BytesIO()
    with _standard_streams(io.BytesIO(request.SerializeToString()), written, plugin):
        run()
    response = CodeGeneratorResponse.FromString(written.getvalue())
    if response.error:
        raise RuntimeError(f"{plugin}: {response.error}")
    return {file.name: file.content for file in response.file}


@contextmanager
def _standard_streams(source: io.BytesIO, target: io.BytesIO, program: str) -> Generator[None]:
    """Has the process read from one stream and write to another, called by the name of a program without arguments."""
    before = sys.stdin, sys.stdout, sys.argv
    reader, writer = io.TextIOWrapper(source), io.TextIOWrapper(target)
    sys.stdin, sys.stdout, sys.argv = reader, writer, [program]
    try:
        yield
        writer.flush()
    finally:
        sys.stdin, sys.stdout, sys.argv = before
        reader.detach()
        writer.detach()  # which would close the stream with it


def _without_json_names(descriptors: FileDescriptorSet) -> FileDescriptorSet:
    """A copy without the JSON names that protoc puts into descriptor sets, though not into modules.

    Those that the IDL gives stay, which shows in the places of the source; of one that is as it would be without that,
    nothing else tells.
    """
    lean = FileDescriptorSet()
    for file in descriptors.file:
        places = {tuple(place.path) for place in file.source_code_info.location if place.path[-1:] == [_JSON_NAME]}
        copy = lean.file.add()
        copy.CopyFrom(file)
        for path, field in _fields(copy):
            if (*path, _JSON_NAME) not in places and field.json_name in {"", as_json_name(field.name)}:
                field.ClearField("json_name")
    return lean


def _fields(file: FileDescriptorProto) -> Iterator[tuple[tuple[int, ...], FieldDescriptorProto]]:
    """Every field and extension of a file, and the path that the places of the source call it by."""
    yield from (((7, index), field) for index, field in enumerate(file.extension))
    pending: list[tuple[tuple[int, ...], DescriptorProto]] = [
        ((4, index), message) for index, message in enumerate(file.message_type)
    ]
    while pending:
        path, message = pending.pop()
        pending += [((*path, 3, index), nested) for index, nested in enumerate(message.nested_type)]
        yield from (((*path, 2, index), field) for index, field in enumerate(message.field))
        yield from (((*path, 6, index), field) for index, field in enumerate(message.extension))


_VERSION_CHECKS: Final = re.compile(
    r"""
      ^\#\ Protobuf\ Python\ Version:\ .*\n
    | ^from\ google\.protobuf\ import\ runtime_version\ as\ _runtime_version\n
    | ^_runtime_version\.ValidateProtobufRuntimeVersion\([^)]*^\)\n
    | ^import\ warnings\n
    | ^GRPC_GENERATED_VERSION\ =\ (?:.*\n)+?\ {4}\)\n
    | ^GRPC_(?:GENERATED_)?VERSION:\ str\n
    """,
    re.MULTILINE | re.VERBOSE,
)


def _without_version_check(text: str) -> str:
    """Drops the checks that tie a module to the versions it was made with.

    What the modules call is the same in protobuf 6 and 7 and in every grpcio that knows `_registered_method`; the
    checks would make whoever installs the package take the generating machine's versions, or a warning.
    """
    return _VERSION_CHECKS.sub("", text)


_WORD: Final = "|".join(sorted(keyword.kwlist))
_PB_CLASS: Final = re.compile(
    rf"\b(\w+__pb2|\w+_pb2)((?:\.\w+)*\.(?:{_WORD})\b(?:\.\w+)*)(?=\.(?:SerializeToString|FromString)\b)"
)
_NAMED: Final = re.compile(rf"(?m)((?:^ +self|\bservicer)\.|^ +def |^class )({_WORD})\b")


def _without_keywords(text: str) -> str:
    """Mends what protoc writes for services, methods and messages that have the name of a Python keyword.

    Methods and classes get a trailing underscore there, as in the rest of the package; a message of that name is
    there, but only `getattr` can ask for it.
    """
    return _NAMED.sub(r"\1\2_", _PB_CLASS.sub(_asked_for, text))


def _asked_for(found: re.Match[str]) -> str:
    """``a_pb2.None.lambda`` as ``getattr(getattr(a_pb2, "None"), "lambda")``."""
    expression = found[1]
    for name in found[2].removeprefix(".").split("."):
        expression = f'getattr({expression}, "{name}")' if keyword.iskeyword(name) else f"{expression}.{name}"
    return expression
