"""The standard Python modules of descriptors, as protoc's own plugins make them, and their stubs by mypy-protobuf's."""

from __future__ import annotations

import keyword
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from google.protobuf.compiler.plugin_pb2 import CodeGeneratorRequest, CodeGeneratorResponse
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from eventflux_codegen.compiler import run_protoc
from eventflux_codegen.well_known import is_provided

__all__ = ["generate_protobuf"]

_STUB_PLUGINS: Final = ("mypy_protobuf.main:main", "mypy_protobuf.main:grpc")
_UNCHECKED: Final = """\
# mypy: ignore-errors
# pyright: basic, reportMissingModuleSource=false, reportAttributeAccessIssue=false"""
"""The types of protobuf and grpcio are in packages of stubs that a user need not have."""


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
        module = f"{_module_name(file.name)}_pb2_grpc.py"
        if not file.service:  # protoc writes a module without anything in it
            del texts[module]
        else:
            texts[module] = _without_keywords(texts[module])
    for plugin, wanted in zip(_STUB_PLUGINS, (names, with_services), strict=True):
        texts.update(_run_plugin(plugin, descriptors, wanted))
    return {name: f"{head}\n{_UNCHECKED}\n{_without_version_check(text)}" for name, text in texts.items()}


def _module_name(file: str) -> str:
    return Path(file).stem


def _run_builtins(source: Path, out: Path, names: Sequence[str]) -> None:
    done = run_protoc([f"--descriptor_set_in={source}", f"--python_out={out}", f"--grpc_python_out={out}", *names])
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
