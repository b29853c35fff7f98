"""Messages as the TypeScript driver describes them, made from protobuf's descriptors."""

from __future__ import annotations

import math
import struct
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor

from eventflux_codegen.typescript.naming import as_property
from tests.support.catalogue import attribute_of, choices_of, descriptor_of, entry_of, fields_of, is_map, real_oneofs
from tests.support.plain import is_plain, wrapped

__all__ = ["described"]

_LONG: Final = {
    FieldDescriptor.TYPE_INT64,
    FieldDescriptor.TYPE_UINT64,
    FieldDescriptor.TYPE_SINT64,
    FieldDescriptor.TYPE_FIXED64,
    FieldDescriptor.TYPE_SFIXED64,
}


def described(message: Any) -> dict[str, Any]:
    """A message: its properties with their types, sorted, without those that are absent."""
    kind = type(message)
    descriptor = descriptor_of(kind)
    found: dict[str, Any] = {}
    for field in fields_of(descriptor):
        value = getattr(message, attribute_of(kind, field.name))
        is_absent = field.has_presence and (value is None or str(value) == "UNSET")
        if not is_absent or _is_null(field, value):
            found[as_property(field.name)] = _field(field, value)
    for oneof in real_oneofs(descriptor):
        chosen = getattr(message, attribute_of(kind, oneof.name))
        found[as_property(oneof.name)] = {"object": []}
        if chosen is not None:
            names = {choice: name for name, choice in choices_of(kind, oneof).items()}
            field = descriptor.fields_by_name[names[type(chosen)]]
            case = [["case", as_property(field.name)], ["value", _value(field, chosen.value)]]
            found[as_property(oneof.name)] = {"object": case}
    if message.unknown_fields:
        found["$unknown"] = {"bytes": message.unknown_fields.hex()}
    return {"object": [[name, found[name]] for name in sorted(found)]}


def _is_null(field: FieldDescriptor, value: Any) -> bool:
    message_type = field.message_type
    return value is None and message_type is not None and message_type.full_name == "google.protobuf.Value"


def _field(field: FieldDescriptor, value: Any) -> Any:
    if is_map(field):
        key, item = entry_of(field)
        return {"map": [[_value(key, name), _value(item, each)] for name, each in value.items()]}
    return [_value(field, each) for each in value] if field.is_repeated else _value(field, value)


def _value(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None and is_plain(field.message_type):
        inner = wrapped(field.message_type)
        return _json(value) if inner is None else _value(inner, value)
    if field.message_type is not None:
        return described(value)
    if field.type in _LONG:
        return {"bigint": str(value)}
    return _scalar(value)


def _scalar(value: Any) -> Any:
    if isinstance(value, bool | str):
        return value
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    return {"number": _number(value)}


def _number(value: float) -> str:
    if math.isnan(value):
        return "nan"
    is_whole = math.isfinite(value) and value == int(value) and not (value == 0 and math.copysign(1, value) < 0)
    return str(int(value)) if is_whole else struct.pack(">d", value).hex()


def _json(value: Any) -> Any:
    if isinstance(value, dict):
        return {"object": [[name, _json(value[name])] for name in sorted(value, key=_units)]}
    if isinstance(value, list):
        return [_json(each) for each in value]
    return None if value is None else _scalar(value)


def _units(text: str) -> bytes:
    """JavaScript's order of texts."""
    return text.encode("utf-16-be")
