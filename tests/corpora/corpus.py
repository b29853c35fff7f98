"""Trees of .proto files that other people wrote: where they come from, and their descriptors."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from eventflux_codegen.compiler import make_legible, run_protoc

__all__ = ["Corpus", "fetch_google_proto_files", "fetch_wheels"]

_NPM: Final = "google-proto-files@6.0.1"
_WHEELS: Final = ("googleapis-common-protos", "xds-protos")


@dataclass(frozen=True)
class Corpus:
    """The files of a tree that protoc takes, dependencies first, with comments."""

    root: Path
    files: dict[str, FileDescriptorProto]
    order: dict[str, int]
    broken: tuple[str, ...]
    """Files that protoc itself refuses, beside all others or alone."""

    @staticmethod
    def of(root: Path, scratch: Path) -> Corpus:
        """The corpus of all files below a directory."""
        names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.proto"))
        broken: list[str] = []
        while True:
            target = scratch / "descriptors.bin"
            options = [f"--proto_path={root}", "--include_imports", "--include_source_info"]
            done = run_protoc([*options, f"--descriptor_set_out={target}", *names])
            if done.returncode == 0:
                break
            refused = set(_refused(done.stderr.splitlines(), root)) & set(names)
            if not refused:
                raise RuntimeError(f"protoc: {done.stderr[-1000:]}")
            broken += sorted(refused)
            names = [name for name in names if name not in refused]
        descriptors = FileDescriptorSet.FromString(target.read_bytes())
        make_legible(descriptors)
        files = {file.name: file for file in descriptors.file}
        return Corpus(root, files, {name: index for index, name in enumerate(files)}, tuple(broken))

    @property
    def names(self) -> list[str]:
        """The files of the tree, without those that protoc brings."""
        return [name for name in self.files if (self.root / name).is_file()]

    def closure(self, name: str) -> FileDescriptorSet:
        """A file and all that it imports, dependencies first."""
        found, pending = {name}, [name]
        while pending:
            for other in self.files[pending.pop()].dependency:
                if other not in found:
                    found.add(other)
                    pending.append(other)
        closure = FileDescriptorSet()
        closure.file.extend(self.files[each] for each in sorted(found, key=self.order.__getitem__))
        return closure


def fetch_google_proto_files(folder: Path) -> Path:
    """The tree of npm's google-proto-files, fetched into a folder if it is not there yet."""
    root = folder / "package"
    if not root.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "pack", "--silent", "--pack-destination", str(folder), _NPM]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (archive,) = folder.glob("*.tgz")
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    return root


def fetch_wheels(folder: Path) -> Path:
    """The tree of the .proto files in wheels of PyPI, for a machine without npm."""
    root = folder / "wheels"
    if not root.is_dir():
        root.mkdir(parents=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), *_WHEELS]
        subprocess.run(command, check=True)
        for wheel in folder.glob("*.whl"):
            with zipfile.ZipFile(wheel) as opened:
                opened.extractall(root, [name for name in opened.namelist() if name.endswith(".proto")])
    return root


def _refused(lines: Iterable[str], root: Path) -> Iterator[str]:
    for line in lines:
        if ".proto:" in line and "warning:" not in line:
            yield line.partition(".proto:")[0].removeprefix(f"{root}/") + ".proto"
