"""Collections of .proto files that other people wrote: where they come from, and their descriptors."""

from __future__ import annotations

import ast
import importlib.metadata
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import google.protobuf
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from eventflux_codegen.compiler import make_legible, run_protoc
from eventflux_codegen.descriptor_set import arrange

__all__ = ["Corpus", "Subject", "fetch_google_proto_files", "fetch_wheels"]

_NPM: Final = "google-proto-files@6.0.1"
_WHEELS: Final = ("googleapis-common-protos", "xds-protos")


@dataclass(frozen=True)
class Subject:
    """What becomes one package, or a tree of packages."""

    name: str
    """That of the file, of the directory with a slash behind it, or of a tree with stars there."""
    files: tuple[str, ...]
    is_tree: bool = False
    """Whether each proto package of it becomes one."""


@dataclass(frozen=True)
class Corpus:
    """The .proto files of a tree that protoc takes, or those that protoc's own modules were made of."""

    files: dict[str, FileDescriptorProto]
    """All of them, and what they import, dependencies first."""
    names: tuple[str, ...]
    """Those of the tree, without what protoc brings."""
    root: Path | None = None
    """The tree, if there is one; its descriptors have comments."""
    broken: tuple[str, ...] = ()
    """Files that protoc itself refuses, beside all others or alone, and modules of what imports what is not there."""

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
        return Corpus(files, tuple(name for name in files if (root / name).is_file()), root, tuple(broken))

    @staticmethod
    def of_modules(modules: Iterable[Path]) -> Corpus:
        """The corpus of protoc's own modules, which hold descriptors; none of them is imported."""
        (protobuf,) = google.protobuf.__path__
        known = {file.name: file for file in map(_in_module, Path(protobuf).rglob("*_pb2.py"))}
        own = {file.name: file for file in map(_in_module, modules)}
        arranged = {file.name: file for file in arrange(FileDescriptorSet(file={**own, **known}.values()), own).file}
        whole: set[str] = set()
        for file in arranged.values():  # dependencies first
            if whole.issuperset(file.dependency):
                whole.add(file.name)
        return Corpus(arranged, tuple(sorted(whole & own.keys())), broken=tuple(sorted(own.keys() - whole)))

    @staticmethod
    def installed(distribution: str) -> Corpus:
        """The corpus of the modules that an installed distribution brings."""
        files = [Path(str(file.locate())) for file in importlib.metadata.files(distribution) or ()]
        return Corpus.of_modules(file for file in files if file.name.endswith("_pb2.py"))

    def subjects(self, every: int = 1) -> list[Subject]:
        """Every Nth file alone, every Nth directory that has several, and every Nth tree of several proto packages."""
        folders: dict[str, list[str]] = {}
        for name in self.names:
            folders.setdefault(name.rpartition("/")[0], []).append(name)
        whole = [Subject(f"{folder}/", tuple(names)) for folder, names in folders.items() if len(names) > 1]
        return [*(Subject(name, (name,)) for name in self.names[::every]), *whole[::every], *self.trees()[::every]]

    def trees(self) -> list[Subject]:
        """The directories below those at the top with all that is in them, where that is of several proto packages."""
        found: dict[str, list[str]] = {}
        for name in self.names:
            found.setdefault("/".join(name.split("/")[:-1][:2]), []).append(name)
        several = {folder for folder, names in found.items() if len({self.files[name].package for name in names}) > 1}
        return [Subject(f"{folder}/**", tuple(found[folder]), is_tree=True) for folder in sorted(several)]

    def closure(self, names: Iterable[str]) -> FileDescriptorSet:
        """Files and all that they import, dependencies first."""
        pending = list(names)
        found = set(pending)
        while pending:
            for other in self.files[pending.pop()].dependency:
                if other not in found:
                    found.add(other)
                    pending.append(other)
        closure = FileDescriptorSet()
        closure.file.extend(file for name, file in self.files.items() if name in found)
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
    """The modules in wheels of PyPI, for a machine without npm."""
    root = folder / "wheels"
    if not root.is_dir():
        root.mkdir(parents=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), *_WHEELS]
        subprocess.run(command, check=True)
        for wheel in folder.glob("*.whl"):
            with zipfile.ZipFile(wheel) as opened:
                opened.extractall(root)
    return root


def _in_module(path: Path) -> FileDescriptorProto:
    """The descriptor that stands in a module of protoc: the bytes that ``AddSerializedFile`` is called with."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            argument = node.args[0]
            if node.func.attr == "AddSerializedFile" and isinstance(argument, ast.Constant):
                assert isinstance(argument.value, bytes)
                return FileDescriptorProto.FromString(argument.value)
    raise ValueError(f"{path} has no descriptor")


def _refused(lines: Iterable[str], root: Path) -> Iterator[str]:
    for line in lines:
        if ".proto:" in line and "warning:" not in line:
            yield line.partition(".proto:")[0].removeprefix(f"{root}/") + ".proto"
