"""Turns messages into proto3's JSON mapping, by the tables of their packages."""

from __future__ import annotations

import json
from enum import IntEnum
from typing import Any, Final

from msgspec import UNSET

from eventflux_runtime.message.json_misfit import Misfit
from eventflux_runtime.message.json_plain import PLAIN
from eventflux_runtime.message.json_scalar import Scalar, written_int
from eventflux_runtime.message.json_table import JsonField, JsonForm, JsonTable, enum_names
from eventflux_runtime.message.redaction import shown_of
from eventflux_runtime.message.registration import Registration
from eventflux_runtime.message.unknown import MAX_DEPTH
from eventflux_runtime.rpc.errors import CodecError

__all__ = ["dump", "write_message"]

_ABSENT: Final = object()
"""Stands for a field that is not written."""


def dump(message: Any, registration: Registration[Any], with_defaults: bool) -> str:
    """A message in JSON, on one line. Raises CodecError."""
    name = registration.kind.__name__
    try:
        return json.dumps(write_message(message, registration, 0, with_defaults), ensure_ascii=False, allow_nan=False)
    except Misfit as misfit:
        raise misfit.error(name) from None
    except RecursionError:
        raise CodecError(f"{name}: no room on Python's stack to write it", field=name) from None


def write_message(message: Any, registration: Registration[Any], depth: int, with_defaults: bool = False) -> object:
    """What stands in JSON for a message that lies so deep in others. Raises Misfit.

    Args:
        message: what is written.
        registration: that of its class.
        depth: how many messages it lies in.
        with_defaults: write the default of a field that cannot be absent, too.
    """
    if not isinstance(message, registration.kind):
        raise Misfit.of(f"a message of type {registration.kind.__name__}", message)
    table = registration.json
    if isinstance(table, JsonForm):
        return table.write(message, depth)
    if depth > MAX_DEPTH and table.is_recursive:
        raise Misfit(f"nested more than {MAX_DEPTH} levels deep", is_shown=False)
    _check_choices(message, table)
    written: dict[str, object] = {}
    for name, field in table.fields:
        try:
            value = _write_field(field, getattr(message, field.attribute), depth, table, with_defaults)
        except Misfit as misfit:
            if field.is_redacted_in(registration.kind):
                misfit.redact()
            misfit.within(f".{field.attribute}")
            raise
        if value is _ABSENT and with_defaults:
            value = _default_of(field, message, depth)
        if value is not _ABSENT:
            written[name] = value
    return written


def _check_choices(message: Any, table: JsonTable) -> None:
    """Raises Misfit for a oneof that holds something else than one of its choices."""
    for attribute, kinds in table.choices.items():
        value = getattr(message, attribute)
        if value is not None and not isinstance(value, kinds):
            names = ", ".join(kind.__name__ for kind in kinds)
            raise Misfit.of(f"one of {names}, or None", shown_of(message, attribute)).within(f".{attribute}")


def _default_of(field: JsonField, message: Any, depth: int) -> object:
    """What stands for a field that holds its default, unless it can be absent."""
    if field.is_list:
        return []
    if field.key is not None:
        return {}
    can_be_absent = field.choice is not None or field.is_optional or field.is_required
    return _ABSENT if can_be_absent else _write_value(field, getattr(message, field.attribute), depth + 1)


def _write_field(field: JsonField, value: Any, depth: int, table: JsonTable, with_defaults: bool) -> object:
    if field.choice is not None:
        is_chosen = isinstance(value, field.choice)
        return _write_value(field, value.value, depth + 1, with_defaults) if is_chosen else _ABSENT
    if field.is_list:
        return _write_list(field, value, depth, with_defaults)
    if field.key is not None:
        if value and depth >= MAX_DEPTH and table.is_recursive:
            raise Misfit(f"nested more than {MAX_DEPTH} levels deep", is_shown=False)
        return _write_map(field, field.key, value, depth, with_defaults)
    if field.is_optional or field.is_required:
        if value is not (UNSET if field.kind == "value" else None):
            return _write_value(field, value, depth + 1, with_defaults)
        if field.is_required:
            raise Misfit("is required, but None", is_shown=False)
        return _ABSENT
    written = _write_value(field, value, depth + 1, with_defaults)
    kind = field.kind
    is_default = kind.is_default(value) if isinstance(kind, Scalar) else not value
    return _ABSENT if is_default else written


def _write_list(field: JsonField, value: object, depth: int, with_defaults: bool) -> object:
    if not isinstance(value, list):
        raise Misfit.of("a list", value)
    written = []
    for index, item in enumerate(value):
        try:
            written.append(_write_value(field, item, depth + 1, with_defaults))
        except Misfit as misfit:
            misfit.within(f"[{index}]")
            raise
    return written or _ABSENT


def _write_map(field: JsonField, key: Scalar, value: object, depth: int, with_defaults: bool) -> object:
    if not isinstance(value, dict):
        raise Misfit.of("a dict", value)
    written: dict[str, object] = {}
    for name, item in value.items():
        try:
            written[key.write_key(name)] = _write_value(field, item, depth + 2, with_defaults)
        except Misfit as misfit:
            misfit.within(f"[{name!r}]")
            raise
    return written or _ABSENT


def _write_value(field: JsonField, value: Any, depth: int, with_defaults: bool = False) -> object:
    kind = field.kind
    if isinstance(kind, Scalar):
        return kind.write(value)
    if isinstance(kind, str):
        return PLAIN[kind].write(value, depth)
    if issubclass(kind, IntEnum):
        names = enum_names(kind)
        number = written_int(value, -(2**31), 2**31 - 1)
        if names.is_closed and number not in names.names:
            raise Misfit.of(kind.__name__, value)
        return None if names.is_null else names.names.get(number, number)
    return write_message(value, kind.__registration__, depth, with_defaults)
