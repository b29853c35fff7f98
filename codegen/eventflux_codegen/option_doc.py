"""What is written about each option: the texts below the fields of the classes that options are."""

from __future__ import annotations

import ast
import inspect
import textwrap
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from enum import Enum
from typing import Any

__all__ = ["Option", "options_of", "parts_of", "text_of"]


@dataclass(frozen=True, slots=True)
class Option:
    """One key of a mapping in the YAML."""

    name: str
    kind: Any
    """Its type, as `yaml_source` reads it."""
    text: str
    is_required: bool
    default: object
    """What holds without it; None: there is nothing."""


def options_of(kind: type) -> Iterator[Option]:
    """The keys of an option class, in order."""
    hints = typing.get_type_hints(kind)
    texts = {name: text for owner in reversed(kind.__mro__) for name, text in _texts(owner).items()}
    for field in fields(typing.cast("Any", kind)):
        is_required = field.default is MISSING and field.default_factory is MISSING
        text = texts.get(field.name) or _text_of_section(hints[field.name])
        yield Option(field.name, hints[field.name], text, is_required, _default(field))


def parts_of(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    """A type without None, taken apart: a union with its members, a mapping with its values, a list with its elements.

    The first is `typing.Union`, `dict`, `list`, or the type itself.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        members = tuple(argument for argument in arguments if argument is not type(None))
        return parts_of(members[0]) if len(members) == 1 else (typing.Union, members)
    if origin is tuple:
        return list, (arguments[0],)
    if origin is dict or origin is Mapping:
        return dict, (arguments[1],)
    return kind, ()


def text_of(kind: type) -> str:
    """What is written about a class."""
    return _flat(inspect.getdoc(kind) or "")


def _text_of_section(kind: Any) -> str:
    """What is written about the class of an extension's section."""
    inner, _ = parts_of(kind)
    module = inspect.getmodule(inner)
    return _flat(inspect.getdoc(module) or "") if is_dataclass(inner) and module is not None else ""


def _default(field: Field[Any]) -> object:
    found = field.default if field.default is not MISSING else None
    if isinstance(found, Enum):
        return found.value
    return list(found) if isinstance(found, tuple) else found


def _texts(owner: type) -> dict[str, str]:
    """The strings below the fields that a class itself has."""
    try:
        source = textwrap.dedent(inspect.getsource(owner))
    except (OSError, TypeError):
        return {}  # made by a program, as the class of the whole file is
    (tree,) = ast.parse(source).body
    if not isinstance(tree, ast.ClassDef):
        return {}
    texts: dict[str, str] = {}
    for node, following in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and isinstance(following, ast.Expr):
            value = following.value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                texts[node.target.id] = _flat(value.value)
    return texts


def _flat(text: str) -> str:
    return " ".join(text.split())
