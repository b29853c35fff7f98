"""Packages that have types of the IDL already: what they call them, as `idl_names` of each says."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from eventflux_codegen.error import GenerationError, Place
from eventflux_codegen.output import MARK

__all__ = ["MODULE", "Names", "names_in", "read_names"]

MODULE: Final = "idl_names"
"""The module of a generated package that says how elements of the IDL are called there."""


@dataclass(frozen=True, slots=True)
class Names:
    """What a generated package calls the elements of the IDL that it has."""

    package: str
    files: Mapping[str, str]
    """The module of protobuf's classes for each .proto file."""
    classes: Mapping[str, str]
    """The class of each message and enum, the union of each oneof, and the class of each of its choices."""
    names: Mapping[str, str]
    """The attributes of fields and oneofs and the members of enums, where they are not named as in the IDL."""
    elsewhere: Mapping[str, str]
    """The packages that have the types of other .proto files, which it refers to."""

    def class_of(self, element: str, place: Place) -> str:
        """The class of an element.

        Raises:
            GenerationError: the package was made of files without it.
        """
        if element not in self.classes:
            message = f"{self.package} has nothing of {element}: generate that package from the same .proto files"
            raise GenerationError(message, place)
        return self.classes[element]

    def called(self, owner: str, name: str) -> str:
        """The attribute of a field or a oneof, or the member of an enum's value."""
        return self.names.get(f"{owner}.{name}", name)


def read_names(package: str, folders: Iterable[Path], place: Place) -> Names:
    """What a package says of itself; it is read, and not imported.

    Args:
        package: its name in Python.
        folders: directories in which it may lie, before those in which Python would find it.
        place: what asks for it.

    Raises:
        GenerationError: there is no such package, or this generator did not make it.
    """
    path = next((path for path in _candidates(package, folders) if path.is_file()), None)
    if path is None:
        message = f"no package {package} that this generator made is here or installed: generate it, or install it"
        raise GenerationError(message, place)
    try:
        return names_in(path.read_text("utf-8"), package)
    except (KeyError, TypeError, ValueError):
        raise GenerationError(f"{path} is damaged: generate {package} again", place) from None


def names_in(text: str, package: str) -> Names:
    """What the module says.

    Raises:
        KeyError, TypeError, ValueError: it is damaged.
    """
    found = _assigned(text)
    return Names(package, *(dict(found[name]) for name in ("FILES", "CLASSES", "NAMES", "ELSEWHERE")))


def _candidates(package: str, folders: Iterable[Path]) -> Iterator[Path]:
    parts = package.split(".")
    for folder in folders:
        yield folder.joinpath(*parts, f"{MODULE}.py")
    try:
        spec = importlib.util.find_spec(parts[0])
    except (ImportError, ValueError):
        return
    for home in (spec.submodule_search_locations or ()) if spec is not None else ():
        yield Path(home).joinpath(*parts[1:], f"{MODULE}.py")


def _assigned(text: str) -> dict[str, dict[str, str]]:
    """The literals that a module gives names to; none, if it is not one of this generator."""
    if not text.startswith(MARK):
        return {}
    try:
        body = ast.parse(text).body
        return {
            node.target.id: ast.literal_eval(node.value)
            for node in body
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None
        }
    except (SyntaxError, ValueError):
        return {}
