"""What a product adds to the generator: a section of the options, and modules that are made of it.

The generator knows no product. `product` lists those that are there; each is an `Extension`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, make_dataclass
from typing import Any, ClassVar, Protocol

from eventflux_codegen.model import Enumeration, Lines, Message, Service
from eventflux_codegen.names import ClassNames
from eventflux_codegen.options import Options
from eventflux_codegen.yaml_source import Places

__all__ = ["Addition", "Draft", "Extension", "Module", "Section", "options_with"]


@dataclass(frozen=True, slots=True)
class Draft:
    """The package as it is when extensions are asked, each message and enum by its full name."""

    enums: Mapping[str, Enumeration]
    messages: Mapping[str, Message]
    services: tuple[Service, ...]
    names: ClassNames
    """To claim the names that the package will export."""
    places: Places


@dataclass(frozen=True, slots=True)
class Module:
    """A module of the package, beside the general ones."""

    name: str
    """Its name within the package; its template has the same, with ``.py.j2`` behind it."""
    exports: Lines = ()
    """What the package exports of it, sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """What an extension adds to one package."""

    package: str
    """The Python package that holds the folder ``templates``."""
    model: object
    """What those templates see as ``own``."""
    modules: tuple[Module, ...]
    method_imports: tuple[tuple[str, str], ...] = ()
    """Modules of the package and the names that ``methods`` takes of them."""
    method_arguments: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    """Further arguments of the runtime's Method, by the constant of a method: names and expressions."""


class Extension(ABC):
    """A product's part of the generator."""

    section: ClassVar[str]
    """The key of its options in the YAML."""
    options: ClassVar[type]
    """A frozen dataclass, as all options are."""

    @abstractmethod
    def build(self, options: Any, draft: Draft) -> Addition:
        """What to add to a package whose options have the section; `options` are what it says.

        Raises:
            GenerationError: the options do not fit the package.
        """


class Section(Protocol):
    """What has a section of the options: an extension, or a language."""

    @property
    def section(self) -> str:
        """Its key."""

    @property
    def options(self) -> type:
        """The class of what it says."""


def options_with(owners: Iterable[Section]) -> type[Options]:
    """The options of a file, a section for each owner among them; None where a file lacks it."""
    sections = [(own.section, own.options | None, field(default=None)) for own in owners]
    return make_dataclass("Options", sections, bases=(Options,), frozen=True, slots=True, kw_only=True)
