"""Dataclasses that check their fields when they are made: types by the annotations, ranges by the `Limits` in them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Protocol, TypeAlias, Union, get_args, get_origin, get_type_hints

from eventflux_runtime.rpc.errors import ConfigError

__all__ = [
    "MAX_COUNT",
    "MAX_SECONDS",
    "Checked",
    "Count",
    "CountOrZero",
    "FilePath",
    "Limits",
    "Milliseconds",
    "PositiveSeconds",
    "Seconds",
    "Timeout",
    "checked_value",
    "require_instance",
    "shown",
]

MAX_SECONDS: Final = 1_000_000_000
"""The longest time that can be configured, 31 years: "never" to a program, and far within what clocks hold."""
MAX_COUNT: Final = 2**31 - 1
"""The greatest number that sockets, HTTP/2 and the native protocol take."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The range of a number; stands in its annotation."""

    least: float
    most: float
    is_open: bool = False
    """Whether `least` itself is outside."""

    def has(self, value: float) -> bool:
        """Whether a number is inside; one that is no number (nan) is not."""
        return self.least <= value <= self.most and not (self.is_open and value == self.least)

    def __str__(self) -> str:
        least = f"{'above' if self.is_open else 'at least'} {self.least}"
        return least if self.most == float("inf") else f"{least} and at most {self.most}"


PositiveSeconds: TypeAlias = Annotated[float, Limits(0, MAX_SECONDS, is_open=True)]
Seconds: TypeAlias = Annotated[float, Limits(0, MAX_SECONDS)]
Milliseconds: TypeAlias = Annotated[int, Limits(1, MAX_SECONDS * 1000)]
Count: TypeAlias = Annotated[int, Limits(1, MAX_COUNT)]
CountOrZero: TypeAlias = Annotated[int, Limits(0, MAX_COUNT)]
Timeout: TypeAlias = Annotated[float, Limits(0, float("inf"))]
"""Seconds of a call; from `MAX_SECONDS` on, infinity included, there is no deadline."""
FilePath: TypeAlias = str | os.PathLike[str]
"""A path; kept as text."""


class Checked:
    """The base of a frozen dataclass that checks its fields when it is made.

    Every field is annotated with what it takes; numbers have `Limits`. A path is kept as text, what is given for a
    frozenset may be any set, list or tuple, and what is given for a tuple of any length may be a list.
    """

    __slots__ = ()

    def __post_init__(self) -> None:
        for name, rule in _rules(type(self)):
            value = getattr(self, name)
            kept = rule.kept(name, value)
            if kept is not value:
                object.__setattr__(self, name, kept)
        self._check_together()

    def _check_together(self) -> None:
        """Checks what fields have to do with each other; by now each is right by itself.

        Raises:
            ConfigError: some do not fit.
        """


def checked_value(name: str, value: object, annotation: Any) -> Any:
    """An argument that takes what a field with such an annotation takes; the value to keep.

    Raises:
        ConfigError: it is something else.
    """
    return _rule(annotation).kept(name, value)


def require_instance(name: str, value: object, kind: type[Any]) -> None:
    """Checks an argument that takes an instance of one class.

    Raises:
        ConfigError: it is something else.
    """
    if not isinstance(value, kind):
        raise ConfigError(f"{name} must be {_class_rule(kind).wanted}, not {shown(value)}")


def shown(value: object) -> str:
    """A value as errors show it: objects by their class, because two classes may have the same name."""
    kind = type(value)
    if isinstance(value, type):
        return f"the class {value.__name__}: make an instance, {value.__name__}(...)"
    if kind.__module__ == "builtins" or isinstance(value, Enum) or kind.__repr__ is object.__repr__:
        text = repr(value)
        return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
    if kind.__module__ in {"datetime", "decimal", "fractions"}:
        return repr(value)
    return _class_name(kind)


