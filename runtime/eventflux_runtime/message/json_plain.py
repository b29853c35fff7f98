"""Protobuf's `Value`, `Struct` and `ListValue`, which are plain values of Python, in proto3's JSON mapping.

They nest as their messages do: a struct within a struct is three levels deeper, for the entry of the map and the value
in it, and a list within a list two.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from eventflux_runtime.message.json_misfit import Misfit
from eventflux_runtime.message.json_scalar import checked_text
from eventflux_runtime.message.unknown import MAX_DEPTH

__all__ = ["PLAIN", "Plain"]

EXPECTED: Final = "None, a bool, a number, a str, a list or a dict"


@dataclass(frozen=True, slots=True)
class Plain:
    """One of the three."""

    write: Callable[[Any, int], object]
    """What stands in JSON for a value that lies so deep in messages. Raises Misfit."""
    read: Callable[[Any, int], Any]
    """The value that stands in JSON. Raises Misfit."""


def _value(value: object, depth: int) -> object:
    """The same value with numbers as floats, in JSON and out of it: a `Value` knows no other number."""
    _check_depth(depth)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return checked_text(value)
    if isinstance(value, (int, float)):
        return _number(value)
    if isinstance(value, dict):
        return _struct(value, depth + 1)
    if isinstance(value, list):
        return _list(value, depth + 1)
    raise Misfit.of(EXPECTED, value)


def _number(value: float) -> float:
    try:
        number = float(value)
    except OverflowError:
        raise Misfit.of("a number that fits into a double", value) from None
    if not math.isfinite(number):
        raise Misfit.of("a finite number", value)
    return number


def _struct(value: object, depth: int) -> dict[str, object]:
    _check_depth(depth)
    if not isinstance(value, dict):
        raise Misfit.of("a dict of str to values of JSON", value)
    if value:
        _check_depth(depth + 1)
    made: dict[str, object] = {}
    for name, item in value.items():
        try:
            made[checked_text(name)] = _value(item, depth + 2)
        except Misfit as misfit:
            misfit.within(f"[{name!r}]")
            raise
    return made


def _list(value: object, depth: int) -> list[object]:
    _check_depth(depth)
    if not isinstance(value, list):
        raise Misfit.of("a list of values of JSON", value)
    made = []
    for index, item in enumerate(value):
        try:
            made.append(_value(item, depth + 1))
        except Misfit as misfit:
            misfit.within(f"[{index}]")
            raise
    return made


def _check_depth(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise Misfit(f"nested more than {MAX_DEPTH} levels deep", is_shown=False)


PLAIN: Final = {"value": Plain(_value, _value), "struct": Plain(_struct, _struct), "list": Plain(_list, _list)}
"""Each of them, by the name that stands for it in tables."""
