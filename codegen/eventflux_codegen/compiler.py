"""Runs protoc: .proto files in, descriptors out, and the standard Python modules that protoc's own plugins make.

Descriptors are renamed between the two steps: each file gets a path inside the generated package, so that it does not
clash in protobuf's process-wide pool with a file of the same name that belongs to somebody else.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from google.protobuf.compiler.plugin_pb2 import CodeGeneratorRequest, CodeGeneratorResponse
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from eventflux_codegen.error import GenerationError, Place, nearest
from eventflux_codegen.yaml_source import Places

__all__ = ["compile_protos", "generate_protobuf", "is_provided", "is_well_known", "relocate", "relocated_name"]

_PROTOC_ERROR: Final = re.compile(r"^(?P<file>[^:\n]+\.proto):(?:(?P<line>\d+):\d+:)?\s*(?P<text>.+)$")
_PROVIDED: Final = ("google/api/", "google/rpc/", "google/type/")
_STUB_PLUGINS: Final = ("mypy_protobuf.main:main", "mypy_protobuf.main:grpc")


def is_well_known(file: str) -> bool:
    """Whether protobuf itself brings the file, and its Python module."""
    return file.startswith("google/protobuf/")


def is_provided(file: str) -> bool:
    """Whether a package of somebody else's brings the file's Python module: protobuf, or googleapis-common-protos.

    A second module of the same names would not load into the same process.
    """
    return is_well_known(file) or file.startswith(_PROVIDED)


def compile_protos(protos: Sequence[str], include: Sequence[Path], places: Places) -> FileDescriptorSet:
    """The descriptors of the files and of all that they import, dependencies first, with comments.

    Raises:
        GenerationError: a file does not compile; protoc's first complaint, with its file and line.
    """
    if not protos:
        raise GenerationError("protos is empty: name at least one .proto file", places("protos"))
    for index, path in enumerate(include):
        if not path.is_dir():
            raise GenerationError(f"no such directory: {path}", places("include", index))
    for index, name in enumerate(protos):
        if not any((path / name).is_file() for path in include):
            available = [file.relative_to(path).as_posix() for path in include for file in path.rglob("*.proto")]
            raise GenerationError(f"no such file: {name!r}: {nearest(name, available)}", places("protos", index))
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "descriptors.bin"
        arguments = [f"--proto_path={path}" for path in include]
        arguments += ["--include_imports", "--include_source_info", f"--descriptor_set_out={target}", *protos]
        done = _protoc(arguments)
        if done.returncode != 0:
            raise _compile_error(done.stderr, include, places())
        return FileDescriptorSet.FromString(target.read_bytes())


def relocate(descriptors: FileDescriptorSet, package: str) -> FileDescriptorSet:
    """The same descriptors, with every file moved into the package whose module nobody else brings."""
    moved = FileDescriptorSet()
    for file in descriptors.file:
        copy = moved.file.add()
        copy.CopyFrom(file)
        copy.name = relocated_name(file.name, package)
        for index, dependency in enumerate(file.dependency):
            copy.dependency[index] = relocated_name(dependency, package)
    return moved


def relocated_name(file: str, package: str) -> str:
    """``sub/point.proto`` as ``package/sub_point.proto``: generated packages are flat."""
    if is_provided(file):
        return file
    return f"{package.replace('.', '/')}/{file.replace('/', '_')}"


def generate_protobuf(descriptors: FileDescriptorSet, package: str, head: str) -> dict[str, str]:
    """The modules of protoc's own plugins and the stubs of mypy-protobuf's, by file name in the package.

    Args:
        descriptors: as `relocate` leaves them.
        package: the Python package that the files are relocated into.
        head: the line that each file begins with.
    """
    own = [file for file in descriptors.file if not is_provided(file.name)]
    if not own:
        return {}
    names = [file.name for file in own]
    texts: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "descriptors.bin"
        source.write_bytes(_without_json_names(descriptors).SerializeToString(deterministic=True))
        _run_builtins(source, Path(scratch), names)
        for path in sorted(Path(scratch, *package.split(".")).iterdir()):
            texts[path.name] = path.read_text("utf-8")
    with_services = [file.name for file in own if file.service]
    for file in own:
        if not file.service:  # protoc writes a module without anything in it
            del texts[f"{_module_name(file.name)}_pb2_grpc.py"]
    for plugin, wanted in zip(_STUB_PLUGINS, (names, with_services), strict=True):
        texts.update(_run_plugin(plugin, descriptors, wanted))
    return {name: f"{head}\n{_without_version_check(text)}" for name, text in texts.items()}


def _protoc(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "grpc_tools.protoc", *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)


def _compile_error(stderr: str, include: Sequence[Path], config: Place) -> GenerationError:
    matches = (_PROTOC_ERROR.match(line) for line in stderr.splitlines())
    errors = [match for match in matches if match is not None and not match["text"].startswith("warning:")]
    # A file that is imported and missing has no line of its own, but the line that imports it does.
    for match in sorted(errors, key=lambda match: match["line"] is None):
        found = (path / match["file"] for path in include if (path / match["file"]).is_file())
        file = str(next(found, match["file"]))
        return GenerationError(match["text"].removeprefix("error: "), Place(file, int(match["line"] or 0)))
    return GenerationError(f"protoc failed: {' '.join(stderr.split()) or 'without a word'}", config)


def _module_name(file: str) -> str:
    return Path(file).stem.replace("-", "_")


def _run_builtins(source: Path, out: Path, names: Sequence[str]) -> None:
    done = _protoc([f"--descriptor_set_in={source}", f"--python_out={out}", f"--grpc_python_out={out}", *names])
    done.check_returncode()


def _run_plugin(plugin: str, descriptors: FileDescriptorSet, names: Sequence[str]) -> dict[str, str]:
    """Runs a protoc plugin that is a Python entry point, without needing its script on the PATH."""
    if not names:
        return {}
    request = CodeGeneratorRequest(file_to_generate=names, proto_file=descriptors.file, parameter="quiet")
    module, function = plugin.split(":")
    command = [sys.executable, "-c", f"import {module}; {module}.{function}()"]
    done = subprocess.run(command, input=request.SerializeToString(), capture_output=True, check=True)
    response = CodeGeneratorResponse.FromString(done.stdout)
    if response.error:
        raise RuntimeError(f"{plugin}: {response.error}")
    return {Path(file.name).name: file.content for file in response.file}


def _without_json_names(descriptors: FileDescriptorSet) -> FileDescriptorSet:
    """A copy without the JSON names that protoc puts into descriptor sets, though not into modules."""
    lean = FileDescriptorSet()
    lean.CopyFrom(descriptors)
    for file in lean.file:
        _clear_json_names(file)
    return lean


def _clear_json_names(file: FileDescriptorProto) -> None:
    pending = list(file.message_type)
    while pending:
        message = pending.pop()
        pending.extend(message.nested_type)
        for field in message.field:
            if field.json_name == _default_json_name(field.name):
                field.ClearField("json_name")


def _default_json_name(name: str) -> str:
    return re.sub(r"_+([a-zA-Z0-9])", lambda match: match[1].upper(), name)


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
