"""Further languages that a run generates beside the Python package, each a folder of the generator.

The generator knows none of them. `product` lists those that are there; each is a `Language`.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from eventflux_codegen.options import Options
from eventflux_codegen.package import Package
from eventflux_codegen.schema import Schema
from eventflux_codegen.yaml_source import Places

__all__ = ["Blueprint", "Language", "Target"]


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What a run is about: the IDL, the options, and the decisions that are the same in each language."""

    schema: Schema
    options: Options
    places: Places
    packages: tuple[Package, ...]
    """The Python packages: one, or with `tree` one for each proto package."""
    folders: Mapping[str, str]
    """Where each lies below the first level, with a slash behind it; empty for that itself."""


@dataclass(frozen=True, slots=True)
class Target:
    """The files of one language, and the directory that is theirs, whole."""

    path: Path
    entry: str
    """The file that shows whose directory it is: it is always there, and begins with `mark`."""
    mark: str
    files: Mapping[str, str]


class Language(ABC):
    """A language's part of the generator."""

    section: ClassVar[str]
    """The key of its options in the YAML, and the option of the command line that takes its directory."""
    options: ClassVar[type]
    """A frozen dataclass, as all options are; `output` of it is the directory, relative to the YAML."""
    entry: ClassVar[str]
    mark: ClassVar[str]
    """See `Target`."""

    @abstractmethod
    def generate(self, options: Any, blueprint: Blueprint) -> dict[str, str]:
        """The text of each file; `options` are what the section says.

        Raises:
            GenerationError: the IDL or the options cannot be turned into code.
        """

    def target(self, options: Any, blueprint: Blueprint, folder: Path) -> Target:
        """The same with the directory that they go to; its path is relative to `folder`."""
        path = Path(os.path.normpath(folder / options.output))
        return Target(path, self.entry, self.mark, self.generate(options, blueprint))
