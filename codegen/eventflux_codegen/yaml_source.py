"""Reads YAML into typed options; every mistake is an error with the line it stands on.

The options are frozen dataclasses. Their annotations are the schema: `str`, `int`, `float`, `bool`, `X | None`,
`list[X]` (kept as a tuple), `dict[str, X]`, enums by value, other option classes, and a union of types that are written
differently.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final, TypeVar

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from eventflux_codegen.error import GenerationError, Place, nearest

__all__ = ["Places", "read_yaml"]

T = TypeVar("T")

_SCALARS: Final[Mapping[type, tuple[str, tuple[str, ...]]]] = {
    str: ("text", ("str",)),
    int: ("a whole number", ("int",)),
    float: ("a number", ("int", "float")),
    bool: ("true or false", ("bool",)),
}

_NODE_NAMES: Final[Mapping[type, str]] = {MappingNode: "mapping", SequenceNode: "list", ScalarNode: "value"}


class Places:
    """Where each key and list element of the YAML stands, by its path from the root."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._lines: dict[tuple[str | int, ...], int] = {}

    def add(self, path: tuple[str | int, ...], node: Node) -> None:
        """Notes the line of a node; a key's line counts before that of its value."""
        self._lines.setdefault(path, node.start_mark.line + 1)

    def __call__(self, *path: str | int) -> Place:
        """The place of a path, or of the closest parent that is written down."""
        while path and path not in self._lines:
            path = path[:-1]
        return Place(self._file, self._lines.get(path, 1))


def read_yaml(path: Path, kind: type[T]) -> tuple[T, Places]:
    """The options in a file, and where each of them stands.

    Raises:
        GenerationError: no such file, not YAML, or not what `kind` asks for.
    """
    places = Places(str(path))
    try:
        root = YAML(typ="safe", pure=True).compose(path.read_text("utf-8"))
    except OSError as error:
        raise GenerationError(f"cannot be read: {(error.strerror or str(error)).lower()}", Place(str(path))) from None
    except UnicodeDecodeError as error:
        raise GenerationError(f"is not UTF-8 at byte {error.start}", Place(str(path))) from None
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 0
        raise GenerationError(f"not valid YAML: {error.problem or error.context}", Place(str(path), line)) from None
    except YAMLError as error:
        raise GenerationError(f"not valid YAML: {' '.join(str(error).split())}", Place(str(path))) from None
    if root is None:
        raise GenerationError("is empty: give at least package and protos", Place(str(path)))
    return typing.cast("T", _Reader(places).read(root, kind, ())), places


@dataclass(frozen=True, slots=True)
class _Reader:
    places: Places

    def read(self, node: Node, kind: Any, path: tuple[str | int, ...]) -> object:
        """One node as a value of a type."""
        self.places.add(path, node)
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if origin in (types.UnionType, typing.Union):
            if type(None) in arguments and isinstance(node, ScalarNode) and _resolved(node) == "null":
                return None
            kinds = [argument for argument in arguments if argument is not type(None)]
            return self.read(node, next((kind for kind in kinds if _has_form(node, kind)), kinds[0]), path)
        if origin is tuple:
            return self._sequence(node, arguments[0], path)
        if origin is dict or origin is Mapping:
            return {key: self.read(value, arguments[1], (*path, key)) for key, value in self._items(node, path)}
        if is_dataclass(kind):
            return self._record(node, typing.cast("type[object]", kind), path)
        if isinstance(kind, type) and issubclass(kind, Enum):
            return self._enum(node, kind, path)
        return self._scalar(node, kind, path)

    def _items(self, node: Node, path: tuple[str | int, ...]) -> list[tuple[str, Node]]:
        if isinstance(node, ScalarNode) and _resolved(node) == "null":
            return []
        if not isinstance(node, MappingNode):
            raise self._wrong("a mapping of keys to values", node, path)
        items: dict[str, Node] = {}
        for key_node, value in node.value:
            if not isinstance(key_node, ScalarNode):
                raise self._wrong("a plain key", key_node, path)
            key = str(key_node.value)
            place = Place(self.places("").file, key_node.start_mark.line + 1)
            if key in items:
                raise GenerationError(f"{_shown(path)}key {key!r} stands here a second time: keep one", place)
            items[key] = value
            self.places.add((*path, key), key_node)
        return list(items.items())

    def _record(self, node: Node, kind: type[object], path: tuple[str | int, ...]) -> object:
        hints = typing.get_type_hints(kind)
        known = {field.name: field for field in fields(typing.cast("Any", kind))}
        values: dict[str, object] = {}
        for key, value in self._items(node, path):
            if key not in known:
                raise GenerationError(
                    f"{_shown(path)}unknown key {key!r}: {nearest(key, known)}", self.places(*path, key)
                )
            values[key] = self.read(value, hints[key], (*path, key))
        for name, field in known.items():
            if name not in values and field.default is MISSING and field.default_factory is MISSING:
                raise GenerationError(f"{_shown(path)}key {name!r} is missing: add it", self.places(*path))
        return kind(**values)

    def _sequence(self, node: Node, kind: Any, path: tuple[str | int, ...]) -> tuple[object, ...]:
        if not isinstance(node, SequenceNode):
            raise self._wrong("a list", node, path)
        for index, element in enumerate(node.value):
            self.places.add((*path, index), element)
        return tuple(self.read(element, kind, (*path, index)) for index, element in enumerate(node.value))

    def _enum(self, node: Node, kind: type[Enum], path: tuple[str | int, ...]) -> Enum:
        text = str(self._scalar(node, str, path))
        for member in kind:
            if text in (member.value, member.name):
                return member
        names = [str(member.value) for member in kind]
        raise GenerationError(f"{_shown(path)}{text!r} is not valid: {nearest(text, names)}", self.places(*path))

    def _scalar(self, node: Node, kind: type, path: tuple[str | int, ...]) -> object:
        expected, tags = _SCALARS[kind]
        if not isinstance(node, ScalarNode) or _resolved(node) not in tags:
            raise self._wrong(expected, node, path)
        text = str(node.value)
        try:
            return text.lower() == "true" if kind is bool else kind(text)
        except ValueError:
            raise self._wrong(expected, node, path) from None

    def _wrong(self, expected: str, node: Node, path: tuple[str | int, ...]) -> GenerationError:
        found = repr(node.value) if isinstance(node, ScalarNode) else f"a {_NODE_NAMES.get(type(node), 'node')}"
        place = Place(self.places("").file, node.start_mark.line + 1)
        return GenerationError(f"{_shown(path)}expected {expected}, not {found}", place)


def _has_form(node: Node, kind: Any) -> bool:
    """Whether a node is written as a type is, for one of several types."""
    origin = typing.get_origin(kind)
    if origin is tuple:
        return isinstance(node, SequenceNode)
    if origin in (dict, Mapping) or is_dataclass(kind):
        return isinstance(node, MappingNode)
    return isinstance(node, ScalarNode)


def _resolved(node: ScalarNode) -> str:
    return str(node.tag).rpartition(":")[2]


def _shown(path: tuple[str | int, ...]) -> str:
    return (
        "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".") + ": "
        if path
        else ""
    )
