"""What a generated package says of its messages and enums for JSON: a line for each field, names for each number.

A package registers its tables when one of its messages is first turned into JSON or read from it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import IntEnum
from functools import cached_property
from importlib import import_module
from typing import Any, Final, TypeVar, final

from eventflux_runtime.message.json_scalar import SCALARS, Scalar
from eventflux_runtime.message.open_enum import ClosedEnum
from eventflux_runtime.message.sibling import module_of

__all__ = [
    "EnumNames",
    "JsonField",
    "JsonForm",
    "JsonTable",
    "enum_names",
    "json_name_of",
    "register_json",
    "register_json_enum",
    "register_json_form",
]

T = TypeVar("T")

_WORD_START: Final = re.compile(r"_+([a-zA-Z0-9])")


def json_name_of(name: str) -> str:
    """``field_name`` as ``fieldName``, which is a field's name in JSON unless the IDL gives another."""
    return _WORD_START.sub(lambda match: match[1].upper(), name).replace("_", "")


@final
class EnumNames:
    """The names that an enum's numbers have in the IDL, which the members of its class need not have."""

    def __init__(self, kind: type[IntEnum], numbers: Mapping[str, int], *, is_null: bool = False) -> None:
        self.kind: Final = kind
        self.numbers: Final = numbers
        self.is_null: Final = is_null
        """Whether JSON has `null` for its only number, as for protobuf's `NullValue`."""
        self.is_closed: Final = issubclass(kind, ClosedEnum)
        self.names: Final = {number: name for name, number in reversed(list(numbers.items()))}
        """The first name of each number."""


_ENUMS: Final[dict[type[IntEnum], EnumNames]] = {}


def enum_names(kind: type[IntEnum]) -> EnumNames:
    """The names of an enum, whose package's tables are loaded when they are first used."""
    names = _ENUMS.get(kind)
    if names is None:
        import_module(module_of(kind, "json_fields"))
        names = _ENUMS[kind]
    return names


@final
class JsonField:
    """One field of a message, a choice of a oneof included."""

    __slots__ = ("_json_name", "attribute", "choice", "is_list", "is_optional", "is_required", "key", "kind", "name")

    def __init__(  # noqa: PLR0913 - a row has many columns, and most of them are empty
        self,
        name: str,
        kind: str | type[Any],
        *,
        attribute: str = "",
        json_name: str = "",
        key: str = "",
        choice: type[Any] | None = None,
        is_list: bool = False,
        is_optional: bool = False,
        is_required: bool = False,
    ) -> None:
        """A row of a table.

        Args:
            name: as the IDL has it.
            kind: the scalar type of the IDL, or the class of the enum or message; ``value``, ``struct`` or ``list``
                for protobuf's `Value`, `Struct` and `ListValue`, which are plain values.
            attribute: the attribute of the message class; empty: the name itself.
            json_name: as JSON has it; empty: the name in lowerCamelCase.
            key: the scalar type of the keys of a map; empty for any other field.
            choice: the class that stands for it, if it is a choice of a oneof; then `attribute` is the oneof's.
            is_list: whether it is repeated.
            is_optional: whether it is absent where its attribute is None.
            is_required: whether its attribute must not be None.
        """
        self.name: Final = name
        self.kind: Final = SCALARS[kind] if isinstance(kind, str) and kind in SCALARS else kind
        self.attribute: Final = attribute or name
        self._json_name: Final = json_name
        self.key: Final[Scalar | None] = SCALARS[key] if key else None
        self.choice: Final = choice
        self.is_list: Final = is_list
        self.is_optional: Final = is_optional
        self.is_required: Final = is_required

    @property
    def json_name(self) -> str:
        """The name that is written."""
        return self._json_name or json_name_of(self.name)


@final
class JsonTable:
    """The fields of one message, in the order of their numbers, in which they are written."""

    def __init__(self, fields: tuple[JsonField, ...], *, is_recursive: bool) -> None:
        self.fields: Final = tuple((field.json_name, field) for field in fields)
        self.is_recursive: Final = is_recursive
        """Whether it can contain itself, or a message that can, so that its depth is limited."""

    @cached_property
    def choices(self) -> dict[str, tuple[type[Any], ...]]:
        """The classes of each oneof's choices, by the attribute of the oneof."""
        found: dict[str, tuple[type[Any], ...]] = {}
        for _, field in self.fields:
            if field.choice is not None:
                found[field.attribute] = (*found.get(field.attribute, ()), field.choice)
        return found

    @cached_property
    def required(self) -> tuple[str, ...]:
        """The attributes that have to be set."""
        return tuple(field.attribute for _, field in self.fields if field.is_required)

    @cached_property
    def by_name(self) -> dict[str, JsonField]:
        """Each field by either name that is read; where two meet, the one that is written is meant."""
        return {field.name: field for _, field in self.fields} | dict(self.fields)


@final
class JsonForm:
    """A message whose JSON is no object of its fields, such as a `Timestamp`."""

    def __init__(self, write: Callable[[Any, int], object], read: Callable[[Any, int, bool], Any]) -> None:
        self.write: Final = write
        """What stands for a message that lies so deep in others. Raises Misfit."""
        self.read: Final = read
        """The message that stands for it; the last argument is `ignore_unknown_fields`. Raises Misfit."""


def register_json(kind: type[Any], *fields: JsonField, is_recursive: bool = False) -> None:
    """Tells a message class what its fields are in JSON, and whether it can contain itself, or a message that can."""
    kind.__registration__.json = JsonTable(fields, is_recursive=is_recursive)


def register_json_form(kind: type[T], write: Callable[[T, int], object], read: Callable[[Any, int, bool], T]) -> None:
    """Tells a message class that its JSON is something else than an object of its fields."""
    registered: Any = kind
    registered.__registration__.json = JsonForm(write, read)


def register_json_enum(kind: type[IntEnum], numbers: Mapping[str, int], *, is_null: bool = False) -> None:
    """Tells the names that an enum's numbers have in the IDL, in order, or that JSON has `null` for its only one."""
    _ENUMS[kind] = EnumNames(kind, numbers, is_null=is_null)
