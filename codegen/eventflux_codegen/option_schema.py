"""The JSON schema of the YAML, made of the classes that its options are: editors complete and check by it."""

from __future__ import annotations

import json
import typing
from dataclasses import is_dataclass
from enum import Enum
from typing import Any, Final

from eventflux_codegen.option_doc import options_of, parts_of, text_of

__all__ = ["schema_text"]

_SCALARS: Final = {str: "string", int: "integer", float: "number", bool: "boolean"}


def schema_text(kind: type) -> str:
    """The schema of a file whose options are of a class."""
    definitions: dict[str, Any] = {}
    root = _record(kind, definitions)
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "What eventflux-codegen makes of .proto files",
        **root,
        "definitions": {name: definitions[name] for name in sorted(definitions)},
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _record(kind: type, definitions: dict[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for option in options_of(kind):
        found = {
            "description": option.text.replace("``", "`").replace("; None: ", "; if left out: "),
            **_schema(option.kind, definitions),
        }
        if "$ref" in found:  # before the draft of 2019, nothing may stand beside it
            found = {"description": found["description"], "allOf": [{"$ref": found["$ref"]}]}
        if option.default is not None:
            found["default"] = option.default
        properties[option.name] = found
    required = [option.name for option in options_of(kind) if option.is_required]
    found = {"type": "object", "properties": properties, "additionalProperties": False}
    return found | ({"required": required} if required else {})


def _schema(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    inner, parts = parts_of(kind)
    if inner is typing.Union:
        return {"anyOf": [_schema(part, definitions) for part in parts]}
    if inner is list:
        return {"type": "array", "items": _schema(parts[0], definitions)}
    if inner is dict:
        return {"type": ["object", "null"], "additionalProperties": _nullable(parts[0], definitions)}
    if is_dataclass(inner):
        record = typing.cast("type", inner)
        name = record.__name__
        if name not in definitions:
            definitions[name] = {}  # so that it may contain itself
            definitions[name] = {"description": text_of(record), **_record(record, definitions)}
        return {"$ref": f"#/definitions/{name}"}
    if issubclass(inner, Enum):
        names = [text for member in inner for text in (str(member.value), member.name)]
        return {"enum": list(dict.fromkeys(names))}
    return {"type": _SCALARS[inner]}


def _nullable(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """A value of a mapping; the YAML may leave one empty that may be None, or whose keys may all be left out."""
    found = _schema(kind, definitions)
    inner, _ = parts_of(kind)
    is_free = is_dataclass(inner) and not any(option.is_required for option in options_of(typing.cast("type", inner)))
    is_empty = is_free or type(None) in typing.get_args(kind)
    return {"anyOf": [found, {"type": "null"}]} if is_empty else found
