"""What a run is asked for: the options, where each of them stands, and where the results go."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from eventflux_codegen.error import COMMAND_LINE, GenerationError
from eventflux_codegen.input import Input
from eventflux_codegen.options import Options
from eventflux_codegen.product import LANGUAGES, FileOptions
from eventflux_codegen.proto_files import Folders, expand, is_pattern, literal_part
from eventflux_codegen.yaml_source import Places, read_yaml

__all__ = ["Order"]


@dataclass(frozen=True, slots=True)
class Order:
    """What to generate, from what, and where to."""

    options: Options
    places: Places
    folder: Path
    """What the paths of the options are relative to."""
    output: Path
    """The directory of the package."""
    lock: Path
    """The file with what peers rely on."""
    paths: tuple[str, ...] = ()
    """The sources, where they stand on the command line and not in a YAML file."""
    include: tuple[str, ...] = ()
    """The include directories that stand there."""

    @staticmethod
    def of_yaml(config: Path) -> Order:
        """What a YAML file says.

        Raises:
            GenerationError: the file is not there, or wrong.
        """
        options, places = read_yaml(config, FileOptions)
        return Order(
            options=options,
            places=places,
            folder=config.parent,
            output=Path(os.path.normpath(config.parent / (options.output or _folder_of(options.package)))),
            lock=config.parent / options.lock if options.lock is not None else config.with_suffix(".lock"),
        )

    @staticmethod
    def of_paths(
        paths: Sequence[str],
        package: str,
        include: Sequence[str],
        out: str,
        *,
        tree: bool = False,
        extern: Mapping[str, str] | None = None,
        languages: Mapping[str, str] | None = None,
    ) -> Order:
        """What stands on a command line: files, directories and patterns of .proto files, or one descriptor set.

        Args:
            paths: where the sources are.
            package: the Python package to generate.
            include: directories in which imports are looked for; the given directories, and those of files, come after.
            out: the directory that the package is put into.
            tree: whether each proto package becomes a package below that.
            extern: what other packages have, as in the YAML.
            languages: the directories of what is to be generated in other languages, by their sections.

        Raises:
            GenerationError: a path is not there.
        """
        places = Places(COMMAND_LINE, 0)
        sets = [path for path in paths if Path(path).is_file() and not path.endswith(".proto")]
        if sets and len(paths) > 1:
            raise GenerationError(f"{sets[0]} is no .proto file: give a descriptor set alone", places())
        if sets:
            options = FileOptions(
                package=package, protos=(".",), include=tuple(include) or (".",), descriptor_set=sets[0]
            )
            home = Path(sets[0]).parent
        else:
            folders, names = _locate(paths, include, places)
            options = FileOptions(package=package, protos=names, include=tuple(map(str, folders)))
            home = folders[len(include)] if len(folders) > len(include) else folders[0]
        return Order(
            options=replace(options, tree=tree, extern=extern or {}, **_sections(languages or {})),
            places=places,
            folder=Path(),
            output=Path(os.path.normpath(Path(out, _folder_of(package)))),
            lock=home / f"{package}.lock",
            paths=tuple(paths),
            include=tuple(include),
        )

    def into(self, out: str) -> Order:
        """The same, with the package put into another directory."""
        return replace(self, output=Path(os.path.normpath(Path(out, _folder_of(self.options.package)))))

    @property
    def roots(self) -> tuple[Path, ...]:
        """Where packages lie that this one may refer to: beside it."""
        depth = len(self.options.package.split("."))
        return (Path(os.path.normpath(self.output.joinpath(*[os.pardir] * depth))),)

    def read(self) -> Input:
        """The sources.

        Raises:
            GenerationError: they are wrong.
        """
        return Input.read(self.options, self.folder, self.places)

    def watched(self) -> Iterator[Path]:
        """The files that the result depends on: the options and the descriptor set, or every .proto file in reach."""
        yield Path(self.places().file)
        if self.options.descriptor_set is not None:
            yield self.folder / self.options.descriptor_set
            return
        for path in self.options.include:
            include = self.folder / path
            yield from (include / name for name in Folders([include]).below("."))


def _sections(languages: Mapping[str, str]) -> dict[str, Any]:
    return {own.section: own.options(output=languages[own.section]) for own in LANGUAGES if own.section in languages}


def _folder_of(package: str) -> str:
    return package.replace(".", "/")


def _locate(paths: Sequence[str], include: Sequence[str], places: Places) -> tuple[list[Path], tuple[str, ...]]:
    """The include directories, and the names of the files relative to one of them."""
    folders = [Path(folder) for folder in include]
    names: dict[str, Path] = {}
    for path in paths:
        folder, entry = _split(path, places)
        within = next((own for own in folders if folder.resolve().is_relative_to(own.resolve())), None)
        if within is None:
            within = folder
            folders.append(folder)
        prefix = folder.resolve().relative_to(within.resolve()).as_posix()
        for name in expand([entry], Folders([folder]), places):
            full = name if prefix == "." else f"{prefix}/{name}"
            if names.setdefault(full, within) != within:
                message = f"{names[full] / full} and {within / full} would both be imported as {full}"
                raise GenerationError(f"{message}: name a directory above both with --include", places())
    return folders, tuple(names)


def _split(path: str, places: Places) -> tuple[Path, str]:
    """A directory, and what is meant below it."""
    if Path(path).is_dir():
        return Path(path), "."
    if Path(path).is_file():
        return Path(path).parent, Path(path).name
    if is_pattern(path):
        folder = Path(literal_part(path))
        if folder.is_dir():
            return folder, os.path.relpath(path, folder).replace(os.sep, "/")
    raise GenerationError(f"no such file or directory: {path}", places())
