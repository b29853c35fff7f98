"""Reads messages from proto3's JSON mapping, by the tables of their packages.

Text becomes Python's objects by the standard library. What they may be is what protobuf's own runtime for Python takes.
It is stricter in four points: NaN and Infinity stand in quotes, one field does not stand there under both its names,
no number becomes infinite, and a number of an enum that has more than 32 bits is not cut down to those.
"""

from __future__ import annotations

import json
import math
from enum import IntEnum
from typing import Any, Final, NoReturn

from eventflux_runtime.message.json_misfit import Misfit
from eventflux_runtime.message.json_plain import PLAIN
from eventflux_runtime.message.json_scalar import Scalar, checked_text, read_int
from eventflux_runtime.message.json_table import EnumNames, JsonField, JsonForm, JsonTable, enum_names
from eventflux_runtime.message.registration import Registration
from eventflux_runtime.message.unknown import MAX_DEPTH
from eventflux_runtime.rpc.errors import CodecError

__all__ = ["load", "read_message"]

_UNKNOWN: Final = object()
"""Stands for a name of an enum that nobody knows, where such are left out."""


def load(data: str | bytes, registration: Registration[Any], ignore_unknown: bool) -> Any:
    """The message of a JSON text. Raises CodecError."""
    name = registration.kind.__name__
    try:
        value = _parsed(data)
        return read_message(value, registration, 0, ignore_unknown)
    except Misfit as misfit:
        raise misfit.error(name) from None
    except RecursionError:
        raise CodecError(f"{name}: the JSON is nested too deep", field=name) from None


def _parsed(data: str | bytes) -> object:
    """The objects of a JSON text. Raises Misfit, or RecursionError."""
    try:
        text = data if isinstance(data, str) else data.decode()
        return json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise Misfit(f"no JSON: {error.msg} at line {error.lineno}, column {error.colno}", is_shown=False) from None
    except UnicodeDecodeError as error:
        raise Misfit(f"no JSON: byte {error.start} is not UTF-8", is_shown=False) from None
    except Misfit:
        raise
    except ValueError:  # int() refuses more than 4,300 digits
        raise Misfit("no JSON that can be read: a number has too many digits", is_shown=False) from None


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise Misfit(f"the name {name!r} stands twice in one object", is_shown=False)
            seen.add(name)
    return made


def _refuse_constant(name: str) -> NoReturn:
    raise Misfit(f"no JSON: {name} has to stand in quotes", is_shown=False)


def read_message(value: Any, registration: Registration[Any], depth: int, ignore_unknown: bool) -> Any:
    """The message that stands in JSON, so deep in others. Raises Misfit."""
    table = registration.json
    if isinstance(table, JsonForm):
        return table.read(value, depth, ignore_unknown)
    if depth > MAX_DEPTH and table.is_recursive:
        raise Misfit(f"nested more than {MAX_DEPTH} levels deep", is_shown=False)
    if isinstance(value, dict):
        return registration.kind(**_Reader(table, registration.kind, depth, ignore_unknown).attributes(value))
    if value in ([], ""):  # what protobuf's own runtime takes for an empty object, and PHP writes for one
        return registration.kind()
    raise Misfit.of("an object", value)


