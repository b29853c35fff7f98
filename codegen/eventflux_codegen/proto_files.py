"""Finds the .proto files that a list of files, directories and patterns means."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Protocol

from eventflux_codegen.error import GenerationError, nearest
from eventflux_codegen.yaml_source import Places

__all__ = ["Catalogue", "Folders", "Names", "expand", "is_pattern", "literal_part"]

_PATTERN: Final = re.compile(r"[*?\[]")
_TOKEN: Final = re.compile(r"\*\*/|\*\*|\*|\?|\[[^\]]+\]|.", re.DOTALL)
_TOKENS: Final = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


class Catalogue(Protocol):
    """Where .proto files are looked for, by names with slashes as an ``import`` has them."""

    def has(self, name: str) -> bool:
        """Whether there is a file of this name."""
        ...

    def below(self, folder: str) -> Iterable[str]:
        """The names of all .proto files in a directory and below it, sorted; ``.`` is all of them."""
        ...


@dataclass(frozen=True, slots=True)
class Folders:
    """The files below include directories. Directories whose names begin with a dot are passed over."""

    include: Sequence[Path]

    def has(self, name: str) -> bool:
        """Whether one of the directories holds the file."""
        return any((path / name).is_file() for path in self.include)

    def below(self, folder: str) -> Iterable[str]:
        """What the directories hold, each name once."""
        return sorted({name for path in self.include for name in _walk(path, folder)})


@dataclass(frozen=True, slots=True)
class Names:
    """The files of a descriptor set."""

    names: Sequence[str]

    def has(self, name: str) -> bool:
        """Whether the set has the file."""
        return name in self.names

    def below(self, folder: str) -> Iterable[str]:
        """What the set has there."""
        prefix = "" if folder == "." else f"{folder}/"
        return sorted(name for name in self.names if name.startswith(prefix))


def expand(entries: Sequence[str], catalogue: Catalogue, places: Places) -> tuple[str, ...]:
    """The names of the files that entries of ``protos`` mean, each once.

    Raises:
        GenerationError: an entry means no file.
    """
    found: dict[str, None] = {}
    for index, entry in enumerate(entries):
        names = tuple(_meant_by(entry, catalogue))
        if not names:
            what = f"no .proto file matches {entry!r}" if is_pattern(entry) else f"no such file: {entry!r}"
            raise GenerationError(f"{what}: {nearest(entry, catalogue.below('.'))}", places("protos", index))
        found.update(dict.fromkeys(names))
    return tuple(found)


def is_pattern(entry: str) -> bool:
    """Whether an entry has characters that stand for others."""
    return _PATTERN.search(entry) is not None


def literal_part(pattern: str) -> str:
    """The directory that all matches of a pattern lie in; ``.`` if there is none."""
    parts = PurePosixPath(pattern).parts
    first = next((index for index, part in enumerate(parts) if is_pattern(part)), len(parts) - 1)
    return str(PurePosixPath(*parts[:first]))


def _meant_by(entry: str, catalogue: Catalogue) -> Iterable[str]:
    if catalogue.has(entry):
        return (entry,)
    if is_pattern(entry):
        form = re.compile(_expression(entry.removeprefix("./")), re.DOTALL)
        return (name for name in catalogue.below(literal_part(entry)) if form.fullmatch(name))
    return catalogue.below(str(PurePosixPath(entry)))


def _expression(pattern: str) -> str:
    """A pattern as a regular expression: a star stays in its directory, two go down into all of them."""
    parts = []
    for token in _TOKEN.findall(pattern):
        if token.startswith("[") and len(token) > 1:
            inner = token[1:-1].replace("\\", "\\\\")
            parts.append(f"[^{inner[1:]}]" if inner.startswith("!") else f"[{inner}]")
        else:
            parts.append(_TOKENS.get(token) or re.escape(token))
    return "".join(parts)


def _walk(include: Path, folder: str) -> Iterator[str]:
    for path, directories, files in os.walk(include / folder, followlinks=True):
        directories[:] = sorted(name for name in directories if not name.startswith("."))
        for name in files:
            if name.endswith(".proto"):
                yield Path(path, name).relative_to(include).as_posix()
