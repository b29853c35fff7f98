"""Runs protoc over .proto files and gives their descriptors, in which every comment is text."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from eventflux_codegen.error import GenerationError, Place, nearest
from eventflux_codegen.yaml_source import Places

__all__ = ["compile_protos", "make_legible", "run_protoc"]

_PROTOC_ERROR: Final = re.compile(r"^(?P<file>[^:\n]+\.proto):(?:(?P<line>\d+):\d+:)?\s*(?P<text>.+)$")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
"""Characters that no Python file may hold, or none should."""


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
        done = run_protoc(arguments)
        if done.returncode != 0:
            raise _compile_error(done.stderr, include, places())
        descriptors = FileDescriptorSet.FromString(target.read_bytes())
    make_legible(descriptors)
    return descriptors


def run_protoc(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Runs the protoc of grpcio-tools; whether it went well is for the caller to see."""
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


def make_legible(descriptors: FileDescriptorSet) -> None:
    """Makes text of comments that are none: protoc takes any bytes in them."""
    for location in (location for file in descriptors.file for location in file.source_code_info.location):
        if location.leading_comments:
            location.leading_comments = _legible(location.leading_comments)
        if location.trailing_comments:
            location.trailing_comments = _legible(location.trailing_comments)
        if location.leading_detached_comments:
            detached = [_legible(comment) for comment in location.leading_detached_comments]
            del location.leading_detached_comments[:]
            location.leading_detached_comments.extend(detached)


def _legible(comment: str | bytes) -> str:
    text = comment.decode("utf-8", "replace") if isinstance(comment, bytes) else comment
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)