class _Reader:
    """Reads the fields of one message."""

    __slots__ = ("_depth", "_ignore_unknown", "_kind", "_table")

    def __init__(self, table: JsonTable, kind: type[Any], depth: int, ignore_unknown: bool) -> None:
        self._table: Final = table
        self._kind: Final = kind
        self._depth: Final = depth
        self._ignore_unknown: Final = ignore_unknown

    def attributes(self, value: dict[str, Any]) -> dict[str, Any]:
        """What the message's class is made with. Raises Misfit."""
        found: dict[str, Any] = {}
        seen: set[str] = set()
        chosen: dict[str, str] = {}
        for name, item in value.items():
            field = self._table.by_name.get(name)
            if field is None:
                if self._ignore_unknown:
                    continue
                raise self._unknown(name)
            if field.name in seen:
                raise Misfit(f"the field {field.name!r} stands here under two names", is_shown=False)
            seen.add(field.name)
            if field.choice is not None and item is not None:
                other = chosen.setdefault(field.attribute, name)
                if other != name:
                    raise Misfit(f"{other!r} and {name!r} are choices of one oneof: keep one", is_shown=False).within(
                        f".{field.attribute}"
                    )
            self._read_into(found, field, item)
        for attribute in self._table.required:
            if attribute not in found:
                raise Misfit("is required, but not in the object", is_shown=False).within(f".{attribute}")
        return found

    def _unknown(self, name: str) -> Misfit:
        known = ", ".join(name for name, _ in self._table.fields) or "none"
        redacted = f"has no such field; its fields are: {known}"
        return Misfit(f"has no field {name!r}; its fields are: {known}", is_shown=False, redacted=redacted)

    def _read_into(self, found: dict[str, Any], field: JsonField, item: Any) -> None:
        try:
            value = self._read(field, item)
        except Misfit as misfit:
            if field.is_redacted_in(self._kind):
                misfit.redact()
            misfit.within(f".{field.attribute}")
            raise
        if value is not _UNKNOWN:
            found[field.attribute] = value if field.choice is None else field.choice(value)

    def _read(self, field: JsonField, item: Any) -> Any:
        if item is None and not (_takes_null(field) and not field.is_list and field.key is None):
            return _UNKNOWN  # as if the field were not there
        if field.is_list:
            return self._list(field, item)
        if field.key is not None:
            return self._map(field, field.key, item)
        return self._value(field, item, self._depth + 1)

    def _list(self, field: JsonField, value: object) -> list[Any]:
        if not isinstance(value, list):
            raise Misfit.of("an array", value)
        made = []
        for index, item in enumerate(value):
            try:
                if item is None and not _takes_null(field):
                    raise Misfit.of("no null in an array", item)
                element = self._value(field, item, self._depth + 1)
            except Misfit as misfit:
                misfit.within(f"[{index}]")
                raise
            if element is not _UNKNOWN:
                made.append(element)
        return made

    def _map(self, field: JsonField, key: Scalar, value: object) -> dict[Any, Any]:
        if not isinstance(value, dict):
            raise Misfit.of("an object", value)
        if value and self._depth >= MAX_DEPTH and self._table.is_recursive:
            raise Misfit(f"nested more than {MAX_DEPTH} levels deep", is_shown=False)
        made: dict[Any, Any] = {}
        for name, item in value.items():
            try:
                read_key = key.read_key(name)
                read = self._value(field, item, self._depth + 2)
                if read is not _UNKNOWN:
                    made[read_key] = read
            except Misfit as misfit:
                misfit.within(f"[{name!r}]")
                raise
        return made

    def _value(self, field: JsonField, value: Any, depth: int) -> Any:
        kind = field.kind
        if isinstance(kind, Scalar):
            return kind.read(value)
        if isinstance(kind, str):
            return PLAIN[kind].read(value, depth)
        if issubclass(kind, IntEnum):
            return self._enum(enum_names(kind), value)
        return read_message(value, kind.__registration__, depth, self._ignore_unknown)

    def _enum(self, names: EnumNames, value: Any) -> Any:
        """A number, or a name of the IDL; a text that is neither may be one of a newer IDL."""
        if value is None and names.is_null:
            return names.kind(0)
        if isinstance(value, str):
            number = names.numbers.get(checked_text(value))
            if number is None:
                try:
                    number = int(value)
                except ValueError:
                    if self._ignore_unknown:
                        return _UNKNOWN
                    raise Misfit.of(f"a name or number of {names.kind.__name__}", value) from None
        else:
            is_truncated = isinstance(value, bool) or (isinstance(value, float) and math.isfinite(value))
            number = int(value) if is_truncated else value  # as protobuf's own runtime takes them
        number = read_int(number, -(2**31), 2**31 - 1)
        if names.is_closed and number not in names.names:
            raise Misfit.of(f"a name or number of {names.kind.__name__}", value)
        return names.kind(number)


def _takes_null(field: JsonField) -> bool:
    """Whether null is a value of the field, and not its absence."""
    kind = field.kind
    return kind == "value" or (isinstance(kind, type) and issubclass(kind, IntEnum) and enum_names(kind).is_null)