_SHOWN_CHARACTERS: Final = 200


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a field takes."""

    wanted: str
    """In words, as "a whole number from 1 to 9"."""
    accept: Callable[[object], object]
    """The value to keep, or `_REFUSED`."""
    limits: Limits | None = None
    has_kind: Callable[[object], bool] | None = None
    """Whether a value has limits to keep, so that they alone need be named."""

    def kept(self, name: str, value: object) -> object:
        """The value to keep. Raises ConfigError for one that is refused."""
        kept = self.accept(value)
        if kept is _REFUSED:
            missed = str(self.limits) if self.has_kind is not None and self.has_kind(value) else self.wanted
            raise ConfigError(f"{name} must be {missed}, not {shown(value)}")
        return kept


class _Refused:
    """The type of `_REFUSED`."""


_REFUSED: Final = _Refused()


_known: Final[dict[type[Any], tuple[tuple[str, _Rule], ...]]] = {}
"""What `_rules` has worked out."""


def _rules(kind: type[Any]) -> tuple[tuple[str, _Rule], ...]:
    """The rule of each field of a class."""
    rules = _known.get(kind)
    if rules is None:
        hints = get_type_hints(kind, include_extras=True)
        rules = _known[kind] = tuple((field.name, _rule(hints[field.name])) for field in fields(kind))
    return rules


def _rule(annotation: Any) -> _Rule:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _number_rule(*arguments)
    if origin is Union or origin is UnionType:
        return _union_rule([_rule(arm) for arm in arguments])
    if origin is Literal:
        return _literal_rule(arguments)
    if origin is frozenset:
        return _set_rule(_rule(arguments[0]))
    if origin is tuple:
        return _tuple_rule(arguments)
    if origin is Mapping:
        return _mapping_rule(*map(_rule, arguments))
    if origin is Callable:
        return _Rule("a function", lambda value: value if callable(value) else _REFUSED)
    if origin is os.PathLike:
        return _Rule("a path", _path)
    return _class_rule(annotation)


def _number_rule(kind: type[Any], limits: Limits) -> _Rule:
    accepted = (int, float) if kind is float else (int,)

    def is_number(value: object) -> bool:
        # A bool and a member of an IntEnum are ints to Python, and mistakes here.
        return isinstance(value, accepted) and not isinstance(value, bool | Enum)

    def accept(value: Any) -> object:
        return value if is_number(value) and limits.has(value) else _REFUSED

    return _Rule(f"{'a whole number' if kind is int else 'a number'}, {limits}", accept, limits, is_number)


def _class_rule(kind: type[Any]) -> _Rule:
    if kind is NoneType:
        return _Rule("None", _instance_of(NoneType))
    if kind is bool:
        return _Rule("True or False", _instance_of(bool))
    if kind is str:
        return _Rule("text", _instance_of(str))
    if kind is bytes:
        return _Rule("bytes", _instance_of(bytes))
    if Protocol in kind.__bases__:
        return _protocol_rule(kind)
    if issubclass(kind, Enum):
        members = ", ".join(f"{kind.__name__}.{member.name}" for member in kind)
        return _Rule(f"one of {members}" if members else f"a member of an {kind.__name__}", _instance_of(kind))
    if kind in {int, float}:
        raise TypeError("a number needs Limits in its annotation")
    return _Rule(f"a {_class_name(kind)}", _instance_of(kind))


def _instance_of(kind: type[Any]) -> Callable[[object], object]:
    return lambda value: value if isinstance(value, kind) else _REFUSED


def _protocol_rule(kind: type[Any]) -> _Rule:
    """Of what has the attributes of a protocol, whatever its class."""
    rules = {name: _rule(hint) for name, hint in get_type_hints(kind, include_extras=True).items()}

    def accept(value: object) -> object:
        fits = all(rule.accept(getattr(value, name, _REFUSED)) is not _REFUSED for name, rule in rules.items())
        return value if fits else _REFUSED

    return _Rule(f"an object with {', '.join(rules)}", accept)


def _union_rule(rules: list[_Rule]) -> _Rule:
    def accept(value: object) -> object:
        for rule in rules:
            kept = rule.accept(value)
            if kept is not _REFUSED:
                return kept
        return _REFUSED

    limited = next((rule for rule in rules if rule.limits is not None), _Rule("", accept))
    wanted = " or ".join(dict.fromkeys(rule.wanted for rule in rules))
    return _Rule(wanted, accept, limited.limits, limited.has_kind)


def _literal_rule(values: tuple[object, ...]) -> _Rule:
    return _Rule(
        f"one of {', '.join(map(str, values))}", lambda value: value if _is_one_of(value, values) else _REFUSED
    )


def _is_one_of(value: object, values: tuple[object, ...]) -> bool:
    return isinstance(value, str) and value in values


def _set_rule(element: _Rule) -> _Rule:
    def accept(value: object) -> object:
        if not isinstance(value, frozenset | set | list | tuple):
            return _REFUSED
        fits = all(element.accept(item) is not _REFUSED for item in value)
        return (value if isinstance(value, frozenset) else frozenset(value)) if fits else _REFUSED

    return _Rule(f"a set, each {element.wanted}", accept)


def _tuple_rule(arguments: tuple[Any, ...]) -> _Rule:
    """Of any number of things of one kind, which may be a list too, or of a few, each of its kind."""
    if arguments[-1] is not Ellipsis:
        rules = [_rule(argument) for argument in arguments]

        def accept_few(value: object) -> object:
            if not isinstance(value, tuple) or len(value) != len(rules):
                return _REFUSED
            fits = all(rule.accept(item) is not _REFUSED for rule, item in zip(rules, value, strict=True))
            return value if fits else _REFUSED

        return _Rule(f"a tuple of {' and '.join(rule.wanted for rule in rules)}", accept_few)
    element = _rule(arguments[0])

    def accept(value: object) -> object:
        if not isinstance(value, tuple | list):
            return _REFUSED
        fits = all(element.accept(item) is not _REFUSED for item in value)
        return (value if isinstance(value, tuple) else tuple(value)) if fits else _REFUSED

    return _Rule(f"a tuple, each {element.wanted}", accept)


def _mapping_rule(key: _Rule, item: _Rule) -> _Rule:
    def accept(value: object) -> object:
        if not isinstance(value, Mapping):
            return _REFUSED
        fits = all(key.accept(k) is not _REFUSED and item.accept(v) is not _REFUSED for k, v in value.items())
        return value if fits else _REFUSED

    return _Rule(f"a dict of {key.wanted} to {item.wanted}", accept)


def _path(value: object) -> object:
    if not isinstance(value, os.PathLike):
        return _REFUSED
    path = os.fspath(value)
    return path if isinstance(path, str) else _REFUSED


def _class_name(kind: type[Any]) -> str:
    """A class as a reader finds it: under its package where that offers it."""
    package = kind.__module__.partition(".")[0]
    is_public = getattr(sys.modules.get(package), kind.__name__, None) is kind
    return f"{package if is_public else kind.__module__}.{kind.__qualname__}"
